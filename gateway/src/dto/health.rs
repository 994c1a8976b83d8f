//! How the node is.

use std::collections::BTreeSet;

use florin_actors::bus::{BusState, Counted, Telemetry};
use florin_actors::runtime::Health;
use serde::Serialize;
use utoipa::ToSchema;

use crate::events::Waiting;

/// The process runs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Live)]
pub struct LiveBody {
    /// Always `ok`.
    #[schema(example = "ok")]
    pub status: &'static str,
}

/// Whether the node takes commands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Ready)]
pub struct ReadyBody {
    /// `ready`; anything else is a problem with status 503.
    #[schema(example = "ready")]
    pub status: &'static str,
}

/// How the node is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub struct HealthBody {
    /// `degraded` when something is wrong that an operator should look at.
    status: HealthStatus,
    /// The version of the executable.
    version: &'static str,
    /// The services that run in this process.
    #[schema(example = json!(["core", "card"]))]
    services: Vec<&'static str>,
    /// The journal.
    journal: JournalBody,
    /// What is derived from it.
    views: ViewsBody,
    /// What is durable and not yet published to Kafka.
    outbox: OutboxBody,
    /// What carries events.
    bus: BusBody,
    /// What consumers have yet to handle.
    lag: Vec<LagBody>,
    /// The disk under all.
    disk: DiskBody,
    /// The clock.
    clock: ClockHealthBody,
    /// Commands under way.
    commands_in_flight: u64,
}

/// The clock.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ClockHealth)]
pub struct ClockHealthBody {
    /// By how many seconds the machine's time of day leapt ahead of the time that is told; null
    /// while it is believed. An operator confirms it: `POST /admin/clock/confirm`.
    #[schema(required)]
    leapt_seconds: Option<i64>,
}

/// All right, or not quite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// All right.
    Ok,
    /// Something is wrong, but it still serves.
    Degraded,
}

/// The journal.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JournalHealth)]
pub struct JournalBody {
    /// The last durable record.
    durable_sequence: u64,
    /// The head of the hash chain, in hexadecimal; null before the first record.
    #[schema(required, pattern = "^[0-9a-f]{64}$")]
    head: Option<String>,
    /// Records decided but not durable.
    backlog_records: u64,
}

/// What is derived from the journal.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ViewsHealth)]
pub struct ViewsBody {
    /// The last record that they hold.
    position: u64,
    /// Records that they still have to read.
    lag_records: u64,
}

/// What is durable and not yet published to Kafka; nothing where Kafka is off. After a start, until
/// the brokers told how far it is, that is everything.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OutboxHealth)]
pub struct OutboxBody {
    /// Records.
    records: u64,
    /// The age of the first of them; 0 where there is none.
    oldest_age_seconds: f64,
}

/// What carries events.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BusHealth)]
pub struct BusBody {
    /// `embedded`, `connecting`, `connected`, `away` (it is tried again) or `halted` (an operator
    /// has to decide).
    #[schema(example = "embedded")]
    state: &'static str,
    /// Why it is away or halted; null otherwise.
    #[schema(required)]
    reason: Option<String>,
    /// The topics that are written and read.
    topics: Vec<String>,
}

/// What a consumer group has yet to handle of a partition.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LagHealth)]
pub struct LagBody {
    /// The topic.
    topic: String,
    /// The partition.
    partition: i32,
    /// The consumer group.
    group: String,
    /// Messages.
    messages: u64,
}

/// The disk.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DiskHealth)]
pub struct DiskBody {
    /// Free bytes where the journal lies; null when the disk doesn't tell.
    #[schema(required)]
    free_bytes: Option<u64>,
}

impl HealthBody {
    /// The node as it is, the chain's head, how events travel, and the services that run here.
    pub fn new(
        health: &Health,
        head: Option<[u8; 32]>,
        (telemetry, waiting): (&Telemetry, Waiting),
        services: Vec<&'static str>,
    ) -> Self {
        let state = telemetry.state();
        let fine = health.ready
            && !matches!(state, BusState::Away(_) | BusState::Halted(_))
            && health.views_running
            && !health.disk_low
            && health.clock_jump_micros.is_none();
        Self {
            status: if fine {
                HealthStatus::Ok
            } else {
                HealthStatus::Degraded
            },
            version: env!("CARGO_PKG_VERSION"),
            services,
            journal: JournalBody {
                durable_sequence: health.journal_durable,
                head: head.map(|link| blake3::Hash::from_bytes(link).to_hex().to_string()),
                backlog_records: health.journal_backlog,
            },
            views: ViewsBody {
                position: health.views_position,
                lag_records: health.views_lag,
            },
            outbox: OutboxBody {
                records: waiting.records,
                oldest_age_seconds: waiting.oldest_age_seconds,
            },
            bus: BusBody {
                state: state.name(),
                reason: state.reason().map(str::to_owned),
                topics: topics(telemetry),
            },
            lag: lag(telemetry),
            disk: DiskBody {
                free_bytes: health.disk_free_bytes,
            },
            clock: ClockHealthBody {
                leapt_seconds: health.clock_jump_micros.map(|micros| micros / 1_000_000),
            },
            commands_in_flight: health.in_flight,
        }
    }
}

fn topics(telemetry: &Telemetry) -> Vec<String> {
    let counts = telemetry.counts().into_iter();
    let topics: BTreeSet<String> = counts
        .map(|(counted, _)| match counted {
            Counted::Published { topic }
            | Counted::Consumed { topic, .. }
            | Counted::Failed { topic, .. }
            | Counted::Retried { topic, .. } => topic,
        })
        .collect();
    topics.into_iter().collect()
}

fn lag(telemetry: &Telemetry) -> Vec<LagBody> {
    let all = telemetry.lags().into_iter();
    all.map(|((topic, partition, group), messages)| LagBody {
        topic,
        partition,
        group,
        messages,
    })
    .collect()
}
