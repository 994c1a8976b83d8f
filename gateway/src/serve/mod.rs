//! `florin serve`: starts a node and its server from the settings, and stops them.

mod beside;
mod buses;

use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor as _, Addr};
use florin_actors::bus::{BusState, DeadLetters, EmbeddedBus, Telemetry};
use florin_actors::kafka::{self as kafka_bridge, Bridge, Intake};
use florin_actors::runtime::{Node, Permits};
use florin_actors::upkeep::{Ends, Upkeep};
use florin_config::{ConfigError, LogFormat, Settings, printable};
use florin_storage::threads::{Spawner, ThreadName, reason_of};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::beside::{beside, no_threads};
use self::buses::{bridge, embedded_bus, intake, replays};
use crate::api::{self, ROUTES};
use crate::log;
use crate::metrics::Metrics;
use crate::node::{self, Backups, EventLog, Events, Services, kafka};
use crate::process::{OpenDisk, RunError, Seams, Start, Stop};
use crate::routing::{Gateway, Limits, StopSignal};
use crate::server::{Bounds, Server, Serving, descriptors};

/// The longest time that answers in progress may take after the journal failed.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// The longest time that the open transaction of events may take when the server stops.
const LAST_EVENTS: Duration = Duration::from_secs(3);
/// The longest time that messages in progress and the commit of their offsets may take when the
/// server stops.
const LAST_MESSAGES: Duration = Duration::from_secs(3);
/// The fraction of a stop's time limit that is kept for the journal and the views: one in this
/// many.
const NODE_SHARE: u32 = 3;

/// Serves until the process is asked to stop.
///
/// # Errors
/// Returns the reason why the server can't start, or why it ended without being asked to.
pub fn run(
    settings: &Settings,
    open_disk: impl OpenDisk,
    seams: Seams,
    upkeep: Upkeep,
    ends: Ends,
) -> Result<(), RunError> {
    if let Some(limit) = descriptors::too_low() {
        let needed = descriptors::NEEDED;
        return Err(RunError::Descriptors { limit, needed });
    }
    let (limits, services) = check(settings)?;
    for warning in settings.warnings() {
        tracing::warn!("{warning}");
    }
    let beside = beside()?;
    let own = Builder::new_current_thread().enable_all().build();
    let own = own.map_err(no_threads)?;
    let system = actix_rt::System::with_tokio_rt(move || own);
    let serving = serve(
        settings, open_disk, seams, limits, services, &beside, upkeep, ends,
    );
    let ended = catch_unwind(AssertUnwindSafe(|| system.block_on(serving)));
    // Tasks that still run there read for callers that are gone.
    beside.shutdown_background();
    ended.unwrap_or_else(|panic| {
        Err(RunError::Thread {
            thread: ThreadName::Ledger,
            reason: reason_of(panic.as_ref()),
        })
    })
}

/// Makes every check of a start that depends on the settings alone. `florin config` makes the same
/// checks.
///
/// # Errors
/// Returns an error if a setting is not valid for the code that uses it.
pub fn check(settings: &Settings) -> Result<(Limits, Services), ConfigError> {
    let limits = Limits::new(settings)?;
    // The journal's id, from which the default transactional id is made, is not known yet.
    kafka::options(settings, "")?;
    Ok((limits, Services::new(settings)?))
}

#[expect(
    clippy::too_many_arguments,
    reason = "it is called once, with everything that a start needs"
)]
async fn serve(
    settings: &Settings,
    open_disk: impl OpenDisk,
    seams: Seams,
    limits: Limits,
    mut services: Services,
    beside: &Runtime,
    upkeep: Upkeep,
    mut ends: Ends,
) -> Result<(), RunError> {
    let directory = settings.server.data_dir.display().to_string();
    let address = SocketAddr::new(settings.server.host, settings.server.port);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let listen = |source| RunError::Listen { address, source };
    let server = Server::bind(address, Bounds::new(settings, cores)).map_err(listen)?;
    let address = server.address().map_err(listen)?;
    let mut told_to_stop = Stop::listen()?;
    let start = Start::watched(beside)?;
    let telemetry = Arc::new(Telemetry::new(if kafka::is_on(settings) {
        BusState::Connecting
    } else {
        BusState::Embedded
    }));
    let metrics = Arc::new(metrics(&telemetry));
    let disk = open_disk(settings).map_err(|source| RunError::Data {
        directory: directory.clone(),
        source,
    })?;
    let own_disk = Arc::clone(&disk);
    let observer = Arc::clone(&metrics);
    let assets = limits.assets.clone();
    let handle = beside.handle().clone();
    let options = node::options(
        settings,
        assets.clone(),
        disk,
        observer,
        (seams, upkeep),
        handle,
    )
    .map_err(|error| RunError::System {
        what: "randomness",
        source: io::Error::other(error),
    })?;
    tracing::info!(data_dir = directory, "the data directory is opened");
    let node = Node::start(options).map_err(|source| RunError::Start {
        directory: directory.clone(),
        source,
    })?;
    if !start.done() {
        return Ok(());
    }
    let consumers = services.start(settings, &own_disk, node.core(), &assets)?;
    let bridge = bridge(settings, &own_disk, &node, &telemetry)?;
    let replays = replays(settings, &node)?;
    let bindings = kafka::bindings(settings)?;
    let event_log = EventLog::new(node.outbox(), Arc::clone(&telemetry), bindings);
    let events = Arc::new(Events::new(telemetry, node.outbox()));
    let shared = events.shared_telemetry();
    let (bus, intake) = if kafka::is_on(settings) {
        let runtime = beside.handle();
        let intake = intake(settings, &node, shared, runtime, consumers)?;
        (None, Some(intake))
    } else {
        let bus = embedded_bus(settings, &own_disk, &node, shared, consumers)?;
        (Some(bus), None)
    };
    let dead_letters: Option<Arc<dyn DeadLetters>> = match (&intake, &bus) {
        (Some(intake), _) => Some(Arc::new(intake.dead_letters())),
        (None, Some(bus)) => Some(bus.dead_letters()),
        (None, None) => None,
    };
    let intake = intake.map(Intake::start);
    let gateway = Arc::new(Gateway {
        core: node.core().clone(),
        bodies: Permits::new(limits.batches_bytes_max),
        limits,
        metrics,
        events,
        event_log,
        replays,
        pages: api::pages(),
        services,
        backups: Backups::new(settings),
        dead_letters,
        beside: beside.handle().clone(),
        stop_signal: StopSignal::default(),
    });
    beside.spawn(Arc::clone(&gateway).sample());
    let mut serving = server.start(Arc::clone(&gateway)).map_err(no_threads)?;
    greet(
        settings,
        address,
        &directory,
        &gateway.core.upkeep().spawner,
    );
    let ended = tokio::select! {
        biased;
        failure = node.failed() => Err(RunError::Journal(failure)),
        halt = bridge.halted => Err(RunError::Events(halt)),
        end = ends.first() => Err(match end.thread {
            // Callers don't learn the outcome of commands in flight, as after a failed disk.
            ThreadName::Journal | ThreadName::Checkpoints => {
                RunError::Journal(node.failed().await)
            }
            thread => RunError::Thread { thread, reason: end.reason },
        }),
        reason = serving.failed() => Err(RunError::Thread { thread: ThreadName::Ledger, reason }),
        () = told_to_stop.told() => Ok(()),
    };
    match ended {
        Err(RunError::Journal(reason)) => {
            serving.stop(LAST_ANSWERS).await;
            Err(RunError::Journal(reason))
        }
        // The journal works, so accepted commands are finished.
        ended => {
            let replaying = Arc::clone(&gateway);
            let replays = beside.spawn_blocking(move || replaying.replays.end());
            let travelling = (bridge.address, intake, bus, replays);
            stop(settings, serving, node, travelling).await?;
            ended
        }
    }
}

/// The parts that carry events and messages and have to be stopped.
type Travelling = (
    Option<Addr<Bridge>>,
    Option<Addr<Intake>>,
    Option<EmbeddedBus>,
    JoinHandle<()>,
);

async fn stop(
    settings: &Settings,
    serving: Serving,
    node: Node,
    (bridge, intake, bus, replays): Travelling,
) -> Result<(), RunError> {
    let limit = Duration::from_secs(settings.server.shutdown_seconds_max);
    let deadline = Instant::now() + limit - limit / 20;
    tracing::info!("stopping: accepted work is being completed");
    node.drain();
    let taken = intake.map(|intake| {
        let (stopped, told) = oneshot::channel();
        intake.do_send(kafka_bridge::Stop(stopped));
        told
    });
    serving.stop(limit - limit / NODE_SHARE).await;
    if let Some(taken) = taken {
        // Messages that are not committed are delivered again after the next start, and have no
        // second effect.
        let _ = tokio::time::timeout(LAST_MESSAGES, taken).await;
    }
    if let Some(bus) = bus {
        bus.stop();
        // The bus bounds this time itself.
        bus.stopped().await;
    }
    if let Some(bridge) = bridge {
        let (stopped, told) = oneshot::channel();
        bridge.do_send(kafka_bridge::Stop(stopped));
        // If the brokers don't end the open transaction in time, the next start aborts it.
        let _ = tokio::time::timeout(LAST_EVENTS, told).await;
    }
    // A replay that is not finished continues at the next start.
    let _ = tokio::time::timeout(LAST_EVENTS, replays).await;
    match tokio::time::timeout_at(deadline, node.shutdown()).await {
        Ok(Ok(())) => tracing::info!("stopped"),
        Ok(Err(error)) => return Err(RunError::Journal(error.to_string())),
        // Every acknowledged change is durable, and the next start recovers.
        Err(_) => tracing::warn!("stopped before the views were written"),
    }
    Ok(())
}

/// Creates the metrics of all routes.
fn metrics(telemetry: &Arc<Telemetry>) -> Metrics {
    let labels = ROUTES.all().iter().map(|route| route.label());
    Metrics::new(telemetry, labels.collect(), &ROUTES.statuses())
}

/// Tells the user where the server listens, where its data is, and which request to try first.
fn greet(settings: &Settings, address: SocketAddr, directory: &str, spawner: &Spawner) {
    let directory = std::path::absolute(directory)
        .map_or(directory.to_owned(), |path| path.display().to_string());
    if settings.log.format == LogFormat::Json {
        tracing::info!(%address, data_dir = directory, "listening");
        return;
    }
    let greeting = format!(
        "Florin listens on http://{address}, its data is in {}\n\
         Try out every request at http://{address}/docs\n\
         Open a first account:\n\n  \
         curl -s http://{address}/accounts -H 'Content-Type: application/json' \
         -d '{{\"holder_name\":\"Ada Lovelace\",\"country_code\":\"GB\"}}'\n\n",
        printable(&directory),
    );
    log::output(greeting, spawner);
}
