//! Money: amounts in minor units, currencies, overdraft limits and wallet limits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{iso, text};

/// The largest amount, and the largest balance on either side of zero: 2^53 − 1 minor units, which
/// every JSON reader can represent exactly.
pub const AMOUNT_MAX: u64 = (1 << 53) - 1;

/// The most decimal places an asset's unit may have.
pub const SCALE_MAX: u8 = 18;

/// The reason why a text or number is not valid money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The amount is not in 1 … 2^53 − 1.
    #[error("must be an integer from 1 to 9007199254740991")]
    Amount,
    /// The overdraft limit is not in 0 … 2^53 − 1.
    #[error("must be an integer from 0 to 9007199254740991, or null")]
    Overdraft,
    /// The code is neither a currency of ISO 4217 nor an asset of the settings.
    #[error("is neither a currency of ISO 4217 nor an asset of the setting ledger.assets")]
    Currency,
    /// The code does not consist of three to eight capital letters or digits.
    #[error("must be 3 to 8 capital letters or digits")]
    Code,
    /// The asset has the code of a currency of ISO 4217.
    #[error("is a currency of ISO 4217, which has its scale by that")]
    AssetIso,
    /// The asset is declared twice.
    #[error("is declared twice")]
    AssetTwice,
    /// The asset's scale is not in 0 … 18.
    #[error("must have a scale from 0 to 18")]
    Scale,
}

/// An amount of money in minor units, 1 … 2^53 − 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Amount(u64);

impl Amount {
    /// Creates an amount of 1 … 2^53 − 1 minor units; every other value is an error.
    pub const fn new(minor_units: u64) -> Result<Self, MoneyError> {
        if minor_units == 0 || minor_units > AMOUNT_MAX {
            return Err(MoneyError::Amount);
        }
        Ok(Self(minor_units))
    }

    /// Returns the amount in minor units.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the amount as a signed number. The conversion is exact, because an amount is at most
    /// 2^53 − 1.
    pub const fn signed(self) -> i64 {
        self.0 as i64
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The overdraft limit: how far below zero debits may take a balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Overdraft {
    /// The balance may go down to minus this many minor units; 0 means no overdraft.
    Limit(u64),
    /// The balance has no floor.
    Unlimited,
}

impl Overdraft {
    /// Creates a limit of 0 … 2^53 − 1 minor units; a greater value is an error.
    pub const fn limit(minor_units: u64) -> Result<Self, MoneyError> {
        if minor_units > AMOUNT_MAX {
            return Err(MoneyError::Overdraft);
        }
        Ok(Self::Limit(minor_units))
    }
}

/// The limits of a wallet: per transaction, per UTC day, and on its balance. Each is in minor
/// units; `None` means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WalletLimits {
    /// The greatest amount of one debit or hold.
    pub per_transaction: Option<Amount>,
    /// The greatest total of all debits and holds of one UTC day.
    pub per_day: Option<Amount>,
    /// The greatest posted balance after a credit.
    pub max_balance: Option<Amount>,
}

/// The change of each limit: `None` leaves the limit as it is, `Some(None)` removes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WalletLimitsChange {
    /// The change of [`WalletLimits::per_transaction`].
    pub per_transaction: Option<Option<Amount>>,
    /// The change of [`WalletLimits::per_day`].
    pub per_day: Option<Option<Amount>>,
    /// The change of [`WalletLimits::max_balance`].
    pub max_balance: Option<Option<Amount>>,
}

impl WalletLimits {
    /// Returns the limits after a change.
    pub fn changed(self, change: &WalletLimitsChange) -> Self {
        Self {
            per_transaction: change.per_transaction.unwrap_or(self.per_transaction),
            per_day: change.per_day.unwrap_or(self.per_day),
            max_balance: change.max_balance.unwrap_or(self.max_balance),
        }
    }
}

/// A currency of ISO 4217, or an asset that the settings declared. The scale is a part of an asset,
/// also in every record, so that no later setting can give old amounts another meaning.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    code: [u8; 8],
    /// The scale of an asset. For a currency of ISO 4217 it is [`OF_ISO`], and the scale is looked
    /// up.
    scale: u8,
}

/// The marker in place of a scale that means "the scale of ISO 4217".
const OF_ISO: u8 = u8::MAX;

impl Currency {
    /// Returns the currency with an ISO 4217 code.
    pub fn iso(code: &str) -> Result<Self, MoneyError> {
        if iso::is_currency(code) {
            Self::packed(code, OF_ISO)
        } else {
            Err(MoneyError::Currency)
        }
    }

    /// Creates an asset from its code and its scale, the number of decimal places of its unit. The
    /// code has three to eight capital letters or digits and is not a code of ISO 4217.
    pub fn asset(code: &str, scale: u8) -> Result<Self, MoneyError> {
        if iso::is_currency(code) {
            return Err(MoneyError::AssetIso);
        }
        if scale > SCALE_MAX {
            return Err(MoneyError::Scale);
        }
        Self::packed(code, scale)
    }

    /// Parses a text that [`Currency::recorded`] wrote. The code is not looked up again, because it
    /// was checked when the record was made.
    pub fn of_record(text: &str) -> Result<Self, MoneyError> {
        match text.split_once(':') {
            None => Self::packed(text, OF_ISO),
            Some((code, scale)) => {
                Self::packed(code, scale.parse().map_err(|_| MoneyError::Scale)?)
            }
        }
    }

    /// Returns the form that records store: the code, e.g. `USD`, and for an asset also its scale,
    /// e.g. `USDC:6`.
    pub fn recorded(&self) -> impl fmt::Display + '_ {
        fmt::from_fn(|f| match self.scale {
            OF_ISO => f.write_str(self.code()),
            scale => write!(f, "{}:{scale}", self.code()),
        })
    }

    /// Returns the code, e.g. `USD`.
    pub fn code(&self) -> &str {
        let end = self
            .code
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(self.code.len());
        std::str::from_utf8(&self.code[..end]).unwrap_or_default()
    }

    /// Returns whether this is an asset rather than a currency of ISO 4217.
    pub const fn is_asset(&self) -> bool {
        self.scale != OF_ISO
    }

    /// Returns the number of decimal places of the unit. A minor unit is one unit of the last
    /// place.
    pub fn scale(&self) -> u8 {
        match self.scale {
            OF_ISO => iso::scale(self.code()),
            scale => scale,
        }
    }

    /// Formats an amount in minor units as a decimal number of units with all places of the scale,
    /// e.g. `1000.00`.
    pub fn decimal(&self, minor_units: i128) -> String {
        let sign = if minor_units < 0 { "-" } else { "" };
        let minor_units = minor_units.unsigned_abs();
        match self.scale() {
            0 => format!("{sign}{minor_units}"),
            scale => {
                let unit = 10_u128.pow(u32::from(scale));
                let (whole, part) = (minor_units / unit, minor_units % unit);
                format!("{sign}{whole}.{part:0places$}", places = usize::from(scale))
            }
        }
    }

    fn packed(code: &str, scale: u8) -> Result<Self, MoneyError> {
        currency_code(code)?;
        let mut bytes = [0; 8];
        bytes[..code.len()].copy_from_slice(code.as_bytes());
        Ok(Self { code: bytes, scale })
    }
}

/// Checks that a text has the form of a currency's code: three to eight capital letters or digits.
pub fn currency_code(code: &str) -> Result<(), MoneyError> {
    let mut bytes = code.bytes();
    let is_code = (3..=8).contains(&code.len())
        && bytes.all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if is_code {
        Ok(())
    } else {
        Err(MoneyError::Code)
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(code: &str) -> Result<Self, MoneyError> {
        Self::iso(code)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.recorded())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_asset() {
            serializer.collect_str(&self.recorded())
        } else {
            serializer.serialize_str(self.code())
        }
    }
}

impl<'de> Deserialize<'de> for Currency {
    /// Accepts any well-formed code, because a record's code was checked when the record was made.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::with_str(deserializer, Self::of_record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_to_their_bounds() {
        assert_eq!(Amount::new(0), Err(MoneyError::Amount));
        assert_eq!(Amount::new(1).map(Amount::get), Ok(1));
        assert_eq!(Amount::new(AMOUNT_MAX).map(Amount::get), Ok(AMOUNT_MAX));
        assert_eq!(Amount::new(AMOUNT_MAX + 1), Err(MoneyError::Amount));
    }

    #[test]
    fn a_currency_is_one_of_iso_4217() {
        assert_eq!(
            Currency::iso("USD").map(|c| c.to_string()),
            Ok("USD".to_owned())
        );
        for code in ["usd", "US", "USDX", "ABC", "", "U$D", "\u{e9}\u{e9}"] {
            assert_eq!(Currency::iso(code), Err(MoneyError::Currency), "{code}");
        }
    }

    #[test]
    fn a_record_keeps_an_assets_scale() {
        let usdc = Currency::asset("USDC", 6).unwrap();
        for (currency, text) in [(usdc, "USDC:6"), (Currency::iso("KES").unwrap(), "KES")] {
            assert_eq!(currency.recorded().to_string(), text);
            assert_eq!(Currency::of_record(text), Ok(currency));
            let mut bytes = Vec::new();
            florin_storage::encode(&currency, &mut bytes).unwrap();
            assert_eq!(
                florin_storage::decode::<Currency>(&bytes).unwrap(),
                currency
            );
        }
        assert_eq!(usdc.to_string(), "USDC");
        for wrong in ["USDC:", "USDC:x", ":6", "usdc:6", ""] {
            assert!(Currency::of_record(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn amounts_are_written_with_all_places_of_their_scale() {
        let iso = |code| Currency::iso(code).unwrap();
        let asset = |scale| Currency::asset("USDC", scale).unwrap();
        for (currency, minor_units, text) in [
            (iso("KES"), 100_000, "1000.00"),
            (iso("USD"), 1, "0.01"),
            (iso("USD"), -105, "-1.05"),
            (iso("USD"), 0, "0.00"),
            (iso("JPY"), 1_000, "1000"),
            (iso("JPY"), -7, "-7"),
            (iso("BHD"), 1_234_567, "1234.567"),
            (iso("CLF"), 5, "0.0005"),
            (iso("USD"), i128::from(AMOUNT_MAX), "90071992547409.91"),
            (asset(0), 12, "12"),
            (asset(6), 1_500_000, "1.500000"),
            (asset(18), 1, "0.000000000000000001"),
            (
                asset(18),
                i128::MIN,
                "-170141183460469231731.687303715884105728",
            ),
        ] {
            assert_eq!(currency.decimal(minor_units), text, "{currency:?}");
        }
    }
}
