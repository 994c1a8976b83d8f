//! The lists an entity stands in: a pure function of its state, one row a list.
//!
//! A row is the list's tag, what it is filtered by, and the entity's id, so that a list is a range
//! of rows in the order of ids, which is that of creation.

use crate::entities::State;
use crate::messages::{AccountStatus, EntityId, Timestamp, TransferStatus};

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
            match transfer.made().expires_at {
                Some(at) => vec![row(due(at), entity)],
                None => Vec::new(),
            }
        }
        Some(State::Transfer(_) | State::External(_) | State::Numbering(_)) | None => Vec::new(),
    }
}

/// What the rows of a customer's wallets start with.
pub(super) fn by_customer(customer: EntityId) -> Vec<u8> {
    row(vec![WALLETS_BY_CUSTOMER], customer)
}

/// The row of a command that was accepted by this record and isn't executed.
pub(super) fn accepted(sequence: u64) -> Vec<u8> {
    let mut row = vec![ACCEPTED];
    row.extend_from_slice(&sequence.to_be_bytes());
    row
}

/// What the row of a pending transfer that expires then starts with: in the order of times.
pub(super) fn due(at: Timestamp) -> Vec<u8> {
    let mut prefix = vec![TRANSFERS_DUE];
    prefix.extend_from_slice(&(at.as_micros() as u64 ^ 1 << 63).to_be_bytes());
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
