//! The lag of the views in seconds, derived from regular samples of the journal's position.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// The most samples that are remembered. Past it the oldest sample is dropped, and the lag is
/// reported too short.
const LOOKS_MAX: usize = 3_600;

/// The samples of the journal's position: the time in seconds, and the last durable record at that
/// time. Only samples that the views have not reached yet are kept.
#[derive(Debug, Default)]
pub struct Lag(Mutex<VecDeque<(f64, u64)>>);

impl Lag {
    /// Takes a sample: at `now`, in seconds, the last durable record is `durable`, and the views
    /// have read up to `position`. Returns the age in seconds of the oldest records that the views
    /// have not read.
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
