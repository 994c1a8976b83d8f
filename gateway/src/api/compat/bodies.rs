//! Requests in the form of the source documents.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::accounts::bodies::OpenAccountRequest;
use crate::api::transfers::bodies::TransferRequest;
use crate::http::values::{Amount, CountryCode, Id, Key, Name};

/// The request for a transfer in the form of the source documents.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AliasTransferRequest {
    /// The id of the account, wallet or merchant that the money is taken from.
    #[schema(value_type = String, format = Uuid)]
    pub from_account_id: Id,
    /// The id of the account, wallet or merchant that the money goes to.
    #[schema(value_type = String, format = Uuid)]
    pub to_account_id: Id,
    /// The amount in minor units.
    #[schema(value_type = u64, minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 1000)]
    pub amount: Amount,
    /// The same as the header `Idempotency-Key`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$", example = "order-1042-payment")]
    pub idempotency_key: Option<Key>,
}

/// The request to open an account in the form of the source documents.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AliasOpenAccountRequest {
    /// The holder's name.
    #[schema(value_type = String, min_length = 1, max_length = 255, example = "John Doe")]
    pub beholder_name: Name,
    /// The holder's country, ISO 3166-1 alpha-2.
    #[schema(value_type = String, pattern = "^[A-Z]{2}$", example = "US")]
    pub country_code: CountryCode,
    /// The same as the header `Idempotency-Key`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$", example = "order-1042-payment")]
    pub idempotency_key: Option<Key>,
}

impl From<AliasOpenAccountRequest> for OpenAccountRequest {
    fn from(alias: AliasOpenAccountRequest) -> Self {
        Self {
            holder_name: alias.beholder_name,
            country_code: alias.country_code,
            currency: None,
            overdraft_limit: None,
            reference: None,
            metadata: None,
            idempotency_key: alias.idempotency_key,
        }
    }
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
