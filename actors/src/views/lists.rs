//! The lists an entity stands in: a pure function of its state, one row a list.
//!
//! A row is the list's tag, what it is filtered by, and the entity's id, so that a list is a range
//! of rows in the order of ids, which is that of creation.

use crate::entities::State;
use crate::messages::{
    AccountStatus, Command, EntityId, Outcome, Record, Timestamp, Transfer, TransferMade,
    TransferStatus,
};

/// Which accounts a list shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountFilter {
    /// Only these.
    pub status: Option<AccountStatus>,
    /// Only with this reference.
    pub reference: Option<String>,
}

const ACCOUNTS: u8 = 0;
const ACCOUNTS_BY_STATUS: u8 = 1;
const ACCOUNTS_BY_REFERENCE: u8 = 2;
const ACCOUNTS_BY_REFERENCE_AND_STATUS: u8 = 3;
const WALLETS_BY_CUSTOMER: u8 = 4;
const TRANSFERS_DUE: u8 = 5;
const ACCEPTED: u8 = 6;
const TRANSFERS_PENDING: u8 = 7;
const TRANSFERS_BY_REFERENCE: u8 = 8;
const HOLDS_BY_TARGET: u8 = 9;

/// The rows of an entity.
pub(super) fn rows(entity: EntityId, state: Option<&State>) -> Vec<Vec<u8>> {
    match state {
        Some(State::Account(account)) => {
            let mut rows = vec![
                row(vec![ACCOUNTS], entity),
                row(vec![ACCOUNTS_BY_STATUS, account.status() as u8], entity),
            ];
            if let Some(reference) = account.reference() {
                let status = Some(account.status());
                rows.push(row(by_reference(reference, None), entity));
                rows.push(row(by_reference(reference, status), entity));
            }
            rows
        }
        Some(State::Wallet(wallet)) => vec![row(by_customer(wallet.customer()), entity)],
        Some(State::Transfer(transfer)) if transfer.status() == TransferStatus::Pending => {
            let made = transfer.made();
            let mut rows = vec![pending(entity, made)];
            rows.extend(made.expires_at.map(|at| row(due(at), entity)));
            rows
        }
        Some(State::Transfer(_) | State::External(_) | State::Numbering(_)) | None => Vec::new(),
    }
}

/// The rows of the transfers that a record made, which lead to the record. A transfer at once that
/// carries no reference has none: the chains of its two ends lead to it, and most transfers are such.
/// A pending one changes its source alone, so its target has a row.
pub(super) fn of_record(record: &Record) -> Vec<Vec<u8>> {
    if !matches!(record.outcome, Outcome::Done(_)) {
        return Vec::new();
    }
    let mut rows = Vec::new();
    let mut add = |transfer: &Transfer, is_pending: bool| {
        let reference = transfer.reference.as_deref().map(transfers_by_reference);
        let held = is_pending.then(|| holds_by_target(transfer.to));
        let prefixes = reference.into_iter().chain(held);
        rows.extend(prefixes.map(|prefix| of_sequence(prefix, record.sequence)));
    };
    match &record.command {
        Command::Transfer(transfer) => add(transfer, false),
        Command::Hold(hold) => add(&hold.transfer, true),
        Command::Batch(_) => {
            for (_, item, refused) in record.items() {
                if refused.is_none() {
                    add(&item.transfer, item.pending.is_some());
                }
            }
        }
        _ => {}
    }
    rows
}

/// What the rows of records start with that made transfers of that reference, or of one with the same
/// hash. Short, for they are the only rows that a transfer at once can have.
pub(super) fn transfers_by_reference(reference: &str) -> Vec<u8> {
    let mut prefix = vec![TRANSFERS_BY_REFERENCE];
    prefix.extend_from_slice(&blake3::hash(reference.as_bytes()).as_bytes()[..8]);
    prefix
}

/// What the rows of records start with that made pending transfers to that entity.
pub(super) fn holds_by_target(target: EntityId) -> Vec<u8> {
    row(vec![HOLDS_BY_TARGET], target)
}

/// The row of a record in a list of records.
pub(super) fn of_sequence(mut prefix: Vec<u8>, sequence: u64) -> Vec<u8> {
    prefix.extend_from_slice(&sequence.to_be_bytes());
    prefix
}

/// The record of a row.
pub(super) fn sequence(row: &[u8]) -> Option<u64> {
    row.last_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

/// What every pending transfer's row is between.
pub(super) fn all_pending() -> (Vec<u8>, Vec<u8>) {
    (vec![TRANSFERS_PENDING], vec![TRANSFERS_PENDING + 1])
}

/// What the row of a pending transfer starts with: in the order of the times when they were made.
pub(super) fn pending_since(made_at: Timestamp, transfer: EntityId) -> Vec<u8> {
    let mut prefix = vec![TRANSFERS_PENDING];
    prefix.extend_from_slice(&in_order(made_at));
    row(prefix, transfer)
}

/// Its ends stand in the row, so that those of an entity are found without a look at the others.
fn pending(transfer: EntityId, made: &TransferMade) -> Vec<u8> {
    row(
        row(pending_since(made.made_at, transfer), made.from),
        made.to,
    )
}

/// A pending transfer by its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PendingRow {
    /// When it was made.
    pub(super) made_at: Timestamp,
    /// The transfer.
    pub(super) transfer: EntityId,
    /// Where it is taken, and where it is to go.
    pub(super) ends: [EntityId; 2],
}

impl PendingRow {
    /// Reads it; `None`: the row is no pending transfer's.
    pub(super) fn read(row: &[u8]) -> Option<Self> {
        let (_, row) = row.split_first()?;
        let (time, row) = row.split_first_chunk::<8>()?;
        let (transfer, row) = row.split_first_chunk::<16>()?;
        let (from, to) = row.split_first_chunk::<16>()?;
        Some(Self {
            made_at: Timestamp::from_micros((u64::from_be_bytes(*time) ^ 1 << 63) as i64),
            transfer: EntityId::from_bytes(*transfer),
            ends: [
                EntityId::from_bytes(*from),
                EntityId::from_bytes(to.try_into().ok()?),
            ],
        })
    }
}

/// With its sign turned, a time sorts as its bytes do.
fn in_order(time: Timestamp) -> [u8; 8] {
    (time.as_micros() as u64 ^ 1 << 63).to_be_bytes()
}

/// What the rows of a customer's wallets start with.
pub(super) fn by_customer(customer: EntityId) -> Vec<u8> {
    row(vec![WALLETS_BY_CUSTOMER], customer)
}

/// The row of a command that was accepted by this record and isn't executed.
pub(super) fn accepted(sequence: u64) -> Vec<u8> {
    of_sequence(vec![ACCEPTED], sequence)
}

/// What the row of a pending transfer that expires then starts with: in the order of times.
pub(super) fn due(at: Timestamp) -> Vec<u8> {
    let mut prefix = vec![TRANSFERS_DUE];
    prefix.extend_from_slice(&in_order(at));
    prefix
}

impl AccountFilter {
    /// What the rows of the list start with that holds just these accounts.
    pub(super) fn prefix(&self) -> Vec<u8> {
        match (&self.reference, self.status) {
            (Some(reference), status) => by_reference(reference, status),
            (None, Some(status)) => vec![ACCOUNTS_BY_STATUS, status as u8],
            (None, None) => vec![ACCOUNTS],
        }
    }

    /// Whether an entity of that list is shown: another reference may have the same hash.
    pub(super) fn shows(&self, state: &State) -> bool {
        match state {
            State::Account(account) => {
                self.status.is_none_or(|status| status == account.status())
                    && self
                        .reference
                        .as_deref()
                        .is_none_or(|wanted| account.reference() == Some(wanted))
            }
            _ => false,
        }
    }
}

/// The row of an entity in a list.
pub(super) fn row(mut prefix: Vec<u8>, entity: EntityId) -> Vec<u8> {
    prefix.extend_from_slice(&entity.to_bytes());
    prefix
}

/// The entity of a row.
pub(super) fn entity(row: &[u8]) -> Option<EntityId> {
    row.last_chunk().map(|bytes| EntityId::from_bytes(*bytes))
}

/// A reference may be personal and is long: its hash stands for it.
fn by_reference(reference: &str, status: Option<AccountStatus>) -> Vec<u8> {
    let mut prefix = vec![match status {
        None => ACCOUNTS_BY_REFERENCE,
        Some(_) => ACCOUNTS_BY_REFERENCE_AND_STATUS,
    }];
    prefix.extend_from_slice(&blake3::hash(reference.as_bytes()).as_bytes()[..16]);
    prefix.extend(status.map(|status| status as u8));
    prefix
}
