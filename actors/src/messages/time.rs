//! Points in time: microseconds since 1970, UTC; written as RFC 3339 outside.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The time this many microseconds after 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since 1970, 0 for anything earlier.
    pub const fn as_millis(self) -> u64 {
        if self.0 < 0 {
            0
        } else {
            (self.0 / 1_000) as u64
        }
    }

    /// The UTC day, counted from 1970-01-01.
    pub const fn day(self) -> i64 {
        self.0.div_euclid(86_400_000_000)
    }

    /// This time and `millis` more, saturating.
    pub const fn plus_millis(self, millis: u64) -> Self {
        let micros = if millis > i64::MAX as u64 / 1_000 {
            i64::MAX
        } else {
            millis as i64 * 1_000
        };
        Self(self.0.saturating_add(micros))
    }
}

/// A text that is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a time as RFC 3339 writes it, with its zone")]
pub struct TimeError;

impl FromStr for Timestamp {
    type Err = TimeError;

    /// Reads RFC 3339 with any zone; what is finer than a microsecond is cut off.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| TimeError)?;
        let micros = at.unix_timestamp_nanos().div_euclid(1_000);
        i64::try_from(micros).map(Self).map_err(|_| TimeError)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with six digits of a second.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000)
            .map_err(|_| fmt::Error)?;
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            at.microsecond()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_microseconds_in_utc() {
        let at = Timestamp::from_micros(1_700_000_000_000_042);
        assert_eq!(at.to_string(), "2023-11-14T22:13:20.000042Z");
    }
}
