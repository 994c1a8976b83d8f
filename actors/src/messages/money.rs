//! Money: amounts in minor units, currencies, and how far a balance may go below zero.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{iso, text};

/// The largest amount and the largest balance either side of zero: 2^53 − 1 minor units, which
/// every JSON reader keeps exactly.
pub const AMOUNT_MAX: u64 = (1 << 53) - 1;

/// The most decimal places an asset's unit may have.
pub const SCALE_MAX: u8 = 18;

/// Why a text or number is no money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not in 1 … 2^53 − 1.
    #[error("must be an integer from 1 to 9007199254740991")]
    Amount,
    /// Not in 0 … 2^53 − 1, and not "unlimited".
    #[error("must be an integer from 0 to 9007199254740991, or \"unlimited\"")]
    Overdraft,
    /// Not a currency of ISO 4217, nor an asset of the settings.
    #[error("is neither a currency of ISO 4217 nor an asset of the setting ledger.assets")]
    Currency,
    /// Not three to eight capital letters or digits.
    #[error("must be 3 to 8 capital letters or digits")]
    Code,
    /// An asset with the code of a currency.
    #[error("is a currency of ISO 4217, which has its scale by that")]
    AssetIso,
    /// An asset declared twice.
    #[error("is declared twice")]
    AssetTwice,
    /// An asset's scale that is not in 0 … 18.
    #[error("must have a scale from 0 to 18")]
    Scale,
}

/// An amount of money in minor units, 1 … 2^53 − 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Amount(u64);

impl Amount {
    /// Takes 1 … 2^53 − 1; anything else is malformed.
    pub const fn new(minor_units: u64) -> Result<Self, MoneyError> {
        if minor_units == 0 || minor_units > AMOUNT_MAX {
            return Err(MoneyError::Amount);
        }
        Ok(Self(minor_units))
    }

    /// The amount in minor units.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The amount as a signed number; never loses anything, by the bound.
    pub const fn signed(self) -> i64 {
        self.0 as i64
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// How far below zero debits may take a balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Overdraft {
    /// Down to minus this many minor units; 0 means no overdraft.
    Limit(u64),
    /// Without a floor.
    Unlimited,
}

impl Overdraft {
    /// A limit of 0 … 2^53 − 1 minor units.
    pub const fn limit(minor_units: u64) -> Result<Self, MoneyError> {
        if minor_units > AMOUNT_MAX {
            return Err(MoneyError::Overdraft);
        }
        Ok(Self::Limit(minor_units))
    }
}

/// What a wallet may move at a time and in a day, and what may gather in it, each in minor units;
/// `None`: without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WalletLimits {
    /// The most that one debit or hold may take.
    pub per_transaction: Option<Amount>,
    /// The most that all debits and holds of one UTC day may take.
    pub per_day: Option<Amount>,
    /// The most that may be posted in it after a credit.
    pub max_balance: Option<Amount>,
}

/// What becomes of each limit: `None` leaves it, `Some(None)` lifts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WalletLimitsChange {
    /// Of [`WalletLimits::per_transaction`].
    pub per_transaction: Option<Option<Amount>>,
    /// Of [`WalletLimits::per_day`].
    pub per_day: Option<Option<Amount>>,
    /// Of [`WalletLimits::max_balance`].
    pub max_balance: Option<Option<Amount>>,
}

impl WalletLimits {
    /// The limits after a change.
    pub fn changed(self, change: &WalletLimitsChange) -> Self {
        Self {
            per_transaction: change.per_transaction.unwrap_or(self.per_transaction),
            per_day: change.per_day.unwrap_or(self.per_day),
            max_balance: change.max_balance.unwrap_or(self.max_balance),
        }
    }
}

/// A currency of ISO 4217, or an asset that the settings declared: then its scale is a part of it, in
/// every record too, so that no later setting can give old amounts another meaning.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    code: [u8; 8],
    /// Of an asset; [`OF_ISO`] for a currency, whose scale is looked up.
    scale: u8,
}

/// In place of a scale: that of ISO 4217.
const OF_ISO: u8 = u8::MAX;

impl Currency {
    /// Reads an ISO 4217 code.
    pub fn iso(code: &str) -> Result<Self, MoneyError> {
        if iso::is_currency(code) {
            Self::packed(code, OF_ISO)
        } else {
            Err(MoneyError::Currency)
        }
    }

    /// An asset: three to eight capital letters or digits that are no code of ISO 4217, and how many
    /// decimal places its unit has.
    pub fn asset(code: &str, scale: u8) -> Result<Self, MoneyError> {
        if iso::is_currency(code) {
            return Err(MoneyError::AssetIso);
        }
        if scale > SCALE_MAX {
            return Err(MoneyError::Scale);
        }
        Self::packed(code, scale)
    }

    /// Reads what [`Currency::recorded`] wrote: it was checked when it was made.
    pub fn of_record(text: &str) -> Result<Self, MoneyError> {
        match text.split_once(':') {
            None => Self::packed(text, OF_ISO),
            Some((code, scale)) => {
                Self::packed(code, scale.parse().map_err(|_| MoneyError::Scale)?)
            }
        }
    }

    /// The currency as records keep it: `USD`, and of an asset its scale too, `USDC:6`.
    pub fn recorded(&self) -> impl fmt::Display + '_ {
        fmt::from_fn(|f| match self.scale {
            OF_ISO => f.write_str(self.code()),
            scale => write!(f, "{}:{scale}", self.code()),
        })
    }

    /// The code, as `USD`.
    pub fn code(&self) -> &str {
        let end = self
            .code
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(self.code.len());
        std::str::from_utf8(&self.code[..end]).unwrap_or_default()
    }

    /// Whether it is an asset rather than a currency of ISO 4217.
    pub const fn is_asset(&self) -> bool {
        self.scale != OF_ISO
    }

    /// How many decimal places its unit has: a minor unit is one of the last of them.
    pub fn scale(&self) -> u8 {
        match self.scale {
            OF_ISO => iso::scale(self.code()),
            scale => scale,
        }
    }

    /// An amount in minor units as a decimal number of units with all places of the scale: `1000.00`.
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

/// Checks that a text could be a currency's code: three to eight capital letters or digits.
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
    /// Takes any well-formed code: what a record holds was checked when it was made.
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
