//! All metrics of the process, and how they are shown at `/metrics`.

mod cells;
mod events;
mod format;
mod gauges;
mod lag;
mod pressure;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use florin_actors::bus::Telemetry;
use florin_actors::messages::{Code, CommandKind, Kind};
use florin_actors::runtime::{
    Answered, Clock as _, Core, Health, Observer, RestartReason, SystemClock,
};
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::{MetricType, gauge::Gauge};
use prometheus_client::registry::{Registry, Unit};
use warp::http::StatusCode;

use self::cells::{COUNTS, Counters, Histograms, SECONDS};
use self::events::{OfBus, Which};
use self::gauges::{ActorCounts, ConditionCounts, LostLines};
use self::lag::Lag;
use self::pressure::Counted;
use crate::http::ProblemCode;
use crate::node::Waiting;
pub use format::Format;
pub use pressure::Pressure;

/// The label of requests that match no route. Its row follows those of the routes.
const NO_ROUTE: &str = "none";
/// The label of values that are not known here.
const OTHER: &str = "other";
/// The outcome of a command that was not started before its deadline.
const NOT_BEGUN: &str = Code::DeadlineExceeded.name();
/// The reason of connections that were refused because of their limit. The other reasons are the
/// problems' own codes.
pub const CONNECTIONS: &str = "connections";

type Count = Gauge<u64, AtomicU64>;
type Measure = Gauge<f64, AtomicU64>;

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    http_requests: Arc<Counters>,
    http_seconds: Arc<Histograms>,
    /// The row of requests that match no route.
    no_route: usize,
    /// The column of `http_requests` for each status; the index is the status minus 100.
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
    conditions: Arc<ConditionCounts>,
    damaged_reads: Counter,
}

/// A metric that is registered and also shared with the code that counts.
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
    /// Creates all metrics, at zero. `routes` are the labels of the routes in the order of the
    /// table, and `statuses` those that a route can answer with. The metrics of events are read from
    /// `telemetry`.
    pub fn new(
        telemetry: &Arc<Telemetry>,
        mut routes: Vec<String>,
        statuses: &BTreeSet<u16>,
    ) -> Self {
        let no_route = routes.len();
        routes.push(NO_ROUTE.to_owned());
        let kinds = || CommandKind::ALL.map(CommandKind::name);
        let other = statuses.len();
        let status_columns = (100..600)
            .map(|status| statuses.iter().position(|known| *known == status))
            .map(|column| column.unwrap_or(other))
            .collect();
        let statuses = statuses.iter().map(u16::to_string);
        let statuses = statuses.chain([OTHER.to_owned()]);
        let outcomes = Answered::all().map(Answered::name);
        let reasons = ProblemCode::ALL
            .iter()
            .filter(|code| code.status().as_u16() == 503);
        let reasons = reasons.map(|code| code.name()).chain([CONNECTIONS, OTHER]);
        let entities = Kind::ALL.map(Kind::name);
        let faults = RestartReason::ALL.map(RestartReason::name);
        let mut metrics = Self {
            registry: Registry::default(),
            http_requests: Arc::new(Counters::new(("route", "status"), routes.clone(), statuses)),
            http_seconds: Arc::new(Histograms::new("route", SECONDS, routes)),
            no_route,
            status_columns,
            commands: Arc::new(Counters::new(("kind", "outcome"), kinds(), outcomes)),
            command_seconds: Arc::new(Histograms::new("kind", SECONDS, kinds())),
            commit_seconds: Arc::new(Histograms::new("", SECONDS, [""])),
            commit_records: Arc::new(Histograms::new("", COUNTS, [""])),
            shed: Arc::new(Counters::new(("", "reason"), [""], reasons)),
            restarts: Arc::new(Counters::new(("kind", "reason"), entities, faults)),
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
            conditions: Arc::default(),
            damaged_reads: Counter::default(),
        };
        metrics.register();
        metrics.register_events(telemetry);
        metrics
    }

    fn register(&mut self) {
        // The names are written without their units and without `_total`, because the encoder adds
        // them.
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
        let help = "Requests and connections refused before any work was started";
        all.register("florin_load_shed", help, shared(&self.shed));
        let help = "Actors restarted after a fault";
        all.register("florin_actor_restarts", help, shared(&self.restarts));
        let help = "Actors in memory, by kind and state";
        all.register("florin_actors", help, shared(&self.actors));
        let help = "Conditions that need an operator's attention, by code; 0 if there is none";
        all.register("florin_conditions", help, shared(&self.conditions));
        let help = "Reads that failed because the journal is damaged";
        let damaged = self.damaged_reads.clone();
        all.register("florin_journal_damaged_reads", help, damaged);
        let help = "Idempotency keys in the index";
        all.register("florin_idempotency_keys", help, self.keys.clone());
        let help = "Memory that the index of keys and operations uses";
        let memory = self.index_memory.clone();
        all.register_with_unit("florin_index_memory", help, Unit::Bytes, memory);
        let help = "Erasures of personal data not yet carried out on the disk";
        all.register("florin_erasures_pending", help, self.erasures.clone());
        let help = "Durable records that the views still have to read";
        all.register_with_unit("florin_view_lag", help, records(), self.view_lag.clone());
        let help = "Age of the oldest durable record that the views still have to read";
        let lag = self.view_lag_seconds.clone();
        all.register_with_unit("florin_view_lag", help, seconds(), lag);
        let help = "Lines of the log that could not be written, or not fast enough";
        all.register("florin_log_lines_lost", help, LostLines);
        let help = "Free space on the disk of the data directory";
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

    /// Counts a request that was answered. `route` is the index of its route in the table; `None`
    /// means no route.
    pub fn answered(&self, route: Option<usize>, status: StatusCode, seconds: f64) {
        let row = route.unwrap_or(self.no_route);
        let column = self.status_columns.get(usize::from(status.as_u16()) - 100);
        self.http_requests
            .count(row, column.copied().unwrap_or_default());
        self.http_seconds.observe(row, seconds);
    }

    /// Takes a sample of the lag of the views, and returns the node's health. The lag in seconds is
    /// more precise if samples are more frequent.
    pub fn sample(&self, core: &Core) -> Health {
        let health = core.health();
        let seconds = SystemClock.nanos() as f64 / 1e9;
        let lag = self
            .lag
            .look(seconds, health.journal_durable, health.views_position);
        self.view_lag_seconds.set(lag);
        health
    }

    /// Returns the counts of refused requests so far, the number of finished commands, and the
    /// number of commands in flight.
    pub fn pressure(&self, health: &Health) -> Counted {
        let kinds = 0..CommandKind::ALL.len();
        let outcomes = kinds.flat_map(|kind| self.commands.row(kind));
        let finished = outcomes.filter(|(outcome, _)| *outcome != NOT_BEGUN);
        Counted {
            shed: self
                .shed
                .row(0)
                .map(|(reason, count)| (reason.to_owned(), count))
                .collect(),
            finished: finished.map(|(_, count)| count).sum(),
            under_way: health.in_flight,
        }
    }

    /// Encodes all metrics in this format. It asks the core for the values that only the core has.
    pub async fn encode(&self, core: &Core, waiting: Waiting, format: Format) -> String {
        let health = self.sample(core);
        self.outbox.set(waiting.records);
        self.outbox_age.set(waiting.oldest_age_seconds);
        self.view_lag.set(health.views_lag);
        self.disk_free
            .set(health.disk_free_bytes.unwrap_or_default());
        self.index_memory.set(core.index_memory_bytes());
        self.erasures.set(core.erasures_pending() as u64);
        self.conditions.set(core.conditions());
        if let Ok(keys) = core.idempotency_keys().await {
            self.keys.set(keys);
        }
        if let Ok(counts) = core.actor_counts().await {
            self.actors.set(counts);
        }
        let mut page = String::new();
        // Writing to a String can't fail.
        let _ = text::encode(&mut page, &self.registry);
        match format {
            Format::OpenMetrics => page,
            Format::Text => format::to_text(&page),
        }
    }
}

impl Observer for Metrics {
    fn decided(&self, kind: CommandKind, answered: Answered, seconds: f64) {
        let row = kind as usize;
        if let Some(column) = self.commands.column(answered.name()) {
            self.commands.count(row, column);
        }
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

    fn restarted(&self, kind: Kind, reason: RestartReason) {
        let row = Kind::ALL.iter().position(|known| *known == kind);
        if let (Some(row), Some(column)) = (row, self.restarts.column(reason.name())) {
            self.restarts.count(row, column);
        }
    }

    fn damaged(&self) {
        self.damaged_reads.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use florin_actors::bus::BusState;

    const STATUSES: [u16; 6] = [101, 201, 202, 204, 404, 503];

    fn metrics() -> Metrics {
        let telemetry = Arc::new(Telemetry::new(BusState::Embedded));
        let statuses = STATUSES.into_iter().collect();
        Metrics::new(&telemetry, vec!["GET /health".to_owned()], &statuses)
    }

    fn page(metrics: &Metrics) -> String {
        let mut page = String::new();
        text::encode(&mut page, &metrics.registry).unwrap();
        page
    }

    #[test]
    fn every_kind_s_restarts_are_counted_under_its_name() {
        let metrics = metrics();
        for kind in Kind::ALL {
            metrics.restarted(kind, RestartReason::Panic);
        }
        let page = page(&metrics);
        for kind in Kind::ALL {
            let name = kind.name();
            let line = format!("florin_actor_restarts_total{{kind=\"{name}\",reason=\"panic\"}} 1");
            assert!(page.contains(&line), "{line} is not in {page}");
        }
    }

    #[test]
    fn every_outcome_is_counted_under_its_name() {
        let metrics = metrics();
        for answered in Answered::all() {
            metrics.decided(CommandKind::Deposit, answered, 0.0);
        }
        let page = page(&metrics);
        for answered in Answered::all() {
            let name = answered.name();
            let line = format!("{{kind=\"deposit\",outcome=\"{name}\"}} 1");
            assert!(page.contains(&line), "{line} is not in {page}");
        }
    }

    #[test]
    fn every_status_of_a_route_is_counted_by_its_number() {
        let metrics = metrics();
        for status in STATUSES {
            metrics.answered(Some(0), StatusCode::from_u16(status).unwrap(), 0.0);
        }
        let page = page(&metrics);
        for status in STATUSES {
            assert!(
                page.contains(&format!("status=\"{status}\"}} 1")),
                "{status}: {page}"
            );
        }
        assert!(!page.contains("status=\"other\""), "{page}");
    }
}
