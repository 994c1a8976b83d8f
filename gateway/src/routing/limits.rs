//! The limits of requests.

use std::time::Duration;

use florin_actors::messages::{Assets, Currency};
use florin_config::{ConfigError, Settings};

use crate::http::{Problem, values::CurrencyCode};

/// The form of the setting `ledger.assets`, for its error messages.
const ASSETS: &str = "assets and their scales, for example `USDC = 6, BTC8 = 8`";

/// The limits of requests, from the settings.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The currency of an account that is opened without one.
    pub default_currency: Currency,
    /// The assets that amounts may be in, in addition to the currencies of ISO 4217.
    pub assets: Assets,
    /// The number of seconds after which a pending transfer expires, if its request does not say;
    /// `None` means never.
    pub hold_expiry_seconds: Option<u32>,
    /// The largest body, in bytes.
    pub body_bytes_max: usize,
    /// The largest body of a batch, in bytes.
    pub batch_bytes_max: usize,
    /// The largest total of the large bodies that are being read at the same time, in bytes.
    pub batches_bytes_max: usize,
    /// The largest part of an unread body that is discarded, in bytes.
    pub body_bytes_drained_max: usize,
    /// The longest time that a body may take to arrive.
    pub body_read: Duration,
    /// The longest wait for a command's confirmation, if the request does not say.
    pub confirmation_wait: Duration,
    /// The size of a page, if the request does not say.
    pub page_default: usize,
    /// The largest size of a page.
    pub page_max: usize,
}

impl Limits {
    /// Creates the limits from the settings.
    ///
    /// # Errors
    /// Returns an error if the default currency does not exist, or if the setting `ledger.assets`
    /// is malformed or names an asset that is not allowed.
    pub fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let currency = &settings.ledger.default_currency;
        let assets = assets(settings)?;
        let default_currency = assets.currency(currency).map_err(|_| {
            settings.refuse(
                "ledger.default_currency",
                currency,
                "a currency of ISO 4217, or an asset of ledger.assets",
            )
        })?;
        let hold_expiry_seconds = settings.ledger.hold_expiry_seconds;
        let gateway = &settings.gateway;
        Ok(Self {
            default_currency,
            assets,
            hold_expiry_seconds: (hold_expiry_seconds > 0).then_some(hold_expiry_seconds),
            body_bytes_max: gateway.body_bytes_max,
            batch_bytes_max: gateway.batch_bytes_max,
            batches_bytes_max: gateway.batches_bytes_max,
            body_bytes_drained_max: gateway.body_bytes_drained_max,
            body_read: Duration::from_secs(gateway.body_read_seconds_max),
            confirmation_wait: Duration::from_millis(gateway.confirmation_wait_ms),
            page_default: gateway.page_default,
            page_max: gateway.page_max,
        })
    }

    /// Returns the currency that a request names, or `None` if it names none. `path` gives the full
    /// path of the field.
    ///
    /// # Errors
    /// Returns a problem if the currency is neither one of ISO 4217 nor a declared asset.
    pub fn currency(
        &self,
        code: Option<&CurrencyCode>,
        path: impl FnOnce() -> String,
    ) -> Result<Option<Currency>, Problem> {
        let found = code.map(|code| self.assets.currency(&code.0)).transpose();
        found.map_err(|error| Problem::malformed(path(), error.to_string()))
    }
}

/// Returns the assets that the settings declare.
fn assets(settings: &Settings) -> Result<Assets, ConfigError> {
    let (name, text) = ("ledger.assets", &settings.ledger.assets);
    let declared =
        florin_config::assets(text).ok_or_else(|| settings.refuse(name, text, ASSETS))?;
    Assets::new(declared).map_err(|(code, error)| {
        let allowed = format!("{ASSETS}: {code} {error}");
        settings.refuse(name, text, &allowed)
    })
}
