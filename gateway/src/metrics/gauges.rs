//! Numbers of the node that are counted anew when the metrics page is made.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use florin_actors::conditions::{ConditionCode, Conditions};
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::log;

/// The number of lasting conditions by code, as of the last update.
#[derive(Debug, Default)]
pub struct ConditionCounts([AtomicU64; ConditionCode::ALL.len()]);

impl ConditionCounts {
    /// Updates the numbers.
    pub fn set(&self, conditions: &Conditions) {
        let lasting = conditions.lasting();
        for (code, count) in ConditionCode::ALL.iter().zip(&self.0) {
            let of_code = lasting.iter().filter(|one| one.code == *code).count();
            count.store(of_code as u64, Ordering::Relaxed);
        }
    }
}

impl EncodeMetric for ConditionCounts {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), fmt::Error> {
        for (code, count) in ConditionCode::ALL.iter().zip(&self.0) {
            encoder
                .encode_family(&[("code", code.name())])?
                .encode_gauge(&count.load(Ordering::Relaxed))?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

/// The number of log lines that were lost since the start.
#[derive(Debug)]
pub struct LostLines;

impl EncodeMetric for LostLines {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), fmt::Error> {
        encoder.encode_counter::<NoLabelSet, _, u64>(&log::lost(), None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

/// The number of actors by kind and state, as of the last update.
#[derive(Debug, Default)]
pub struct ActorCounts(Mutex<Vec<(&'static str, &'static str, u64)>>);

impl ActorCounts {
    /// Updates the numbers.
    pub fn set(&self, counts: Vec<(&'static str, &'static str, u64)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = counts;
    }
}

impl EncodeMetric for ActorCounts {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), fmt::Error> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (kind, state, count) in counts.iter() {
            encoder
                .encode_family(&[("kind", *kind), ("state", *state)])?
                .encode_gauge(count)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}
