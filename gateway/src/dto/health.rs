//! How the node is.

use florin_actors::runtime::Health;
use serde::Serialize;
use utoipa::ToSchema;

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
    /// The disk under both.
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

/// The disk.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DiskHealth)]
pub struct DiskBody {
    /// Free bytes where the journal lies; null when the disk doesn't tell.
    #[schema(required)]
    free_bytes: Option<u64>,
}

impl HealthBody {
    /// The node as it is, and the chain's head.
    pub fn new(health: &Health, head: Option<[u8; 32]>, services: Vec<&'static str>) -> Self {
        let fine = health.ready
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
