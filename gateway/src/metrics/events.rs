//! The metrics of events. They are read from the bus's measurements when the metrics page is made.

use std::fmt;
use std::sync::Arc;

use florin_actors::bus::{Counted, LATENCY_BOUNDS, Telemetry};
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// A metric that is read from the bus's measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// A counter by topic.
    Published,
    /// A counter by topic and group.
    Consumed,
    /// A counter by topic, group and reason.
    Failed,
    /// A counter by topic and group.
    Retried,
    /// A counter by topic and group.
    Lost,
    /// A gauge by topic, partition and group.
    Lag,
    /// A gauge by topic.
    DeadLetters,
    /// A histogram of seconds.
    Latency,
}

impl Which {
    /// All metrics, with the names and explanations that they are registered with.
    pub const ALL: [(Self, &str, &str); 8] = [
        (
            Self::Published,
            "florin_events_published",
            "Events published, by topic",
        ),
        (
            Self::Consumed,
            "florin_events_consumed",
            "Messages whose processing has ended, successfully or not, by topic and consumer group",
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
            Self::Lost,
            "florin_consumer_lost_offsets",
            "Offsets that were removed before a consumer group read them",
        ),
        (
            Self::Lag,
            "florin_consumer_lag",
            "Messages of a partition that a consumer group has not handled yet",
        ),
        (
            Self::DeadLetters,
            "florin_dlq_messages",
            "Dead letters of a topic that wait for an operator",
        ),
        (
            Self::Latency,
            "florin_event_processing_latency",
            "Time from an event's record to the end of its processing",
        ),
    ];
}

/// A metric of the bus, as it is registered.
#[derive(Debug)]
pub struct OfBus {
    /// The measurements of the bus.
    pub telemetry: Arc<Telemetry>,
    /// The metric that is read from them.
    pub which: Which,
}

impl OfBus {
    fn count(&self, encoder: &mut MetricEncoder<'_>) -> Result<(), fmt::Error> {
        for (counted, count) in self.telemetry.counts() {
            let (which, labels): (Which, Vec<(&str, &str)>) = match &counted {
                Counted::Published { topic } => (Which::Published, vec![("topic", topic)]),
                Counted::Consumed { topic, group } => {
                    (Which::Consumed, vec![("topic", topic), ("group", group)])
                }
                Counted::Retried { topic, group } => {
                    (Which::Retried, vec![("topic", topic), ("group", group)])
                }
                Counted::Lost { topic, group } => {
                    (Which::Lost, vec![("topic", topic), ("group", group)])
                }
                Counted::Failed {
                    topic,
                    group,
                    reason,
                } => (
                    Which::Failed,
                    vec![("topic", topic), ("group", group), ("reason", reason)],
                ),
            };
            if which != self.which {
                continue;
            }
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
            Which::Published | Which::Consumed | Which::Failed | Which::Retried | Which::Lost => {
                self.count(&mut encoder)
            }
        }
    }

    fn metric_type(&self) -> MetricType {
        match self.which {
            Which::Lag | Which::DeadLetters => MetricType::Gauge,
            Which::Latency => MetricType::Histogram,
            Which::Published | Which::Consumed | Which::Failed | Which::Retried | Which::Lost => {
                MetricType::Counter
            }
        }
    }
}
