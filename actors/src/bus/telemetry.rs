//! What the bus tells those who watch it: how far it is, what came and went, and how it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use dashmap::DashMap;

/// How the bus is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusState {
    /// Inside this process: there is nothing to be away.
    Embedded,
    /// Not reached yet.
    Connecting,
    /// The brokers take events.
    Connected,
    /// The brokers can't be reached, or refuse: events wait in the journal.
    Away(String),
    /// It stopped for good: an operator has to decide.
    Halted(String),
}

impl BusState {
    /// The state's name outside, as `connected`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Away(_) => "away",
            Self::Halted(_) => "halted",
        }
    }

    /// Why it is so, where something is wrong.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Away(reason) | Self::Halted(reason) => Some(reason),
            _ => None,
        }
    }
}

/// What is counted, with its labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Counted {
    /// Events that went to a topic.
    Published {
        /// The topic.
        topic: String,
    },
    /// Messages of a topic whose processing by a group ended, well or not.
    Consumed {
        /// The topic.
        topic: String,
        /// The group.
        group: String,
    },
    /// Those of them that became dead letters.
    Failed {
        /// The topic.
        topic: String,
        /// The group.
        group: String,
        /// A stable word, as `malformed`.
        reason: &'static str,
    },
    /// Further attempts at messages.
    Retried {
        /// The topic.
        topic: String,
        /// The group.
        group: String,
    },
}

/// The upper bounds, in seconds, of how long an event took from its record to the end of its
/// processing.
pub const LATENCY_BOUNDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// A bus's measurements.
#[derive(Debug)]
pub struct Telemetry {
    state: Mutex<BusState>,
    published: AtomicU64,
    counts: DashMap<Counted, u64>,
    lags: DashMap<(String, i32, String), u64>,
    dead_letters: DashMap<String, u64>,
    /// Events by the bound that they are below; the last is for those above all.
    latencies: [AtomicU64; LATENCY_BOUNDS.len() + 1],
    latency_micros: AtomicU64,
}

impl Telemetry {
    /// All at zero.
    pub fn new(state: BusState) -> Self {
        Self {
            state: Mutex::new(state),
            published: AtomicU64::new(0),
            counts: DashMap::new(),
            lags: DashMap::new(),
            dead_letters: DashMap::new(),
            latencies: Default::default(),
            latency_micros: AtomicU64::new(0),
        }
    }

    /// The last record whose events were published.
    pub fn published(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }

    /// Notes how far it has published.
    pub fn set_published(&self, sequence: u64) {
        self.published.store(sequence, Ordering::Release);
    }

    /// How it is.
    pub fn state(&self) -> BusState {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.clone()
    }

    /// Notes how it is.
    pub fn set_state(&self, state: BusState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Counts; 0 makes the count known before there is anything to count.
    pub fn count(&self, what: Counted, more: u64) {
        *self.counts.entry(what).or_default() += more;
    }

    /// All counts since the start, sorted.
    pub fn counts(&self) -> Vec<(Counted, u64)> {
        let counts = self.counts.iter();
        let mut all: Vec<_> = counts
            .map(|entry| (entry.key().clone(), *entry.value()))
            .collect();
        all.sort_unstable();
        all
    }

    /// Notes how many messages of a partition a group has still to handle.
    pub fn set_lag(&self, topic: &str, partition: i32, group: &str, messages: u64) {
        let place = (topic.to_owned(), partition, group.to_owned());
        self.lags.insert(place, messages);
    }

    /// Every partition's lag: topic, partition, group, messages; sorted.
    pub fn lags(&self) -> Vec<((String, i32, String), u64)> {
        let lags = self.lags.iter();
        let mut all: Vec<_> = lags
            .map(|entry| (entry.key().clone(), *entry.value()))
            .collect();
        all.sort_unstable();
        all
    }

    /// Notes how many dead letters of a topic wait for somebody.
    pub fn set_dead_letters(&self, topic: &str, messages: u64) {
        self.dead_letters.insert(topic.to_owned(), messages);
    }

    /// Notes that more dead letters of a topic wait.
    pub fn more_dead_letters(&self, topic: &str, messages: u64) {
        *self.dead_letters.entry(topic.to_owned()).or_default() += messages;
    }

    /// Notes that fewer dead letters of a topic wait.
    pub fn fewer_dead_letters(&self, topic: &str, messages: u64) {
        let mut waiting = self.dead_letters.entry(topic.to_owned()).or_default();
        *waiting = waiting.saturating_sub(messages);
    }

    /// Dead letters that wait, by topic, sorted.
    pub fn dead_letters(&self) -> Vec<(String, u64)> {
        let letters = self.dead_letters.iter();
        let mut all: Vec<_> = letters
            .map(|entry| (entry.key().clone(), *entry.value()))
            .collect();
        all.sort_unstable();
        all
    }

    /// Notes how long an event took from its record to the end of its processing.
    pub fn took(&self, seconds: f64) {
        let bound = LATENCY_BOUNDS.iter().position(|bound| seconds <= *bound);
        let bucket = bound.unwrap_or(LATENCY_BOUNDS.len());
        self.latencies[bucket].fetch_add(1, Ordering::Relaxed);
        let micros = (seconds.max(0.0) * 1e6) as u64;
        self.latency_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Events below each of the bounds and above all, and the sum of their seconds.
    pub fn latencies(&self) -> ([u64; LATENCY_BOUNDS.len() + 1], f64) {
        let counts = std::array::from_fn(|place| self.latencies[place].load(Ordering::Relaxed));
        let sum = self.latency_micros.load(Ordering::Relaxed) as f64 / 1e6;
        (counts, sum)
    }
}
