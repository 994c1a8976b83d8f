//! The health of the node.

use std::collections::BTreeSet;

use florin_actors::bus::{BusState, Counted, Telemetry};
use florin_actors::conditions::Conditions;
use florin_actors::runtime::Health;
use serde::Serialize;
use utoipa::ToSchema;

use crate::node::Waiting;

/// The process is running.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Live)]
pub struct LiveBody {
    /// Always `ok`.
    #[schema(example = "ok")]
    pub status: &'static str,
}

/// The node accepts commands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Ready)]
pub struct ReadyBody {
    /// Always `ready`. A node that is not ready answers with a problem and status 503.
    #[schema(example = "ready")]
    pub status: &'static str,
}

/// The state of the node.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub struct HealthBody {
    /// `degraded` if something is wrong that an operator should look at, otherwise `ok`.
    status: HealthStatus,
    /// Everything that is wrong with the node; empty while `status` is `ok`.
    reasons: Vec<ReasonBody>,
    /// The version of the executable.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// The services that run in this process.
    #[schema(example = json!(["core", "card"]))]
    services: Vec<&'static str>,
    /// The state of the journal.
    journal: JournalBody,
    /// The state of the views, which are derived from the journal.
    views: ViewsBody,
    /// The records that are durable and not yet published to Kafka.
    outbox: OutboxBody,
    /// The state of the bus that carries events.
    bus: BusBody,
    /// The lag of each consumer group, by partition.
    lag: Vec<LagBody>,
    /// The disk that holds the journal.
    disk: DiskBody,
    /// The state of the clock.
    clock: ClockHealthBody,
    /// The number of commands in flight.
    commands_in_flight: u64,
}

/// One reason why the node is not healthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = HealthReason)]
pub struct ReasonBody {
    /// A stable code, such as `disk_low`.
    #[schema(example = "disk_low")]
    pub code: &'static str,
    /// The subject of the reason, such as a topic or a thread; null if the code says it all.
    #[schema(required, example = "account-events")]
    pub subject: Option<String>,
    /// A sentence for an operator.
    #[schema(example = "the disk has less free space than disk.free_bytes_min")]
    pub detail: String,
    /// True if all commands are refused for this reason. In this case `/health/ready` answers 503.
    pub stops_commands: bool,
}

/// The state of the clock.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ClockHealth)]
pub struct ClockHealthBody {
    /// The number of seconds by which the machine's clock has jumped ahead of the time that the
    /// node uses; null if there is no jump. An operator confirms a jump with
    /// `POST /admin/clock/confirm`.
    #[schema(required)]
    leapt_seconds: Option<i64>,
}

/// The health of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Nothing is wrong.
    Ok,
    /// Something is wrong, but the node still serves requests.
    Degraded,
}

/// The state of the journal.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JournalHealth)]
pub struct JournalBody {
    /// The sequence of the last durable record.
    durable_sequence: u64,
    /// The head of the hash chain, in hexadecimal; null before the first record.
    #[schema(
        required,
        pattern = "^[0-9a-f]{64}$",
        example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    )]
    head: Option<String>,
    /// The number of records that are decided and not yet durable.
    backlog_records: u64,
}

/// The state of the views.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ViewsHealth)]
pub struct ViewsBody {
    /// The sequence of the last record that the views have read.
    position: u64,
    /// The number of durable records that the views have not read yet.
    lag_records: u64,
}

/// The records that are durable and not yet published to Kafka. Without Kafka there are none. After
/// a start, all records count until the brokers have reported the published position.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OutboxHealth)]
pub struct OutboxBody {
    /// The number of these records.
    records: u64,
    /// The age in seconds of the oldest of these records; 0 if there is none.
    oldest_age_seconds: f64,
}

/// The state of the bus that carries events.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BusHealth)]
pub struct BusBody {
    /// The state: `embedded`, `connecting`, `connected`, `away` (the connection is retried) or
    /// `halted` (an operator has to decide).
    #[schema(example = "embedded")]
    state: &'static str,
    /// The reason why the bus is away or halted; null otherwise.
    #[schema(required, example = "the brokers do not answer")]
    reason: Option<String>,
    /// The topics that this process writes to or reads from.
    topics: Vec<String>,
}

/// The lag of a consumer group in a partition.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LagHealth)]
pub struct LagBody {
    /// The topic.
    #[schema(example = "deposit-requests")]
    topic: String,
    /// The partition.
    partition: i32,
    /// The name of the consumer group.
    #[schema(example = "ledger-service")]
    group: String,
    /// The number of messages that the group has not handled yet.
    messages: u64,
}

/// The disk that holds the journal.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DiskHealth)]
pub struct DiskBody {
    /// The free space in bytes; null if the system does not report it.
    #[schema(required)]
    free_bytes: Option<u64>,
}

impl HealthBody {
    /// Creates the body from the node's health, the head of the hash chain, the state of the bus
    /// with its waiting records, the services that run here, and the reasons.
    pub fn new(
        health: &Health,
        head: Option<[u8; 32]>,
        (telemetry, waiting): (&Telemetry, Waiting),
        services: Vec<&'static str>,
        reasons: Vec<ReasonBody>,
    ) -> Self {
        let state = telemetry.state();
        Self {
            status: if reasons.is_empty() {
                HealthStatus::Ok
            } else {
                HealthStatus::Degraded
            },
            reasons,
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

/// Returns everything that is wrong with the node: what its measurements show, and its lasting
/// conditions.
pub fn reasons(health: &Health, state: &BusState, conditions: &Conditions) -> Vec<ReasonBody> {
    let mut reasons = Vec::new();
    let mut add = |holds: bool, code, stops_commands, detail: String| {
        if holds {
            reasons.push(ReasonBody {
                code,
                subject: None,
                detail,
                stops_commands,
            });
        }
    };
    let stopping = "the server is shutting down and takes no new commands".to_owned();
    add(!health.ready, "shutting_down", true, stopping);
    let disk = "the disk has less free space than disk.free_bytes_min".to_owned();
    add(health.disk_low, "disk_low", true, disk);
    let behind = format!(
        "the views are {} records behind, more than views.lag_records_max: commands are refused until \
         they have caught up",
        health.views_lag
    );
    add(health.views_behind, "view_behind", true, behind);
    let views = "the views have stopped; lists and histories no longer advance; it is tried again"
        .to_owned();
    add(!health.views_running, "views_stopped", false, views);
    let clock = "the machine's clock jumped ahead; POST /admin/clock/confirm accepts it".to_owned();
    add(
        health.clock_jump_micros.is_some(),
        "clock_jump",
        false,
        clock,
    );
    let (away, halted) = match state {
        BusState::Away(_) => (true, false),
        BusState::Halted(_) => (false, true),
        BusState::Embedded | BusState::Connecting | BusState::Connected => (false, false),
    };
    let bus = state.reason().unwrap_or_default();
    let detail = format!("events wait to be published to Kafka: {bus}");
    add(away, "bus_away", false, detail);
    let detail = format!("publishing has stopped until an operator decides: {bus}");
    add(halted, "bus_halted", false, detail);
    let conditions = conditions.lasting().into_iter();
    reasons.extend(conditions.map(|condition| ReasonBody {
        code: condition.code.name(),
        subject: Some(condition.subject).filter(|subject| !subject.is_empty()),
        detail: condition.detail,
        stops_commands: condition.code.stops_commands(),
    }));
    reasons
}

fn topics(telemetry: &Telemetry) -> Vec<String> {
    let counts = telemetry.counts().into_iter();
    let topics: BTreeSet<String> = counts
        .map(|(counted, _)| match counted {
            Counted::Published { topic }
            | Counted::Consumed { topic, .. }
            | Counted::Failed { topic, .. }
            | Counted::Retried { topic, .. }
            | Counted::Lost { topic, .. } => topic,
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
