//! An entity's money, now or at a time.

use florin_actors::messages::{Balances, Currency, EntityId};
use serde::Serialize;
use utoipa::ToSchema;

/// What an account or a wallet has.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Balance)]
pub struct BalanceBody {
    /// The account or wallet.
    #[schema(value_type = String, format = Uuid)]
    id: EntityId,
    /// Its one currency.
    #[schema(pattern = "^[A-Z0-9]{3,8}$", example = "USD")]
    currency: String,
    /// What is posted, in minor units.
    balance: i64,
    /// What pending transfers hold of it.
    held: i64,
    /// What a debit may take; null without a limit.
    #[schema(required)]
    available: Option<i64>,
    /// The version then.
    #[schema(minimum = 1)]
    version: u64,
}

impl BalanceBody {
    /// The money of an entity.
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
