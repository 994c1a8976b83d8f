//! The balance of an entity, now or at a time in the past, and the movements of its history.

use florin_actors::messages::{Balances, Currency, EntityId, Metadata, Movement, OperationId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::names::TransactionType;
use crate::http::values::Time;

/// The balance of an account, wallet or merchant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Balance)]
pub struct BalanceBody {
    /// The id of the account, wallet or merchant.
    #[schema(value_type = String, format = Uuid)]
    id: EntityId,
    /// The currency of the account, wallet or merchant.
    #[schema(pattern = "^[A-Z0-9]{3,8}$", example = "USD")]
    currency: String,
    /// The posted balance in minor units.
    balance: i64,
    /// The part of the balance that pending transfers hold, in minor units.
    held: i64,
    /// The amount that a debit may take, in minor units; null if the overdraft limit is unlimited.
    #[schema(required)]
    available: Option<i64>,
    /// The version of the account, wallet or merchant that has this balance.
    #[schema(minimum = 1)]
    version: u64,
}

impl BalanceBody {
    /// Creates the body from an entity's balances.
    pub fn new(id: EntityId, currency: Currency, balances: &Balances) -> Self {
        Self {
            id,
            currency: currency.code().to_owned(),
            balance: balances.balance,
            held: balances.held,
            available: balances.available(),
            version: balances.version,
        }
    }
}

/// A movement in the history of an account, wallet or merchant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Movement)]
pub struct MovementBody {
    /// The id of the transaction, which is the same as that of the operation that made it.
    #[schema(value_type = String, format = Uuid)]
    transaction_id: OperationId,
    /// The type of the transaction.
    #[schema(value_type = TransactionType)]
    transaction_type: &'static str,
    /// The amount in minor units, negative for a debit.
    amount: i64,
    /// The balance right after the movement, in minor units.
    balance_after: i64,
    /// The version of the account, wallet or merchant right after the movement.
    #[schema(minimum = 1)]
    version: u64,
    /// The id of the other end; null for the world outside.
    #[schema(required, value_type = Option<String>, format = Uuid)]
    counterparty: Option<EntityId>,
    /// The caller's own reference; null if there is none.
    #[schema(required, example = "order-1042")]
    reference: Option<String>,
    /// The caller's own data: pairs of strings.
    #[schema(value_type = BTreeMap<String, String>, example = json!({"order": "1042"}))]
    metadata: Metadata,
    /// The time when the movement was recorded.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Time,
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
