//! The lists that contain an entity. They are a pure function of the entity's state; each list has
//! one row for the entity.
//!
//! A row consists of the list's tag, the value that the list is filtered by, and the entity's id.
//! So a list is a range of rows in the order of ids, which is the order of creation.

use crate::commands::Command;
use crate::entities::State;
use crate::entities::{
    AccountEvent, AccountStatus, CardEvent, Event, TransferMade, TransferStatus, WalletEvent,
};
use crate::record::{Outcome, Record};
use crate::words::{EntityId, Timestamp};

/// The filter of a list of accounts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountFilter {
    /// Only accounts with this status.
    pub status: Option<AccountStatus>,
    /// Only accounts with this reference.
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
const CARDS_BY_ACCOUNT: u8 = 10;

/// Returns the rows of an entity.
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
        Some(State::Card(card)) => vec![row(cards_of(card.account()), entity)],
        Some(
            State::Transfer(_) | State::External(_) | State::Numbering(_) | State::CardNumber(_),
        )
        | None => Vec::new(),
    }
}

/// Returns whether an event can change [`rows`]. Events of money never do.
pub(super) const fn changes_rows(event: &Event) -> bool {
    match event {
        Event::Account(event) => match event {
            AccountEvent::Opened(_) | AccountEvent::StatusChanged(_) => true,
            AccountEvent::OverdraftChanged(_)
            | AccountEvent::Money(_)
            | AccountEvent::PersonalErased(_) => false,
        },
        Event::Wallet(event) => match event {
            WalletEvent::Opened(_) => true,
            WalletEvent::StatusChanged(_)
            | WalletEvent::OverdraftChanged(_)
            | WalletEvent::LimitsChanged(_)
            | WalletEvent::Money(_) => false,
        },
        Event::Transfer(_) => true,
        Event::Card(event) => match event {
            CardEvent::Opened(_) | CardEvent::Adopted(_) => true,
            CardEvent::Deleted => false,
        },
        Event::External(_) | Event::Numbering(_) | Event::CardNumber(_) => false,
    }
}

/// Returns the rows of the transfers that a record made; they lead to the record. An immediate
/// transfer without a reference, which most transfers are, has no row, because the chains of its
/// source and target lead to it. A pending transfer changes its source only, so it has a row for
/// its target.
pub(super) fn of_record(record: &Record) -> Vec<Vec<u8>> {
    if !matches!(record.outcome, Outcome::Done(_)) {
        return Vec::new();
    }
    let mut rows = Vec::new();
    let mut add = |reference: Option<&str>, held_for: Option<EntityId>| {
        let reference = reference.map(transfers_by_reference);
        let held = held_for.map(holds_by_target);
        let prefixes = reference.into_iter().chain(held);
        rows.extend(prefixes.map(|prefix| of_sequence(prefix, record.sequence)));
    };
    match &record.command {
        Command::Transfer(transfer) => add(transfer.reference.as_deref(), None),
        Command::Reverse(reverse) => add(reverse.reference.as_deref(), None),
        Command::Hold(hold) => {
            let transfer = &hold.transfer;
            add(transfer.reference.as_deref(), Some(transfer.to));
        }
        Command::Batch(_) => {
            for (_, item, refused) in record.items() {
                if refused.is_none() {
                    let transfer = &item.transfer;
                    let held_for = item.pending.map(|_| transfer.to);
                    add(transfer.reference.as_deref(), held_for);
                }
            }
        }
        Command::OpenAccount(_)
        | Command::UpdateAccount(_)
        | Command::DeleteAccount(_)
        | Command::EraseAccount(_)
        | Command::Deposit(_)
        | Command::Withdraw(_)
        | Command::Post(_)
        | Command::Void(_)
        | Command::Expire(_)
        | Command::Transact(_)
        | Command::OpenWallet(_)
        | Command::UpdateWallet(_)
        | Command::OpenCard(_)
        | Command::DeleteCard(_)
        | Command::Quarantine(_)
        | Command::Resume(_) => {}
    }
    rows
}

/// Returns the prefix of the rows of records that made transfers with this reference, or with a
/// reference of the same hash. The prefix is short, because every immediate transfer with a
/// reference has such a row.
pub(super) fn transfers_by_reference(reference: &str) -> Vec<u8> {
    let mut prefix = vec![TRANSFERS_BY_REFERENCE];
    prefix.extend_from_slice(&blake3::hash(reference.as_bytes()).as_bytes()[..8]);
    prefix
}

/// Returns the prefix of the rows of records that made pending transfers to this entity.
pub(super) fn holds_by_target(target: EntityId) -> Vec<u8> {
    row(vec![HOLDS_BY_TARGET], target)
}

/// Returns the row of a record in a list of records.
pub(super) fn of_sequence(mut prefix: Vec<u8>, sequence: u64) -> Vec<u8> {
    prefix.extend_from_slice(&sequence.to_be_bytes());
    prefix
}

/// Returns the sequence of the record of a row.
pub(super) fn sequence(row: &[u8]) -> Option<u64> {
    row.last_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

/// Returns the bounds of the range of rows of all pending transfers.
pub(super) fn all_pending() -> (Vec<u8>, Vec<u8>) {
    (vec![TRANSFERS_PENDING], vec![TRANSFERS_PENDING + 1])
}

/// Returns the prefix of the row of a pending transfer. The rows are in the order of the times at
/// which the transfers were made.
pub(super) fn pending_since(made_at: Timestamp, transfer: EntityId) -> Vec<u8> {
    let mut prefix = vec![TRANSFERS_PENDING];
    prefix.extend_from_slice(&in_order(made_at));
    row(prefix, transfer)
}

/// Returns the row of a pending transfer. It contains the source and the target, so that the
/// pending transfers of an entity are found without reading the others.
fn pending(transfer: EntityId, made: &TransferMade) -> Vec<u8> {
    row(
        row(pending_since(made.made_at, transfer), made.from),
        made.to,
    )
}

/// The contents of a pending transfer's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PendingRow {
    /// The time at which the transfer was made.
    pub(super) made_at: Timestamp,
    /// The transfer.
    pub(super) transfer: EntityId,
    /// The source and the target.
    pub(super) ends: [EntityId; 2],
}

impl PendingRow {
    /// Parses a row; `None` if it isn't the row of a pending transfer.
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

/// Returns a time as bytes that sort in the order of times: the sign bit is inverted.
fn in_order(time: Timestamp) -> [u8; 8] {
    (time.as_micros() as u64 ^ 1 << 63).to_be_bytes()
}

/// Returns the prefix of the rows of a customer's wallets.
pub(super) fn by_customer(customer: EntityId) -> Vec<u8> {
    row(vec![WALLETS_BY_CUSTOMER], customer)
}

/// Returns the prefix of the rows of an account's cards.
pub(super) fn cards_of(account: EntityId) -> Vec<u8> {
    row(vec![CARDS_BY_ACCOUNT], account)
}

/// Returns the row of a command that was accepted by this record and isn't executed yet.
pub(super) fn accepted(sequence: u64) -> Vec<u8> {
    of_sequence(vec![ACCEPTED], sequence)
}

/// Returns the prefix of the row of a pending transfer that expires at this time. The rows are in
/// the order of times.
pub(super) fn due(at: Timestamp) -> Vec<u8> {
    let mut prefix = vec![TRANSFERS_DUE];
    prefix.extend_from_slice(&in_order(at));
    prefix
}

impl AccountFilter {
    /// Returns the prefix of the rows of the list of these accounts.
    pub(super) fn prefix(&self) -> Vec<u8> {
        match (&self.reference, self.status) {
            (Some(reference), status) => by_reference(reference, status),
            (None, Some(status)) => vec![ACCOUNTS_BY_STATUS, status as u8],
            (None, None) => vec![ACCOUNTS],
        }
    }

    /// Returns whether an entity of that list is shown. It is checked because another reference may
    /// have the same hash.
    pub(super) fn shows(&self, state: &State) -> bool {
        let State::Account(account) = state else {
            return false;
        };
        let reference = self.reference.as_deref();
        self.status.is_none_or(|status| status == account.status())
            && reference.is_none_or(|wanted| account.reference() == Some(wanted))
    }
}

/// Returns the row of an entity in a list.
pub(super) fn row(mut prefix: Vec<u8>, entity: EntityId) -> Vec<u8> {
    prefix.extend_from_slice(&entity.to_bytes());
    prefix
}

/// Returns the entity of a row.
pub(super) fn entity(row: &[u8]) -> Option<EntityId> {
    row.last_chunk().map(|bytes| EntityId::from_bytes(*bytes))
}

/// Returns the prefix of the rows of accounts with a reference, optionally with a status. The row
/// contains the reference's hash, because a reference may be personal and may be long.
fn by_reference(reference: &str, status: Option<AccountStatus>) -> Vec<u8> {
    let mut prefix = vec![match status {
        None => ACCOUNTS_BY_REFERENCE,
        Some(_) => ACCOUNTS_BY_REFERENCE_AND_STATUS,
    }];
    prefix.extend_from_slice(&blake3::hash(reference.as_bytes()).as_bytes()[..16]);
    prefix.extend(status.map(|status| status as u8));
    prefix
}
