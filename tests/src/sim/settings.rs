//! The settings that a seed decides at the start: limits, paces, and the possible faults.

use std::time::Duration;

use florin_actors::runtime::{Limits, PassivationOptions, SupervisionOptions};
use florin_actors::views::ProjectorOptions;
use rand::Rng;
use rand::rngs::SmallRng;

/// A pace: each pause is drawn between these two numbers of milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub millis_min: u64,
    pub millis_max: u64,
}

impl Pace {
    /// Draws the next pause.
    pub fn draw(self, rng: &mut SmallRng) -> Duration {
        Duration::from_millis(rng.random_range(self.millis_min..=self.millis_max))
    }
}

/// The settings of a run.
#[derive(Debug, Clone)]
pub struct Settings {
    pub clients: u32,
    /// The number of operations of each client.
    pub operations: u32,
    pub accounts_max: usize,
    pub limits: Limits,
    pub commit: Pace,
    pub project: Pace,
    pub read: Pace,
    pub think: Pace,
    /// The pause between two faults. `None` means that there are none.
    pub fault: Option<Pace>,
    /// How many of 1,000 replies are followed by an immediate crash.
    pub crash_at_reply: u32,
    /// How many of 1,000 calls of the entities' code panic.
    pub panics: u32,
    /// Set if disk faults are among the faults.
    pub disk_faults: bool,
    /// How long before a midnight the run starts. `None` means hours before.
    pub to_midnight: Option<Duration>,
    /// Set if the clock jumps.
    pub clock_jumps: bool,
    /// Set if commands may be turned away for lack of capacity.
    pub tight: bool,
    /// Set if the views may be too slow for lists and limits.
    pub slow_views: bool,
    /// Set if commits and reads may take longer than the usual wait.
    pub slow: bool,
}

fn pick<T: Copy>(rng: &mut SmallRng, from: &[T]) -> T {
    from[rng.random_range(0..from.len())]
}

impl Settings {
    /// Draws the settings from `rng`.
    pub fn draw(rng: &mut SmallRng) -> Self {
        let clients = rng.random_range(3..=12);
        let tight = rng.random_bool(0.2);
        let slow_views = rng.random_bool(0.2);
        let slow = rng.random_bool(0.1);
        let pace = |(millis_min, millis_max)| Pace {
            millis_min,
            millis_max,
        };
        let commit = if slow {
            pace((0, 4_000))
        } else {
            pace(pick(rng, &[(1, 1), (0, 5), (0, 40), (10, 30)]))
        };
        let project = if slow_views {
            pace(pick(rng, &[(100, 900), (0, 3_000)]))
        } else {
            pace(pick(rng, &[(1, 3), (0, 15), (5, 40)]))
        };
        Self {
            clients,
            operations: rng.random_range(80..=220) / clients,
            accounts_max: rng.random_range(2..=8),
            limits: limits(rng, tight, slow_views),
            commit,
            project,
            read: pace(pick(rng, &[(0, 0), (0, 0), (0, 3), (0, 20)])),
            think: pace(pick(rng, &[(0, 0), (0, 2), (0, 20), (0, 200)])),
            fault: rng
                .random_bool(0.8)
                .then(|| pace(pick(rng, &[(5, 60), (20, 300), (100, 1_500)]))),
            crash_at_reply: pick(rng, &[0, 0, 10, 30]),
            panics: pick(rng, &[0, 0, 0, 5, 50]),
            disk_faults: rng.random_bool(0.4),
            to_midnight: rng
                .random_bool(0.5)
                .then(|| Duration::from_millis(rng.random_range(10..4_000))),
            clock_jumps: rng.random_bool(0.3),
            tight,
            slow_views,
            slow,
        }
    }
}

fn limits(rng: &mut SmallRng, tight: bool, slow_views: bool) -> Limits {
    Limits {
        in_flight_max: if tight {
            rng.random_range(1..=4)
        } else {
            1_000
        },
        accepted_max: 1_000,
        items_bytes_max: 64 << 20,
        queue_bytes_max: if tight && rng.random_bool(0.5) {
            rng.random_range(200..=2_000)
        } else {
            1 << 20
        },
        record_bytes_max: 1 << 20,
        segment_bytes_max: pick(rng, &[1 << 16, 1 << 17, 1 << 20, 1 << 26]),
        wal_bytes: pick(rng, &[1 << 16, 1 << 17]),
        frame_bytes_max: pick(rng, &[1_024, 4_096, 65_472]),
        journal_cache_bytes: 1 << 20,
        views_cache_bytes: pick(rng, &[0, 1 << 20]),
        lag_records_max: if slow_views && rng.random_bool(0.5) {
            rng.random_range(3..=30)
        } else {
            1_000_000
        },
        list_wait: Duration::from_secs(1),
        // The keeper ends a node with a failing disk sooner than this, so reads then end with the
        // node.
        read_wait: Duration::from_secs(15),
        clock_jump_max: pick(rng, &[Duration::from_secs(1), Duration::from_secs(100_000)]),
        supervision: SupervisionOptions {
            restarts_max: pick(rng, &[0, 1, 5]),
            window: pick(rng, &[Duration::from_millis(100), Duration::from_secs(60)]),
            backoff_min: Duration::from_millis(pick(rng, &[1, 20])),
            backoff_max: Duration::from_millis(100),
        },
        passivation: PassivationOptions {
            idle: Duration::from_millis(pick(rng, &[1, 10, 100, 60_000])),
            live_max: pick(rng, &[1, 4, 1_000]),
        },
        index_entries_max: pick(rng, &[1, 2, 4, 8, 16, 1_000]),
        free_bytes_min: 1_000,
        erase_interval: Duration::from_millis(pick(rng, &[1, 20, 400])),
        projector: ProjectorOptions {
            flush_records_max: pick(rng, &[1, 4, 16, 64, 1_000]),
            flush_millis_max: pick(rng, &[5, 50, 1_000]),
            states_kept_max: pick(rng, &[0, 2, 1_000]),
            keys_max: 1_000_000,
            keys_millis_max: 1_000_000_000_000,
            index_memory_bytes_max: pick(rng, &[0, 200, 1 << 30]),
            milestone_records: pick(rng, &[2, 3, 64]),
        },
    }
}
