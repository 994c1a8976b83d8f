//! The request for a deposit or withdrawal, and its answer.

use crate::http::values::{Amount, Completed, CurrencyCode, Key, Pairs, Reference};
use florin_actors::messages::{Balances, EntityId, OperationId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The request for a deposit or a withdrawal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoneyRequest {
    /// The amount in minor units.
    #[schema(value_type = u64, minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 1000)]
    pub amount: Amount,
    /// The currency. If given, it must be the currency of the account, wallet or merchant.
    #[schema(value_type = Option<String>, pattern = "^[A-Z0-9]{3,8}$", example = "USD")]
    pub currency: Option<CurrencyCode>,
    /// The caller's own reference, such as an order number.
    #[schema(value_type = Option<String>, max_length = 255, example = "order-1042")]
    pub reference: Option<Reference>,
    /// The caller's own data: at most 32 pairs of strings, 4 KiB in total.
    #[schema(value_type = Option<BTreeMap<String, String>>, example = json!({"order": "1042"}))]
    pub metadata: Option<Pairs>,
    /// The same as the header `Idempotency-Key`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$", example = "order-1042-payment")]
    pub idempotency_key: Option<Key>,
}

/// A deposit or withdrawal that was executed, with the balances right after it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Money)]
pub struct MoneyBody {
    /// The operation's id, which is also the id of the transaction. In a dry run there is no
    /// operation: `/operations/{id}` answers 404.
    #[schema(value_type = String, format = Uuid)]
    pub operation_id: OperationId,
    /// Always `completed`.
    pub status: Completed,
    /// The id of the account, wallet or merchant.
    #[schema(value_type = String, format = Uuid)]
    pub id: EntityId,
    /// The posted balance in minor units.
    pub balance: i64,
    /// The part of the balance that pending transfers hold, in minor units.
    pub held: i64,
    /// The amount that a debit may take, in minor units; null if the overdraft limit is unlimited.
    #[schema(required)]
    pub available: Option<i64>,
    /// The version of the account, wallet or merchant.
    #[schema(minimum = 1)]
    pub version: u64,
    /// Present only in the answer to a dry run: nothing was done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub dry_run: bool,
}

impl MoneyBody {
    /// Creates the answer to a deposit or withdrawal.
    pub fn new(
        operation_id: OperationId,
        dry_run: bool,
        id: EntityId,
        balances: &Balances,
    ) -> Self {
        Self {
            operation_id,
            status: Completed::Completed,
            id,
            balance: balances.balance,
            held: balances.held,
            available: balances.available(),
            version: balances.version,
            dry_run,
        }
    }
}
