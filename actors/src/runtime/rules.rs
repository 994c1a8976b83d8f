//! The rules for restarting actors, for taking them out of service, and for removing entities from
//! memory.

use std::time::Duration;

use crate::words::Assets;

/// The rules that a ledger keeps.
#[derive(Debug)]
pub struct Rules {
    /// The rules for restarting actors and for taking them out of service.
    pub supervision: SupervisionOptions,
    /// The rules for removing entities from memory.
    pub passivation: PassivationOptions,
    /// The declared assets that money may move in, in addition to the currencies of ISO 4217.
    pub assets: Assets,
}

/// The rules for removing entities from memory.
#[derive(Debug, Clone, Copy)]
pub struct PassivationOptions {
    /// The time after which an entity leaves that was not needed.
    pub idle: Duration,
    /// The number of entities in memory above which those not needed for a second leave.
    pub live_max: usize,
}

/// The rules for restarting actors and for taking them out of service.
#[derive(Debug, Clone, Copy)]
pub struct SupervisionOptions {
    /// The number of faults within the window after which an actor is still restarted; the next
    /// fault takes it out of service.
    pub restarts_max: u32,
    /// The time window within which faults are counted together.
    pub window: Duration,
    /// The pause before the first restart; each further one within the window doubles it.
    pub backoff_min: Duration,
    /// The longest pause.
    pub backoff_max: Duration,
}

impl SupervisionOptions {
    /// Returns the pause before the restart after `faults` faults, between three quarters of the
    /// full pause and all of it. `jitter` is drawn at random.
    pub fn backoff(&self, faults: u32, jitter: u8) -> Duration {
        let doubled = self
            .backoff_min
            .saturating_mul(1 << faults.saturating_sub(1).min(20));
        let most = doubled.min(self.backoff_max);
        most - most.mul_f64(f64::from(jitter) / f64::from(u8::MAX) / 4.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_one() {
        let options = SupervisionOptions {
            restarts_max: 5,
            window: Duration::from_secs(60),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_millis(300),
        };
        let most: Vec<u128> = (1..=5)
            .map(|faults| options.backoff(faults, 0).as_millis())
            .collect();
        assert_eq!(most, [50, 100, 200, 300, 300]);
        let least = options.backoff(1, u8::MAX);
        assert_eq!(least, Duration::from_micros(37_500));
        assert_eq!(options.backoff(u32::MAX, 0).as_millis(), 300);
    }
}
