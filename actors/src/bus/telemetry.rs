//! The measurements of a bus: its state, its progress, and counts of messages.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use dashmap::DashMap;

/// The state of a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusState {
    /// The bus runs in this process, so it is always reachable.
    Embedded,
    /// The brokers were not reached yet.
    Connecting,
    /// The brokers accept events.
    Connected,
    /// The brokers can't be reached, or refuse events. Events wait in the journal.
    Away(String),
    /// Publishing has stopped permanently, and an operator must intervene.
    Halted(String),
}

impl BusState {
    /// Returns the state's external name, for example `connected`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Away(_) => "away",
            Self::Halted(_) => "halted",
        }
    }

    /// Returns the reason of a state in which something is wrong.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Away(reason) | Self::Halted(reason) => Some(reason),
            Self::Embedded | Self::Connecting | Self::Connected => None,
        }
    }
}

/// A counter, with its labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Counted {
    /// Events that were published to a topic.
    Published {
        /// The topic.
        topic: String,
    },
    /// Messages of a topic that a group has finished, successfully or not.
    Consumed {
        /// The topic.
        topic: String,
        /// The group.
        group: String,
    },
    /// Messages that became dead letters.
    Failed {
        /// The topic.
        topic: String,
        /// The group.
        group: String,
        /// A stable word, for example `malformed`.
        reason: &'static str,
    },
    /// Offsets of a topic that were removed before a group read them.
    Lost {
        /// The topic.
        topic: String,
        /// The group.
        group: String,
    },
    /// Retries of messages.
    Retried {
        /// The topic.
        topic: String,
        /// The group.
        group: String,
    },
}

/// The upper bounds, in seconds, of the histogram of the time from an event's record to the end of
/// the event's processing.
pub const LATENCY_BOUNDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// The measurements of a bus.
#[derive(Debug)]
pub struct Telemetry {
    state: Mutex<BusState>,
    published: AtomicU64,
    counts: DashMap<Counted, u64>,
    lags: DashMap<(String, i32, String), u64>,
    dead_letters: DashMap<String, u64>,
    /// The number of events in each bucket. The last bucket is for events above all bounds.
    latencies: [AtomicU64; LATENCY_BOUNDS.len() + 1],
    latency_micros: AtomicU64,
}

impl Telemetry {
    /// Creates measurements with all counts at zero.
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

    /// Returns the sequence of the last record whose events were published.
    pub fn published(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }

    /// Sets the sequence of the last record whose events were published.
    pub fn set_published(&self, sequence: u64) {
        self.published.store(sequence, Ordering::Release);
    }

    /// Returns the state of the bus.
    pub fn state(&self) -> BusState {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.clone()
    }

    /// Sets the state of the bus.
    pub fn set_state(&self, state: BusState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Adds to a counter. Adding 0 creates the counter, so that it is exported before its first
    /// event.
    pub fn count(&self, what: Counted, more: u64) {
        *self.counts.entry(what).or_default() += more;
    }

    /// Returns all counters since the start, sorted.
    pub fn counts(&self) -> Vec<(Counted, u64)> {
        let counts = self.counts.iter();
        let mut all: Vec<_> = counts
            .map(|entry| (entry.key().clone(), *entry.value()))
            .collect();
        all.sort_unstable();
        all
    }

    /// Sets the number of messages of a partition that a group has not handled yet.
    pub fn set_lag(&self, topic: &str, partition: i32, group: &str, messages: u64) {
        let place = (topic.to_owned(), partition, group.to_owned());
        self.lags.insert(place, messages);
    }

    /// Returns the lag of every partition, sorted: topic, partition, group and number of messages.
    pub fn lags(&self) -> Vec<((String, i32, String), u64)> {
        let lags = self.lags.iter();
        let mut all: Vec<_> = lags
            .map(|entry| (entry.key().clone(), *entry.value()))
            .collect();
        all.sort_unstable();
        all
    }

    /// Sets the number of waiting dead letters of a topic.
    pub fn set_dead_letters(&self, topic: &str, messages: u64) {
        self.dead_letters.insert(topic.to_owned(), messages);
    }

    /// Increases the number of waiting dead letters of a topic.
    pub fn more_dead_letters(&self, topic: &str, messages: u64) {
        *self.dead_letters.entry(topic.to_owned()).or_default() += messages;
    }

    /// Decreases the number of waiting dead letters of a topic.
    pub fn fewer_dead_letters(&self, topic: &str, messages: u64) {
        let mut waiting = self.dead_letters.entry(topic.to_owned()).or_default();
        *waiting = waiting.saturating_sub(messages);
    }

    /// Returns the number of waiting dead letters by topic, sorted.
    pub fn dead_letters(&self) -> Vec<(String, u64)> {
        let letters = self.dead_letters.iter();
        let mut all: Vec<_> = letters
            .map(|entry| (entry.key().clone(), *entry.value()))
            .collect();
        all.sort_unstable();
        all
    }

    /// Records the time from an event's record to the end of the event's processing.
    pub fn took(&self, seconds: f64) {
        let bound = LATENCY_BOUNDS.iter().position(|bound| seconds <= *bound);
        let bucket = bound.unwrap_or(LATENCY_BOUNDS.len());
        self.latencies[bucket].fetch_add(1, Ordering::Relaxed);
        let micros = (seconds.max(0.0) * 1e6) as u64;
        self.latency_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Returns the number of events in each bucket, and the sum of their times in seconds.
    pub fn latencies(&self) -> ([u64; LATENCY_BOUNDS.len() + 1], f64) {
        let counts = std::array::from_fn(|place| self.latencies[place].load(Ordering::Relaxed));
        let sum = self.latency_micros.load(Ordering::Relaxed) as f64 / 1e6;
        (counts, sum)
    }
}
