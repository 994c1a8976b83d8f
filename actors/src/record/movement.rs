//! One movement of an entity's history.

use crate::words::{EntityId, Metadata, OperationId, Timestamp};

/// One movement of an entity's history.
#[derive(Debug, Clone, PartialEq)]
pub struct Movement {
    /// The id of the transaction, which is the id of the operation that made it.
    pub transaction_id: OperationId,
    /// The type of the transaction: `deposit`, `withdrawal`, `transfer`, `reversal` or
    /// `transaction`.
    pub transaction_type: &'static str,
    /// The amount in minor units, negative for a debit.
    pub amount: i64,
    /// The balance right after the movement.
    pub balance_after: i64,
    /// The entity's version right after the movement.
    pub version: u64,
    /// The entity at the other end of the movement. `None` if that is an external account, or if
    /// there is more than one other entity.
    pub counterparty: Option<EntityId>,
    /// The caller's reference.
    pub reference: Option<String>,
    /// The caller's metadata.
    pub metadata: Metadata,
    /// The time at which it was recorded.
    pub timestamp: Timestamp,
}
