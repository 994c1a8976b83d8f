//! Points in time: microseconds since 1970 in UTC. Their public text form is RFC 3339.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The first and the last microsecond that RFC 3339 can write: the years 0000 and 9999.
const MICROS: (i64, i64) = (-62_167_219_200_000_000, 253_402_300_799_999_999);

/// A point in time, in microseconds since 1970-01-01T00:00:00Z. It is within the years 0000 … 9999,
/// so that every timestamp can be written in RFC 3339.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(into = "i64", try_from = "i64")]
pub struct Timestamp(i64);

impl Timestamp {
    /// Returns the time this many microseconds after 1970, clamped to the years 0000 … 9999.
    pub const fn from_micros(micros: i64) -> Self {
        let (first, last) = MICROS;
        Self(if micros < first {
            first
        } else if micros > last {
            last
        } else {
            micros
        })
    }

    /// Returns the microseconds since 1970.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Returns the milliseconds since 1970; 0 for an earlier time.
    pub const fn as_millis(self) -> u64 {
        if self.0 < 0 {
            0
        } else {
            (self.0 / 1_000) as u64
        }
    }

    /// Returns the last microsecond before this time. It is the last moment of a period that ends
    /// at, and excludes, this time.
    pub const fn just_before(self) -> Self {
        Self::from_micros(self.0.saturating_sub(1))
    }

    /// Returns the UTC day, counted from 1970-01-01.
    pub const fn day(self) -> i64 {
        self.0.div_euclid(86_400_000_000)
    }

    /// Returns the time `millis` milliseconds later, saturating.
    pub const fn plus_millis(self, millis: u64) -> Self {
        let micros = if millis > i64::MAX as u64 / 1_000 {
            i64::MAX
        } else {
            millis as i64 * 1_000
        };
        Self::from_micros(self.0.saturating_add(micros))
    }
}

/// The error for a text or number that is not a valid time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a time as RFC 3339 writes it, with its zone")]
pub struct TimeError;

impl FromStr for Timestamp {
    type Err = TimeError;

    /// Parses RFC 3339 with any zone. Digits finer than a microsecond are cut off.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| TimeError)?;
        let micros = at.unix_timestamp_nanos().div_euclid(1_000);
        // The zone offset can move a time with a valid written year before the year 0000 or past
        // 9999.
        let micros = i64::try_from(micros).map_err(|_| TimeError)?;
        Self::try_from(micros)
    }
}

impl TryFrom<i64> for Timestamp {
    type Error = TimeError;

    fn try_from(micros: i64) -> Result<Self, TimeError> {
        let (first, last) = MICROS;
        let is_time = (first..=last).contains(&micros);
        is_time.then_some(Self(micros)).ok_or(TimeError)
    }
}

impl From<Timestamp> for i64 {
    fn from(time: Timestamp) -> Self {
        time.0
    }
}

impl fmt::Display for Timestamp {
    /// Writes RFC 3339 in UTC with six fractional digits of the second.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_euclid(1_000_000);
        let at = OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| fmt::Error)?;
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        // Formatted by hand for speed, because every event contains three timestamps.
        put(
            &mut text[0..4],
            u32::try_from(at.year()).map_err(|_| fmt::Error)?,
        );
        put(&mut text[5..7], u8::from(at.month()).into());
        put(&mut text[8..10], at.day().into());
        put(&mut text[11..13], at.hour().into());
        put(&mut text[14..16], at.minute().into());
        put(&mut text[17..19], at.second().into());
        put(&mut text[20..26], self.0.rem_euclid(1_000_000) as u32);
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// Writes the last digits of a number, padded with leading zeros.
fn put(text: &mut [u8], mut number: u32) {
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_microseconds_in_utc() {
        let at = Timestamp::from_micros(1_700_000_000_000_042);
        assert_eq!(at.to_string(), "2023-11-14T22:13:20.000042Z");
        let before = Timestamp::from_micros(-1);
        assert_eq!(before.to_string(), "1969-12-31T23:59:59.999999Z");
    }

    /// The fuzz targets `query` and `record` found that formatting a time past the year 9999
    /// panicked.
    #[test]
    fn every_time_that_is_read_can_be_written() {
        let (first, last) = ("0000-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z");
        for text in [first, last] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        }
        for beyond in ["9999-12-31T23:59:59-00:01", "0000-01-01T00:00:00+00:01"] {
            assert_eq!(beyond.parse::<Timestamp>(), Err(TimeError), "{beyond}");
        }
        for (micros, text) in [(i64::MIN, first), (i64::MAX, last)] {
            assert_eq!(Timestamp::from_micros(micros).to_string(), text);
            let mut bytes = Vec::new();
            florin_storage::encode(&micros, &mut bytes).unwrap();
            assert!(florin_storage::decode::<Timestamp>(&bytes).is_err());
        }
        let late = Timestamp::from_micros(i64::MAX).plus_millis(u64::MAX);
        assert_eq!(late.to_string(), last);
    }
}
