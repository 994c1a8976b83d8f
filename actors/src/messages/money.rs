//! Money: amounts in minor units, currencies, and how far a balance may go below zero.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{iso, text};

/// The largest amount and the largest balance either side of zero: 2^53 − 1 minor units, which
/// every JSON reader keeps exactly.
pub const AMOUNT_MAX: u64 = (1 << 53) - 1;

/// Why a text or number is no money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not in 1 … 2^53 − 1.
    #[error("must be an integer from 1 to 9007199254740991")]
    Amount,
    /// Not in 0 … 2^53 − 1, and not "unlimited".
    #[error("must be an integer from 0 to 9007199254740991, or \"unlimited\"")]
    Overdraft,
    /// Not a currency of ISO 4217.
    #[error("is not a currency of ISO 4217")]
    Currency,
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

/// A currency: three to eight capital letters or digits, ISO 4217's codes among them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 8]);

impl Currency {
    /// Reads an ISO 4217 code.
    pub fn iso(code: &str) -> Result<Self, MoneyError> {
        if iso::is_currency(code) {
            Self::packed(code)
        } else {
            Err(MoneyError::Currency)
        }
    }

    /// Reads any well-formed code: three to eight capital letters or digits.
    pub fn declared(code: &str) -> Result<Self, MoneyError> {
        Self::packed(code)
    }

    /// The code, as `USD`.
    pub fn code(&self) -> &str {
        let end = self
            .0
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(self.0.len());
        std::str::from_utf8(&self.0[..end]).unwrap_or_default()
    }

    /// TEMP
    pub fn decimal(self, minor: u64) -> String {
        format!("{}.{:02}", minor / 100, minor % 100)
    }

    fn packed(code: &str) -> Result<Self, MoneyError> {
        let fits = (3..=8).contains(&code.len())
            && code
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if !fits {
            return Err(MoneyError::Currency);
        }
        let mut bytes = [0; 8];
        bytes[..code.len()].copy_from_slice(code.as_bytes());
        Ok(Self(bytes))
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
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    /// Takes any well-formed code: what a record holds was checked when it was made.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::with_str(deserializer, Self::packed)
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
}
