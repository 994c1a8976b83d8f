//! Movements of money: the answer to a deposit or withdrawal, and an account's history.

use florin_actors::messages::{Balances, EntityId, Metadata, Movement, OperationId};
use serde::Serialize;
use utoipa::ToSchema;

use super::values::Time;

/// A deposit or withdrawal that was done, and the account's balances right after.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Money)]
pub struct MoneyBody {
    /// The operation, and with it the transaction; not there in the answer to a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid, nullable = false)]
    pub operation_id: Option<OperationId>,
    /// Always `completed`.
    #[schema(example = "completed")]
    pub status: &'static str,
    /// The account.
    #[schema(value_type = String, format = Uuid)]
    pub id: EntityId,
    /// What is posted, in minor units.
    pub balance: i64,
    /// What pending transfers hold of it.
    pub held: i64,
    /// What a debit may take; null without a limit.
    #[schema(required)]
    pub available: Option<i64>,
    /// The account's version.
    #[schema(minimum = 1)]
    pub version: u64,
    /// Only in the answer to a dry run: nothing was done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub dry_run: bool,
}

impl MoneyBody {
    /// The answer to a movement of that operation; without one it is a dry run's.
    pub fn new(operation_id: Option<OperationId>, id: EntityId, balances: &Balances) -> Self {
        Self {
            operation_id,
            status: "completed",
            id,
            balance: balances.balance,
            held: balances.held,
            available: balances.available(),
            version: balances.version,
            dry_run: operation_id.is_none(),
        }
    }
}

/// One movement of an account's history.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Movement)]
pub struct MovementBody {
    /// The transaction, which is the operation that made it.
    #[schema(value_type = String, format = Uuid)]
    transaction_id: OperationId,
    /// What it was.
    #[schema(value_type = TransactionType)]
    transaction_type: &'static str,
    /// Minor units, negative for a debit.
    amount: i64,
    /// The balance right after.
    balance_after: i64,
    /// The account's version right after.
    #[schema(minimum = 1)]
    version: u64,
    /// The other end; null for the world outside.
    #[schema(required, value_type = Option<String>, format = Uuid)]
    counterparty: Option<EntityId>,
    /// The caller's own name for it.
    #[schema(required)]
    reference: Option<String>,
    /// The caller's own pairs.
    #[schema(value_type = BTreeMap<String, String>)]
    metadata: Metadata,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Time,
}

/// What a movement was.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "describes the core's names of transaction types")]
pub(super) enum TransactionType {
    Deposit,
    Withdrawal,
    Transfer,
    Reversal,
    Transaction,
}

impl From<Movement> for MovementBody {
    fn from(movement: Movement) -> Self {
        Self {
            transaction_id: movement.transaction_id,
            transaction_type: movement.transaction_type,
            amount: movement.amount,
            balance_after: movement.balance_after,
            version: movement.version,
            counterparty: movement.counterparty,
            reference: movement.reference,
            metadata: movement.metadata,
            timestamp: Time(movement.timestamp),
        }
    }
}
