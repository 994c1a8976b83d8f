//! The requests for wallets, and a wallet as the API shows it.

use florin_actors::messages::{EntityId, WalletLimits, WalletLimitsChange, WalletView};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::names::AccountStatus;
use crate::api::shared::NewStatus;
use crate::http::values::{
    Amount, CurrencyCode, Id, Key, Name, OverdraftLimit, Time, given, object, present,
};

/// The request to open a wallet.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenWalletRequest {
    /// The customer's id. It is not checked.
    #[schema(value_type = String, format = Uuid)]
    pub customer_id: Id,
    /// A label. It must not contain personal data.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, example = "Savings")]
    pub name: Option<Name>,
    /// The wallet's currency, ISO 4217 or an asset of the setting `ledger.assets`. It never
    /// changes. By default, it is the setting `ledger.default_currency`.
    #[schema(value_type = Option<String>, pattern = "^[A-Z0-9]{3,8}$", example = "USD")]
    pub currency: Option<CurrencyCode>,
    /// The amount by which the balance may go below zero, in minor units. Null means no limit. By
    /// default, it is 0.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991_u64, example = 5000)]
    pub overdraft_limit: Option<OverdraftLimit>,
    /// The limits per transaction, per UTC day and on the balance. By default, there are none.
    #[serde(default, deserialize_with = "object")]
    #[schema(nullable = false)]
    pub limits: Option<LimitsRequest>,
    /// The same as the header `Idempotency-Key`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$", example = "order-1042-payment")]
    pub idempotency_key: Option<Key>,
}

/// The request to change a wallet. Fields that are not given stay unchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateWalletRequest {
    /// The new status, which freezes or unfreezes the wallet. Without it, the status stays unchanged.
    #[schema(nullable = false)]
    pub status: Option<NewStatus>,
    /// The new overdraft limit in minor units. Null means no limit. Without it, the limit stays
    /// unchanged. It may be lower than the current debt.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991_u64, example = 5000)]
    pub overdraft_limit: Option<OverdraftLimit>,
    /// The new limits. A limit that is not given stays unchanged.
    #[serde(default, deserialize_with = "object")]
    #[schema(nullable = false)]
    pub limits: Option<LimitsRequest>,
    /// The same as the header `Idempotency-Key`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$", example = "order-1042-payment")]
    pub idempotency_key: Option<Key>,
}

/// A wallet's limits in minor units. Null removes a limit.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsRequest {
    /// The largest amount of one debit or hold.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub per_transaction: Option<Option<Amount>>,
    /// The largest total of all debits and holds in one UTC day.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub per_day: Option<Option<Amount>>,
    /// The largest posted balance after a credit.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub max_balance: Option<Option<Amount>>,
}

impl From<LimitsRequest> for WalletLimitsChange {
    fn from(request: LimitsRequest) -> Self {
        let plain = |limit: Option<Option<Amount>>| limit.map(|limit| limit.map(|most| most.0));
        Self {
            per_transaction: plain(request.per_transaction),
            per_day: plain(request.per_day),
            max_balance: plain(request.max_balance),
        }
    }
}

/// A wallet.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Wallet)]
pub struct WalletBody {
    /// The wallet's id. If a dry run opens the wallet, nothing exists under this id.
    #[schema(value_type = String, format = Uuid)]
    pub id: EntityId,
    /// The customer's id.
    #[schema(value_type = String, format = Uuid)]
    pub customer_id: EntityId,
    /// A label; null if there is none.
    #[schema(required, example = "Savings")]
    pub name: Option<String>,
    /// The wallet's currency. It never changes.
    #[schema(pattern = "^[A-Z0-9]{3,8}$", example = "USD")]
    pub currency: String,
    /// The status. A FROZEN wallet accepts only credits.
    #[schema(value_type = AccountStatus)]
    pub status: &'static str,
    /// The posted balance in minor units.
    pub balance: i64,
    /// The part of the balance that pending transfers hold, in minor units.
    pub held: i64,
    /// The amount that a debit may take according to the balance, in minor units; null if the
    /// overdraft limit is unlimited. The wallet's limits are not taken into account.
    #[schema(required)]
    pub available: Option<i64>,
    /// The number of the wallet's changes, starting at 1.
    #[schema(minimum = 1)]
    pub version: u64,
    /// The amount by which the balance may go below zero, in minor units; null means no limit.
    #[schema(value_type = Option<u64>, required, minimum = 0, maximum = 9_007_199_254_740_991_u64, example = 0)]
    pub overdraft_limit: OverdraftLimit,
    /// The limits per transaction, per UTC day and on the balance.
    pub limits: LimitsBody,
    /// The time when the wallet was opened.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// Present only in the answer to a dry run: nothing was done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub dry_run: bool,
}

/// A wallet's limits in minor units. Null means no limit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Limits)]
pub struct LimitsBody {
    /// The largest amount of one debit or hold.
    #[schema(required, minimum = 1)]
    per_transaction: Option<u64>,
    /// The largest total of all debits and holds in one UTC day.
    #[schema(required, minimum = 1)]
    per_day: Option<u64>,
    /// The largest posted balance after a credit.
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
            id: view.id,
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
