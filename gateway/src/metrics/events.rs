//! The measurements of events: read from the bus's own when they are shown.

use std::fmt;
use std::sync::Arc;

use florin_actors::bus::{Counted, LATENCY_BOUNDS, Telemetry};
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// Which of the bus's measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Counted by topic.
    Published,
    /// Counted by topic and group.
    Consumed,
    /// Counted by topic, group and reason.
    Failed,
    /// Counted by topic and group.
    Retried,
    /// By topic, partition and group.
    Lag,
    /// By topic.
    DeadLetters,
    /// Seconds.
    Latency,
}

impl Which {
    /// All of them, with the names and explanations that they are registered with.
    pub const ALL: [(Self, &str, &str); 7] = [
        (
            Self::Published,
            "florin_events_published",
            "Events published, by topic",
        ),
        (
            Self::Consumed,
            "florin_events_consumed",
            "Messages whose processing ended, well or not, by topic and consumer group",
        ),
        (
            Self::Failed,
            "florin_events_failed",
            "Messages that became dead letters, by topic, consumer group and reason",
        ),
        (
            Self::Retried,
            "florin_event_retries",
            "Further attempts at messages, by topic and consumer group",
        ),
        (
            Self::Lag,
            "florin_consumer_lag",
            "Messages of a partition that a consumer group has yet to handle",
        ),
        (
            Self::DeadLetters,
            "florin_dlq_messages",
            "Dead letters of a topic that wait for somebody",
        ),
        (
            Self::Latency,
            "florin_event_processing_latency",
            "Time from an event's record to the end of its processing",
        ),
    ];
}

/// One of the bus's measurements, as it is shown.
#[derive(Debug)]
pub struct OfBus {
    /// Where it is.
    pub telemetry: Arc<Telemetry>,
    /// Which it is.
    pub which: Which,
}

impl OfBus {
    fn count(&self, encoder: &mut MetricEncoder<'_>) -> Result<(), fmt::Error> {
        for (counted, count) in self.telemetry.counts() {
            let labels: Vec<(&str, &str)> = match (self.which, &counted) {
                (Which::Published, Counted::Published { topic }) => vec![("topic", topic)],
                (Which::Consumed, Counted::Consumed { topic, group })
                | (Which::Retried, Counted::Retried { topic, group }) => {
                    vec![("topic", topic), ("group", group)]
                }
                (
                    Which::Failed,
                    Counted::Failed {
                        topic,
                        group,
                        reason,
                    },
                ) => vec![("topic", topic), ("group", group), ("reason", reason)],
                _ => continue,
            };
            encoder
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        Ok(())
    }

    fn histogram(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let (counts, sum) = self.telemetry.latencies();
        let bounds = LATENCY_BOUNDS.into_iter().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let count = counts.iter().sum();
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }
}

impl EncodeMetric for OfBus {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        match self.which {
            Which::Latency => self.histogram(encoder),
            Which::Lag => {
                for ((topic, partition, group), messages) in self.telemetry.lags() {
                    let partition = partition.to_string();
                    let labels = [
                        ("topic", topic.as_str()),
                        ("partition", &partition),
                        ("group", &group),
                    ];
                    encoder.encode_family(&labels)?.encode_gauge(&messages)?;
                }
                Ok(())
            }
            Which::DeadLetters => {
                for (topic, messages) in self.telemetry.dead_letters() {
                    let labels = [("topic", topic.as_str())];
                    encoder.encode_family(&labels)?.encode_gauge(&messages)?;
                }
                Ok(())
            }
            _ => self.count(&mut encoder),
        }
    }

    fn metric_type(&self) -> MetricType {
        match self.which {
            Which::Lag | Which::DeadLetters => MetricType::Gauge,
            Which::Latency => MetricType::Histogram,
            _ => MetricType::Counter,
        }
    }
}
