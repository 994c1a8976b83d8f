//! How long the views are behind: from looking, now and then, at how far the journal was.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Looks remembered; past that the oldest goes, and the lag is told too short.
const LOOKS_MAX: usize = 3_600;

/// Remembers when the journal had which record.
#[derive(Debug, Default)]
pub struct Lag(Mutex<VecDeque<(f64, u64)>>);

impl Lag {
    /// At `now`, in seconds, the journal has `durable` and the views `position`: gives the age of
    /// what they have not read, in seconds.
    pub fn look(&self, now: f64, durable: u64, position: u64) -> f64 {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if durable > position && looks.back().is_none_or(|(_, known)| *known < durable) {
            if looks.len() == LOOKS_MAX {
                looks.pop_front();
            }
            looks.push_back((now, durable));
        }
        while looks.front().is_some_and(|(_, known)| *known <= position) {
            looks.pop_front();
        }
        looks.front().map_or(0.0, |(seen, _)| now - seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_the_age_of_what_was_not_read() {
        let lag = Lag::default();
        assert_eq!(lag.look(0.0, 5, 5), 0.0);
        assert_eq!(lag.look(1.0, 7, 5), 0.0);
        assert_eq!(lag.look(3.0, 9, 5), 2.0);
        assert_eq!(lag.look(4.0, 9, 7), 1.0);
        assert_eq!(lag.look(5.0, 9, 9), 0.0);
    }
}
