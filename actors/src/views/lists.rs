//! The rows of lists as bytes. The entities say which rows they have; the lists of records are here.
//!
//! A row consists of the list's position, the keys that the list is filtered by, and the entity's
//! id. So a list is a range of rows in the order of ids, which is the order of creation.

use crate::commands::Makes;
use crate::entities::{Account, AccountStatus, List, ListKey, ListRow, State};
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

/// Returns the bytes of an entity's rows.
pub(super) fn rows(entity: EntityId, state: Option<&State>) -> Vec<Vec<u8>> {
    let rows = state.map(State::rows).unwrap_or_default();
    rows.iter().map(|row| bytes(row, entity)).collect()
}

/// Returns the bytes of an entity's row: the list, the keys, the entity, and the entities that the
/// row shows.
fn bytes(own: &ListRow, entity: EntityId) -> Vec<u8> {
    own.shown
        .iter()
        .copied()
        .fold(row(prefix(own), entity), row)
}

/// Returns the prefix of all rows of a list that have these keys.
pub(super) fn prefix(wanted: &ListRow) -> Vec<u8> {
    let mut prefix = start(wanted.list);
    for key in &wanted.keys {
        match key {
            ListKey::Status(status) => prefix.push(*status as u8),
            ListKey::Text(text) => {
                prefix.extend_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
            }
            ListKey::Id(id) => prefix.extend_from_slice(&id.to_bytes()),
            ListKey::Time(time) => prefix.extend_from_slice(&in_order(*time)),
        }
    }
    prefix
}

/// Returns the start of all rows of a list.
fn start(list: List) -> Vec<u8> {
    vec![list as u8]
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
    match record.command.rules().makes() {
        Makes::Nothing => {}
        Makes::Transfer | Makes::Reversal => add(record.command.notes().0, None),
        Makes::PendingTransfer => {
            for (_, made) in record.begun() {
                add(made.reference.as_deref(), Some(made.to));
            }
        }
        Makes::Items => {
            for (_, item, refused) in record.items() {
                if refused.is_none() {
                    let transfer = &item.transfer;
                    let held_for = item.pending.map(|_| transfer.to);
                    add(transfer.reference.as_deref(), held_for);
                }
            }
        }
    }
    rows
}

/// Returns the prefix of the rows of records that made transfers with this reference, or with a
/// reference of the same hash. The prefix is short, because every immediate transfer with a
/// reference has such a row.
pub(super) fn transfers_by_reference(reference: &str) -> Vec<u8> {
    let mut prefix = start(List::TransfersByReference);
    prefix.extend_from_slice(&blake3::hash(reference.as_bytes()).as_bytes()[..8]);
    prefix
}

/// Returns the prefix of the rows of records that made pending transfers to this entity.
pub(super) fn holds_by_target(target: EntityId) -> Vec<u8> {
    row(start(List::HoldsByTarget), target)
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
    (
        start(List::TransfersPending),
        vec![List::TransfersPending as u8 + 1],
    )
}

/// Returns the prefix of the row of a pending transfer that was made at this time.
pub(super) fn pending_since(made_at: Timestamp, transfer: EntityId) -> Vec<u8> {
    let pending = ListRow::new(List::TransfersPending).by(ListKey::Time(made_at));
    bytes(&pending, transfer)
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

/// Returns the row of a command that was accepted by this record and isn't executed yet.
pub(super) fn accepted(sequence: u64) -> Vec<u8> {
    of_sequence(start(List::Accepted), sequence)
}

impl AccountFilter {
    /// Returns the rows of the list of these accounts.
    pub(super) fn row(&self) -> ListRow {
        Account::row(self.status, self.reference.as_deref())
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

#[cfg(test)]
mod tests {
    use super::*;

    const ENTITY: EntityId = EntityId::from_bytes([7; 16]);

    #[test]
    fn a_row_is_the_list_its_keys_the_entity_and_what_it_shows() {
        let shown = EntityId::from_bytes([8; 16]);
        let own = ListRow::new(List::AccountsByReferenceAndStatus)
            .by(ListKey::Text("order-1".to_owned()))
            .by(ListKey::Status(AccountStatus::Frozen))
            .showing(shown);
        let mut expected = vec![3];
        expected.extend_from_slice(&blake3::hash(b"order-1").as_bytes()[..16]);
        expected.push(1);
        assert_eq!(prefix(&own), expected);
        expected.extend([7; 16]);
        expected.extend([8; 16]);
        assert_eq!(bytes(&own, ENTITY), expected);
    }

    #[test]
    fn rows_of_times_are_in_the_order_of_times() {
        let at = |micros| ListRow::new(List::TransfersDue).by(ListKey::Time(micros));
        let times = [i64::MIN, -1, 0, 1, i64::MAX].map(Timestamp::from_micros);
        let rows = times.map(|time| bytes(&at(time), ENTITY));
        assert!(rows.is_sorted(), "{rows:?}");
    }

    #[test]
    fn a_list_keeps_its_position_in_the_views() {
        assert_eq!(
            (List::Accounts as u8, List::WalletsByCustomer as u8),
            (0, 4)
        );
        assert_eq!((List::Accepted as u8, List::CardsByAccount as u8), (6, 10));
    }
}
