//! The bodies of commands. Unknown and duplicate fields are refused; every bound is checked while
//! reading.

use florin_actors::messages::{AccountStatus, WalletLimitsChange};
use serde::Deserialize;
use utoipa::ToSchema;

use super::values::{
    Amount, CountryCode, CurrencyCode, Id, Key, Name, OverdraftLimit, Pairs, Reference, Seconds,
    UpTo, given, object,
};

/// Opens an account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenAccountRequest {
    /// The holder's name.
    #[schema(value_type = String, min_length = 1, max_length = 255, example = "Ada Lovelace")]
    pub holder_name: Name,
    /// The holder's country, ISO 3166-1 alpha-2.
    #[schema(value_type = String, pattern = "^[A-Z]{2}$", example = "KE")]
    pub country_code: CountryCode,
    /// The account's one currency, ISO 4217 or an asset of the setting `ledger.assets`; the
    /// setting `ledger.default_currency` where not given.
    #[schema(value_type = Option<String>, pattern = "^[A-Z0-9]{3,8}$", example = "USD")]
    pub currency: Option<CurrencyCode>,
    /// How far below zero it may go; 0 where not given.
    pub overdraft_limit: Option<OverdraftLimit>,
    /// Your own name for it.
    #[schema(value_type = Option<String>, max_length = 255)]
    pub reference: Option<Reference>,
    /// Your own pairs: at most 32, 4 KiB together.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub metadata: Option<Pairs>,
    /// The same as the header `Idempotency-Key`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    pub idempotency_key: Option<Key>,
}

/// Changes what is given, leaves what is not.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateAccountRequest {
    /// Freezes or unfreezes it.
    pub status: Option<NewStatus>,
    /// The new overdraft limit; it may lie above what is owed already.
    pub overdraft_limit: Option<OverdraftLimit>,
    /// The same as the header `Idempotency-Key`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    pub idempotency_key: Option<Key>,
}

/// A status that an account can be given; deleting is a request of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum NewStatus {
    /// May move money.
    Active,
    /// Credits only.
    Frozen,
}

impl From<NewStatus> for AccountStatus {
    fn from(status: NewStatus) -> Self {
        match status {
            NewStatus::Active => Self::Active,
            NewStatus::Frozen => Self::Frozen,
        }
    }
}

/// What a command without fields of its own may say. The body may be left away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyOnlyRequest {
    /// The same as the header `Idempotency-Key`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    pub idempotency_key: Option<Key>,
}

/// A deposit or a withdrawal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoneyRequest {
    /// How much, in minor units.
    #[schema(value_type = u64, minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 1000)]
    pub amount: Amount,
    /// Must be the account's own, where given.
    #[schema(value_type = Option<String>, pattern = "^[A-Z0-9]{3,8}$", example = "USD")]
    pub currency: Option<CurrencyCode>,
    /// Your own name for it.
    #[schema(value_type = Option<String>, max_length = 255)]
    pub reference: Option<Reference>,
    /// Your own pairs: at most 32, 4 KiB together.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub metadata: Option<Pairs>,
    /// The same as the header `Idempotency-Key`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    pub idempotency_key: Option<Key>,
}

/// A transfer of money between any two accounts or wallets.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferRequest {
    /// Where it is taken.
    #[schema(value_type = String, format = Uuid)]
    pub from: Id,
    /// Where it goes.
    #[schema(value_type = String, format = Uuid)]
    pub to: Id,
    /// How much, in minor units.
    #[schema(value_type = u64, minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 1000)]
    pub amount: Amount,
    /// Must be both ends' own, where given.
    #[schema(value_type = Option<String>, pattern = "^[A-Z0-9]{3,8}$", example = "USD")]
    pub currency: Option<CurrencyCode>,
    /// Only holds the money: it moves once the transfer is posted.
    pub pending: Option<bool>,
    /// After how many seconds a pending transfer expires, only with `pending`. Where not given, the
    /// setting `ledger.hold_expiry_seconds`, by default never.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 315_360_000)]
    pub expires_in_seconds: Option<Seconds>,
    /// Your own name for it.
    #[schema(value_type = Option<String>, max_length = 255)]
    pub reference: Option<Reference>,
    /// Your own pairs: at most 32, 4 KiB together.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub metadata: Option<Pairs>,
    /// The same as the header `Idempotency-Key`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    pub idempotency_key: Option<Key>,
}

/// Many transfers in one request.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// Whether all are made or none; otherwise each by itself.
    pub atomic: bool,
    /// The transfers: made in order, each seeing the earlier ones.
    #[schema(value_type = Vec<TransferRequest>, min_items = 1, max_items = 10_000)]
    pub transfers: UpTo<TransferRequest, 10_000>,
    /// The same as the header `Idempotency-Key`: the whole batch's key.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    pub idempotency_key: Option<Key>,
}

/// One transaction of many legs.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransactionRequest {
    /// The legs: in order, each seeing the earlier ones.
    #[schema(value_type = Vec<LegRequest>, min_items = 1, max_items = 100)]
    pub legs: UpTo<LegRequest, 100>,
    /// Your own name for it.
    #[schema(value_type = Option<String>, max_length = 255)]
    pub reference: Option<Reference>,
    /// Your own pairs: at most 32, 4 KiB together.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub metadata: Option<Pairs>,
    /// The same as the header `Idempotency-Key`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    pub idempotency_key: Option<Key>,
}

/// One leg of a transaction. Both ends have the same currency; another leg may have another.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LegRequest {
    /// Where it is taken.
    #[schema(value_type = String, format = Uuid)]
    pub from: Id,
    /// Where it goes.
    #[schema(value_type = String, format = Uuid)]
    pub to: Id,
    /// How much, in minor units.
    #[schema(value_type = u64, minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 1000)]
    pub amount: Amount,
}

/// Posts a pending transfer, or a part of it. The body may be left away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostRequest {
    /// How much of it, in minor units; all that is still held where not given.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub amount: Option<Amount>,
    /// Whether what is left is released, as it is where this is not given; otherwise it stays held.
    #[serde(rename = "final")]
    pub is_final: Option<bool>,
    /// The same as the header `Idempotency-Key`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    pub idempotency_key: Option<Key>,
}

/// Opens a wallet.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenWalletRequest {
    /// Whose it is; it is not checked that there is such a customer.
    #[schema(value_type = String, format = Uuid)]
    pub customer_id: Id,
    /// A label; not for personal values.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, example = "Savings")]
    pub name: Option<Name>,
    /// The wallet's one currency, ISO 4217 or an asset of the setting `ledger.assets`; the
    /// setting `ledger.default_currency` where not given.
    #[schema(value_type = Option<String>, pattern = "^[A-Z0-9]{3,8}$", example = "USD")]
    pub currency: Option<CurrencyCode>,
    /// How far below zero it may go; 0 where not given.
    pub overdraft_limit: Option<OverdraftLimit>,
    /// What may move at a time and in a day, and gather; without limit where not given.
    #[serde(default, deserialize_with = "object")]
    pub limits: Option<LimitsRequest>,
    /// The same as the header `Idempotency-Key`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    pub idempotency_key: Option<Key>,
}

/// Changes what is given, leaves what is not.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateWalletRequest {
    /// Freezes or unfreezes it.
    pub status: Option<NewStatus>,
    /// The new overdraft limit; it may lie above what is owed already.
    pub overdraft_limit: Option<OverdraftLimit>,
    /// Changes the limits that are given.
    #[serde(default, deserialize_with = "object")]
    pub limits: Option<LimitsRequest>,
    /// The same as the header `Idempotency-Key`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    pub idempotency_key: Option<Key>,
}

/// A wallet's limits in minor units; null lifts one.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsRequest {
    /// The most that one debit or hold may take.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub per_transaction: Option<Option<Amount>>,
    /// The most that all debits and holds of one UTC day may take.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub per_day: Option<Option<Amount>>,
    /// The most that may be posted in it after a credit.
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

/// A transfer as the first document has it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AliasTransferRequest {
    /// Where it is taken.
    #[schema(value_type = String, format = Uuid)]
    pub from_account_id: Id,
    /// Where it goes.
    #[schema(value_type = String, format = Uuid)]
    pub to_account_id: Id,
    /// How much, in minor units.
    #[schema(value_type = u64, minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 1000)]
    pub amount: Amount,
    /// The same as the header `Idempotency-Key`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    pub idempotency_key: Option<Key>,
}

impl From<AliasTransferRequest> for TransferRequest {
    fn from(alias: AliasTransferRequest) -> Self {
        Self {
            from: alias.from_account_id,
            to: alias.to_account_id,
            amount: alias.amount,
            currency: None,
            pending: None,
            expires_in_seconds: None,
            reference: None,
            metadata: None,
            idempotency_key: alias.idempotency_key,
        }
    }
}
