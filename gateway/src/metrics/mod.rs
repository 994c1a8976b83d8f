//! All measurements of the process, and how they are shown at `/metrics`.

mod cells;
mod events;
mod lag;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use florin_actors::bus::Telemetry;
use florin_actors::messages::{Code, CommandKind};
use florin_actors::runtime::{Clock as _, Core, Health, Observer, SystemClock};
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, text};
use prometheus_client::metrics::{MetricType, gauge::Gauge};
use prometheus_client::registry::{Registry, Unit};
use warp::http::StatusCode;

use crate::codes::ProblemCode;
use crate::endpoints::ENDPOINTS;
use crate::events::Waiting;
use cells::{COUNTS, Counters, Histograms, SECONDS};
use events::{OfBus, Which};
use lag::Lag;

/// The label of requests that no route takes; its place follows those of the routes.
const NO_ROUTE: &str = "none";
/// The label of what the core may say that isn't known here.
const OTHER: &str = "other";
/// Why requests are turned away beside the problems' own codes.
pub const CONNECTIONS: &str = "connections";

type Count = Gauge<u64, AtomicU64>;
type Measure = Gauge<f64, AtomicU64>;

/// All measurements.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    http_requests: Arc<Counters>,
    http_seconds: Arc<Histograms>,
    /// By status − 100: the column of `http_requests`.
    status_columns: Vec<usize>,
    commands: Arc<Counters>,
    command_seconds: Arc<Histograms>,
    commit_seconds: Arc<Histograms>,
    commit_records: Arc<Histograms>,
    batch_seconds: Arc<Histograms>,
    batch_items: Arc<Histograms>,
    erasures: Count,
    shed: Arc<Counters>,
    restarts: Arc<Counters>,
    view_lag: Count,
    view_lag_seconds: Measure,
    lag: Lag,
    keys: Count,
    index_memory: Count,
    disk_free: Count,
    outbox: Count,
    outbox_age: Measure,
    actors: Arc<ActorCounts>,
}

/// Registers a metric that is shared with whoever counts.
#[derive(Debug)]
struct Shared<T>(Arc<T>);

impl<T: EncodeMetric> EncodeMetric for Shared<T> {
    fn encode(&self, encoder: MetricEncoder) -> Result<(), fmt::Error> {
        self.0.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        self.0.metric_type()
    }
}

fn shared<T: EncodeMetric>(metric: &Arc<T>) -> Shared<T> {
    Shared(Arc::clone(metric))
}

impl Metrics {
    /// All of them, at zero; those of events are `telemetry`'s.
    pub fn new(telemetry: &Arc<Telemetry>) -> Self {
        let routes = || {
            ENDPOINTS
                .iter()
                .map(label)
                .chain([NO_ROUTE])
                .collect::<Vec<_>>()
        };
        let kinds = || {
            CommandKind::ALL
                .iter()
                .map(|kind| kind.name())
                .collect::<Vec<_>>()
        };
        let statuses = statuses();
        let status_columns = (100..600_u16)
            .map(|status| {
                statuses
                    .iter()
                    .position(|known| **known == *status.to_string())
            })
            .map(|column| column.unwrap_or(statuses.len() - 1))
            .collect();
        let codes = Code::ALL.iter().map(|code| code.name());
        let outcomes = ["completed", "replayed", "timed_out"]
            .into_iter()
            .chain(codes)
            .chain([OTHER]);
        let reasons = ProblemCode::ALL
            .iter()
            .filter(|code| code.status().as_u16() == 503);
        let reasons = reasons.map(|code| code.name()).chain([CONNECTIONS, OTHER]);
        let faults = vec!["panic", "replay", OTHER];
        let mut metrics = Self {
            registry: Registry::default(),
            http_requests: Arc::new(Counters::new(("route", "status"), routes(), statuses)),
            http_seconds: Arc::new(Histograms::new("route", SECONDS, routes())),
            status_columns,
            commands: Arc::new(Counters::new(
                ("kind", "outcome"),
                kinds(),
                outcomes.collect(),
            )),
            command_seconds: Arc::new(Histograms::new("kind", SECONDS, kinds())),
            commit_seconds: Arc::new(Histograms::new("", SECONDS, vec![""])),
            commit_records: Arc::new(Histograms::new("", COUNTS, vec![""])),
            shed: Arc::new(Counters::new(("", "reason"), vec![""], reasons.collect())),
            restarts: Arc::new(Counters::new(
                ("kind", "reason"),
                vec!["account", OTHER],
                faults,
            )),
            batch_seconds: Arc::new(Histograms::new("kind", SECONDS, kinds())),
            batch_items: Arc::new(Histograms::new("kind", COUNTS, kinds())),
            erasures: Count::default(),
            view_lag: Count::default(),
            view_lag_seconds: Measure::default(),
            lag: Lag::default(),
            keys: Count::default(),
            index_memory: Count::default(),
            disk_free: Count::default(),
            outbox: Count::default(),
            outbox_age: Measure::default(),
            actors: Arc::default(),
        };
        metrics.register();
        metrics.register_events(telemetry);
        metrics
    }

    fn register(&mut self) {
        // Names are written without their units and without `_total`: the encoder adds them.
        let (seconds, records) = (|| Unit::Seconds, || Unit::Other("records".to_owned()));
        let all = &mut self.registry;
        let help = "Requests answered, by route and status";
        all.register("florin_http_requests", help, shared(&self.http_requests));
        let help = "Time from a request's head to its answer";
        all.register_with_unit(
            "florin_http_request",
            help,
            seconds(),
            shared(&self.http_seconds),
        );
        let help = "Commands answered, by kind and outcome";
        all.register("florin_commands", help, shared(&self.commands));
        let help = "Time from a command's admission to its durable outcome";
        let latency = shared(&self.command_seconds);
        all.register_with_unit("florin_command_latency", help, seconds(), latency);
        let help = "Time of one commit of the journal";
        let commit = shared(&self.commit_seconds);
        all.register_with_unit("florin_journal_commit", help, seconds(), commit);
        let help = "Records made durable by one commit";
        let commit = shared(&self.commit_records);
        all.register_with_unit("florin_journal_commit", help, records(), commit);
        let help = "Time of one turn that decides a batch or a transaction";
        let batch = shared(&self.batch_seconds);
        all.register_with_unit("florin_batch_turn", help, seconds(), batch);
        let help = "Transfers of a batch, or legs of a transaction, decided in one turn";
        let (items, batch) = (Unit::Other("items".to_owned()), shared(&self.batch_items));
        all.register_with_unit("florin_batch_turn", help, items, batch);
        let help = "Requests and connections turned away before anything was begun";
        all.register("florin_load_shed", help, shared(&self.shed));
        let help = "Actors started anew after a fault";
        all.register("florin_actor_restarts", help, shared(&self.restarts));
        let help = "Actors in memory, by kind and state";
        all.register("florin_actors", help, shared(&self.actors));
        let help = "Idempotency keys in the index";
        all.register("florin_idempotency_keys", help, self.keys.clone());
        let help = "Memory that the index of keys and operations takes";
        let memory = self.index_memory.clone();
        all.register_with_unit("florin_index_memory", help, Unit::Bytes, memory);
        let help = "Erasures of personal data not yet carried out on the disk";
        all.register("florin_erasures_pending", help, self.erasures.clone());
        let help = "Durable records that the views still have to read";
        all.register_with_unit("florin_view_lag", help, records(), self.view_lag.clone());
        let help = "Age of the oldest durable record that the views still have to read";
        let lag = self.view_lag_seconds.clone();
        all.register_with_unit("florin_view_lag", help, seconds(), lag);
        let help = "Free space where the data lies";
        let free = self.disk_free.clone();
        all.register_with_unit("florin_disk_free", help, Unit::Bytes, free);
    }

    fn register_events(&mut self, telemetry: &Arc<Telemetry>) {
        let all = &mut self.registry;
        let help = "Records that are durable and not yet published";
        all.register("florin_outbox_queue_size", help, self.outbox.clone());
        let help = "Age of the oldest record that is not yet published";
        let age = self.outbox_age.clone();
        all.register_with_unit("florin_outbox_oldest_age", help, Unit::Seconds, age);
        for (which, name, help) in Which::ALL {
            let telemetry = Arc::clone(telemetry);
            let metric = OfBus { telemetry, which };
            if which == Which::Latency {
                all.register_with_unit(name, help, Unit::Seconds, metric);
            } else {
                all.register(name, help, metric);
            }
        }
    }

    /// A request was answered; `route` is its place in the table, `None` for no route.
    pub fn answered(&self, route: Option<usize>, status: StatusCode, seconds: f64) {
        let row = route.unwrap_or(ENDPOINTS.len());
        let column = self.status_columns.get(usize::from(status.as_u16()) - 100);
        self.http_requests
            .count(row, column.copied().unwrap_or_default());
        self.http_seconds.observe(row, seconds);
    }

    /// Looks at how far the views are behind; the finer its rhythm, the truer the lag's seconds.
    pub fn sample(&self, core: &Core) -> Health {
        let health = core.health();
        let seconds = SystemClock.nanos() as f64 / 1e9;
        let lag = self
            .lag
            .look(seconds, health.journal_durable, health.views_position);
        self.view_lag_seconds.set(lag);
        health
    }

    /// All measurements in the text format of OpenMetrics; asks the core for those it holds.
    pub async fn encode(&self, core: &Core, waiting: Waiting) -> String {
        let health = self.sample(core);
        self.outbox.set(waiting.records);
        self.outbox_age.set(waiting.oldest_age_seconds);
        self.view_lag.set(health.views_lag);
        self.disk_free
            .set(health.disk_free_bytes.unwrap_or_default());
        self.index_memory.set(core.index_memory_bytes());
        self.erasures.set(core.erasures_pending() as u64);
        if let Ok(keys) = core.idempotency_keys().await {
            self.keys.set(keys);
        }
        if let Ok(counts) = core.actor_counts().await {
            self.actors.set(counts);
        }
        let mut page = String::new();
        // Writing to a String can't fail.
        let _ = text::encode(&mut page, &self.registry);
        page
    }
}

/// The routes' label: method and path.
fn label(endpoint: &crate::endpoints::Endpoint) -> &'static str {
    endpoint.label
}

/// Every status that is ever answered, as text; the last one is for anything else.
fn statuses() -> Vec<&'static str> {
    let mut statuses = vec![
        "200", "201", "400", "404", "405", "409", "412", "413", "415", "422",
    ];
    statuses.extend(["500", "503", "504", OTHER]);
    statuses
}

impl Observer for Metrics {
    fn decided(&self, kind: CommandKind, outcome: &'static str, seconds: f64) {
        let row = kind as usize;
        let column = self
            .commands
            .column(outcome)
            .or_else(|| self.commands.column(OTHER));
        self.commands.count(row, column.unwrap_or_default());
        self.command_seconds.observe(row, seconds);
    }

    fn committed(&self, records: usize, _bytes: usize, seconds: f64) {
        self.commit_seconds.observe(0, seconds);
        self.commit_records.observe(0, records as f64);
    }

    fn batched(&self, kind: CommandKind, items: usize, seconds: f64) {
        self.batch_seconds.observe(kind as usize, seconds);
        self.batch_items.observe(kind as usize, items as f64);
    }

    fn shed(&self, reason: &'static str) {
        let column = self.shed.column(reason).or_else(|| self.shed.column(OTHER));
        self.shed.count(0, column.unwrap_or_default());
    }

    fn restarted(&self, kind: &'static str, reason: &'static str) {
        let column = self
            .restarts
            .column(reason)
            .or_else(|| self.restarts.column(OTHER));
        self.restarts
            .count(usize::from(kind != "account"), column.unwrap_or_default());
    }
}

/// How many actors there are, as last asked.
#[derive(Debug, Default)]
struct ActorCounts(std::sync::Mutex<Vec<(&'static str, &'static str, u64)>>);

impl ActorCounts {
    fn set(&self, counts: Vec<(&'static str, &'static str, u64)>) {
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = counts;
    }
}

impl EncodeMetric for ActorCounts {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), fmt::Error> {
        let counts = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
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
