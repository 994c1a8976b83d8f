//! A wallet.

use florin_actors::messages::{EntityId, WalletLimits, WalletView};
use serde::Serialize;
use utoipa::ToSchema;

use super::account::AccountStatus;
use super::values::{OverdraftLimit, Time};

/// A wallet.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Wallet)]
pub struct WalletBody {
    /// Its id; not there in the answer to a dry run of its opening.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid, nullable = false)]
    pub id: Option<EntityId>,
    /// Whose it is.
    #[schema(value_type = String, format = Uuid)]
    pub customer_id: EntityId,
    /// A label.
    #[schema(required)]
    pub name: Option<String>,
    /// Its one currency.
    #[schema(pattern = "^[A-Z0-9]{3,8}$", example = "USD")]
    pub currency: String,
    /// May it move money?
    #[schema(value_type = AccountStatus)]
    pub status: &'static str,
    /// What is posted, in minor units.
    pub balance: i64,
    /// What pending transfers hold of it.
    pub held: i64,
    /// What a debit may take, limits aside; null without an overdraft limit.
    #[schema(required)]
    pub available: Option<i64>,
    /// Counts the wallet's changes, from 1.
    #[schema(minimum = 1)]
    pub version: u64,
    /// How far below zero it may go.
    pub overdraft_limit: OverdraftLimit,
    /// What may move at a time and in a day, and gather.
    pub limits: LimitsBody,
    /// When it was opened.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// Only in the answer to a dry run: nothing was done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub dry_run: bool,
}

/// A wallet's limits in minor units; null: none.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Limits)]
pub struct LimitsBody {
    /// The most that one debit or hold may take.
    #[schema(required, minimum = 1)]
    per_transaction: Option<u64>,
    /// The most that all debits and holds of one UTC day may take.
    #[schema(required, minimum = 1)]
    per_day: Option<u64>,
    /// The most that may be posted in it after a credit.
    #[schema(required, minimum = 1)]
    max_balance: Option<u64>,
}

impl From<WalletLimits> for LimitsBody {
    fn from(limits: WalletLimits) -> Self {
        Self {
            per_transaction: limits.per_transaction.map(|most| most.get()),
            per_day: limits.per_day.map(|most| most.get()),
            max_balance: limits.max_balance.map(|most| most.get()),
        }
    }
}

impl From<WalletView> for WalletBody {
    fn from(view: WalletView) -> Self {
        Self {
            id: Some(view.id),
            customer_id: view.customer,
            name: view.name,
            currency: view.currency.code().to_owned(),
            status: view.status.name(),
            balance: view.balances.balance,
            held: view.balances.held,
            available: view.balances.available(),
            version: view.balances.version,
            overdraft_limit: view.balances.overdraft.into(),
            limits: view.limits.into(),
            created_at: Time(view.created_at),
            dry_run: false,
        }
    }
}
