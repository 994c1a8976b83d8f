//! The request for merchants, and a merchant as the API shows it.

use std::sync::Arc;

use florin_actors::messages::{EntityId, MerchantView, merchant};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::values::{CurrencyCode, Key, Name, Time, text_value};

text_value! {
    /// An e-mail address of at most 254 bytes.
    Email(Arc<str>), "an e-mail address of at most 254 bytes",
    |text| merchant::check_email(text).map(|()| Arc::from(text))
}

/// The request to open a merchant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenMerchantRequest {
    /// The merchant's name.
    #[schema(value_type = String, min_length = 1, max_length = 255, example = "Kiosk 7")]
    pub name: Name,
    /// The merchant's e-mail address. Only its form is checked.
    #[schema(value_type = String, min_length = 3, max_length = 254, pattern = "^[^@\\s]+@[^@\\s]+$", example = "kiosk7@example.com")]
    pub email: Email,
    /// The merchant's currency, ISO 4217 or an asset of the setting `ledger.assets`. It never
    /// changes. Not given: the setting `ledger.default_currency`.
    #[schema(value_type = Option<String>, pattern = "^[A-Z0-9]{3,8}$", example = "USD")]
    pub currency: Option<CurrencyCode>,
    /// The same as the header `Idempotency-Key`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$", example = "order-1042-payment")]
    pub idempotency_key: Option<Key>,
}

/// A merchant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Merchant)]
pub struct MerchantBody {
    /// The merchant's id. If a dry run opens the merchant, nothing exists under this id.
    #[schema(value_type = String, format = Uuid)]
    pub id: EntityId,
    /// The merchant's name; null after it was erased.
    #[schema(required, example = "Kiosk 7")]
    pub name: Option<String>,
    /// The merchant's e-mail address; null after it was erased.
    #[schema(required, example = "kiosk7@example.com")]
    pub email: Option<String>,
    /// The merchant's currency. It never changes.
    #[schema(pattern = "^[A-Z0-9]{3,8}$", example = "USD")]
    pub currency: String,
    /// The posted balance in minor units.
    pub balance: i64,
    /// The part of the balance that pending transfers hold, in minor units.
    pub held: i64,
    /// The amount that a debit may take, in minor units: balance − held.
    #[schema(required)]
    pub available: Option<i64>,
    /// The number of the merchant's changes, starting at 1.
    #[schema(minimum = 1)]
    pub version: u64,
    /// The time when the merchant was opened.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// Present only in the answer to a dry run: nothing was done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub dry_run: bool,
}

impl MerchantBody {
    /// Creates the body of a merchant. `personal` returns the name (0) and the e-mail address (1),
    /// if they were not erased.
    pub fn new<'a>(view: &MerchantView, personal: impl Fn(usize) -> Option<&'a str>) -> Self {
        Self {
            id: view.id,
            name: personal(0).map(str::to_owned),
            email: personal(1).map(str::to_owned),
            currency: view.currency.code().to_owned(),
            balance: view.balances.balance,
            held: view.balances.held,
            available: view.balances.available(),
            version: view.balances.version,
            created_at: Time(view.created_at),
            dry_run: false,
        }
    }
}
