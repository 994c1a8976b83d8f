//! The requests for accounts, and an account as the API shows it.

use crate::api::names::AccountStatus;
use crate::api::shared::NewStatus;
use crate::http::values::{
    CountryCode, CurrencyCode, Key, Name, OverdraftLimit, Pairs, Reference, Time, present,
};
use florin_actors::messages::{AccountView, EntityId, Metadata};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The request to open an account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenAccountRequest {
    /// The holder's name.
    #[schema(value_type = String, min_length = 1, max_length = 255, example = "Ada Lovelace")]
    pub holder_name: Name,
    /// The holder's country, ISO 3166-1 alpha-2.
    #[schema(value_type = String, pattern = "^[A-Z]{2}$", example = "KE")]
    pub country_code: CountryCode,
    /// The account's currency, ISO 4217 or an asset of the setting `ledger.assets`. It never
    /// changes. By default, it is the setting `ledger.default_currency`.
    #[schema(value_type = Option<String>, pattern = "^[A-Z0-9]{3,8}$", example = "USD")]
    pub currency: Option<CurrencyCode>,
    /// The amount by which the balance may go below zero, in minor units. Null means no limit. By
    /// default, it is 0.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991_u64, example = 5000)]
    pub overdraft_limit: Option<OverdraftLimit>,
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

/// The request to change an account. Fields that are not given stay unchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateAccountRequest {
    /// The new status, which freezes or unfreezes the account. Without it, the status stays unchanged.
    #[schema(nullable = false)]
    pub status: Option<NewStatus>,
    /// The new overdraft limit in minor units. Null means no limit. Without it, the limit stays
    /// unchanged. It may be lower than the current debt.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991_u64, example = 5000)]
    pub overdraft_limit: Option<OverdraftLimit>,
    /// The same as the header `Idempotency-Key`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$", example = "order-1042-payment")]
    pub idempotency_key: Option<Key>,
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub struct AccountBody {
    /// The account's id. If a dry run opens the account, nothing exists under this id.
    #[schema(value_type = String, format = Uuid)]
    pub id: EntityId,
    /// The account's number, for people. If a dry run opens the account, another account may get
    /// this number.
    #[schema(pattern = "^ACC-[0-9]{8,}$", example = "ACC-12345678")]
    pub account_number: String,
    /// The holder's name; null after it was erased.
    #[schema(required, example = "Ada Lovelace")]
    pub holder_name: Option<String>,
    /// The same as `holder_name`. Only answers of the alias `/account` have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, example = "Ada Lovelace")]
    pub beholder_name: Option<Option<String>>,
    /// The holder's country, ISO 3166-1 alpha-2.
    #[schema(pattern = "^[A-Z]{2}$", example = "KE")]
    pub country_code: String,
    /// The account's currency, ISO 4217 or an asset of the setting `ledger.assets`. It never
    /// changes.
    #[schema(pattern = "^[A-Z0-9]{3,8}$", example = "USD")]
    pub currency: String,
    /// The status. A FROZEN account accepts only credits; a DELETED account accepts nothing.
    #[schema(value_type = AccountStatus)]
    pub status: &'static str,
    /// The posted balance in minor units.
    pub balance: i64,
    /// The part of the balance that pending transfers hold, in minor units.
    pub held: i64,
    /// The amount that a debit may take, in minor units: balance − held + overdraft limit. Null if
    /// the overdraft limit is unlimited.
    #[schema(required)]
    pub available: Option<i64>,
    /// The number of the account's changes, starting at 1.
    #[schema(minimum = 1)]
    pub version: u64,
    /// The amount by which the balance may go below zero, in minor units; null means no limit.
    #[schema(value_type = Option<u64>, required, minimum = 0, maximum = 9_007_199_254_740_991_u64, example = 0)]
    pub overdraft_limit: OverdraftLimit,
    /// The caller's own reference, such as an order number; null if there is none.
    #[schema(required, example = "order-1042")]
    pub reference: Option<String>,
    /// The caller's own data: pairs of strings.
    #[schema(value_type = BTreeMap<String, String>, example = json!({"order": "1042"}))]
    pub metadata: Metadata,
    /// The time when the account was opened.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// Present only in the answer to a dry run: nothing was done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub dry_run: bool,
}

impl AccountBody {
    /// Creates the body of an account; `holder` is `None` if the name was erased.
    pub fn new(view: AccountView, holder: Option<&str>) -> Self {
        Self {
            id: view.id,
            account_number: format!("ACC-{:08}", view.number),
            holder_name: holder.map(str::to_owned),
            beholder_name: None,
            country_code: view.country.code().to_owned(),
            currency: view.currency.code().to_owned(),
            status: view.status.name(),
            balance: view.balances.balance,
            held: view.balances.held,
            available: view.balances.available(),
            version: view.balances.version,
            overdraft_limit: view.balances.overdraft.into(),
            reference: view.reference,
            metadata: view.metadata,
            created_at: Time(view.created_at),
            dry_run: false,
        }
    }
}
