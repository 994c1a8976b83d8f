//! The lists in which entities are found, and an entity's rows in them. The views turn a row into
//! bytes; its list and its keys come first, so a list is a range of rows.

use super::money::AccountStatus;
use crate::words::{EntityId, Timestamp};

/// A list. Lists are appended, never reordered: the views contain their positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum List {
    /// All accounts.
    Accounts,
    /// The accounts with a status.
    AccountsByStatus,
    /// The accounts with a reference.
    AccountsByReference,
    /// The accounts with a reference and a status.
    AccountsByReferenceAndStatus,
    /// The wallets of a customer.
    WalletsByCustomer,
    /// The pending transfers that expire, in the order of their expiry times.
    TransfersDue,
    /// The records that accepted a command which is not executed yet. No entity has such a row.
    Accepted,
    /// The pending transfers, in the order of the times at which they were made.
    TransfersPending,
    /// The records that made a transfer with a reference. No entity has such a row.
    TransfersByReference,
    /// The records that made a pending transfer to an entity. No entity has such a row.
    HoldsByTarget,
    /// The cards of an account.
    CardsByAccount,
    /// All merchants.
    Merchants,
}

/// A value by which a list is filtered or sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListKey {
    /// A status.
    Status(AccountStatus),
    /// A text. The row contains only its hash, because the text may be personal and may be long.
    Text(String),
    /// An entity, or a customer.
    Id(EntityId),
    /// A time. Rows are in the order of times.
    Time(Timestamp),
}

/// An entity's row in a list. Without an entity it describes the part of the list that has these
/// keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRow {
    /// The list.
    pub list: List,
    /// The values by which the list is filtered or sorted. Rows with the same values are in the
    /// order of their entities' ids, which is the order of creation.
    pub keys: Vec<ListKey>,
    /// Other entities that a reader of the list sees without reading the entity of the row.
    pub shown: Vec<EntityId>,
}

impl ListRow {
    /// Creates a row without keys.
    pub const fn new(list: List) -> Self {
        Self {
            list,
            keys: Vec::new(),
            shown: Vec::new(),
        }
    }

    /// Adds a key.
    #[must_use]
    pub fn by(mut self, key: ListKey) -> Self {
        self.keys.push(key);
        self
    }

    /// Adds an entity that a reader of the list sees.
    #[must_use]
    pub fn showing(mut self, entity: EntityId) -> Self {
        self.shown.push(entity);
        self
    }
}
