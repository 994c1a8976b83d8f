//! `florin serve`: from the settings to a serving node, and its end.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor as _, Addr};
use florin_actors::bus::{BusState, Consumer, DeadLetters, EmbeddedBus, Replays, Telemetry};
use florin_actors::kafka::{self as kafka_bridge, Bridge, Halt, Intake, IntakeOptions};
use florin_actors::messages::Assets;
use florin_actors::runtime::Node;
use florin_actors::services::core::Commands;
use florin_config::{LogFormat, Settings};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::backups::Backups;
use crate::event_log::EventLog;
use crate::events::Events;
use crate::gateway::{Gateway, Limits};
use crate::metrics::Metrics;
use crate::run::{OpenDisk, RunError, Seams, tell};
use crate::server::{Bounds, Server, Serving};
use crate::services::{Services, embedded_bus};
use crate::stopping::{Start, Stop};
use crate::{kafka, node};

/// Threads of the runtime beside the ledger's: lists, documents, large bodies.
const BESIDE_THREADS: usize = 2;
/// The group that takes commands from topics.
const COMMANDS_GROUP: &str = "ledger-service";
/// Threads for reading the disk.
const BLOCKING_THREADS_MAX: usize = 16;
/// What answers on their way may take after the journal failed.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// What the transaction of events that is open may take at a stop.
const LAST_EVENTS: Duration = Duration::from_secs(3);
/// What messages that are under way at a stop may take, and the commit of their offsets.
const LAST_MESSAGES: Duration = Duration::from_secs(3);
/// What is known of replays, in the data folder.
const REPLAYS_FILE: &str = "replays.json";
/// How much of a stop's time is kept for the journal and the views.
const NODE_SHARE: u32 = 3;

/// Serves until it is told to stop.
///
/// # Errors
/// Why it doesn't start, or ended by itself.
pub fn run(settings: &Settings, open_disk: impl OpenDisk, seams: Seams) -> Result<(), RunError> {
    let limits = Limits::new(settings)?;
    kafka::options(settings, "")?;
    let services = Services::new(settings)?;
    let beside = beside()?;
    let system = actix_rt::System::new();
    let ended = system.block_on(serve(settings, open_disk, seams, limits, services, &beside));
    // What still runs there reads for callers who are gone.
    beside.shutdown_background();
    ended
}

fn beside() -> Result<Runtime, RunError> {
    Builder::new_multi_thread()
        .worker_threads(BESIDE_THREADS)
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_name("beside")
        .enable_all()
        .build()
        .map_err(|source| RunError::System {
            what: "threads",
            source,
        })
}

async fn serve(
    settings: &Settings,
    open_disk: impl OpenDisk,
    seams: Seams,
    limits: Limits,
    mut services: Services,
    beside: &Runtime,
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
    let metrics = Arc::new(Metrics::new(&telemetry));
    let disk = open_disk(settings).map_err(|source| RunError::Data {
        directory: directory.clone(),
        source,
    })?;
    let own_disk = Arc::clone(&disk);
    let observer = Arc::clone(&metrics);
    let assets = limits.assets.clone();
    let handle = beside.handle().clone();
    let options = node::options(settings, assets.clone(), disk, observer, seams, handle).map_err(
        |error| RunError::System {
            what: "randomness",
            source: io::Error::other(error),
        },
    )?;
    tracing::info!(data_dir = directory, "recovery begins");
    let node = Node::start(options).map_err(|source| RunError::Start {
        directory: directory.clone(),
        source,
    })?;
    if !start.done() {
        return Ok(());
    }
    let consumers = services.start(settings, &own_disk, node.core())?;
    let bridge = bridge(settings, &node, &telemetry)?;
    let replays = replays(settings, &node)?;
    let bindings = kafka::bindings(settings)?;
    let event_log = EventLog::new(node.outbox(), Arc::clone(&telemetry), bindings);
    let events = Arc::new(Events::new(telemetry, node.outbox()));
    let shared = events.shared_telemetry();
    let (bus, intake) = if kafka::is_on(settings) {
        let runtime = beside.handle();
        let intake = intake(settings, &node, shared, &assets, runtime, consumers)?;
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
    let core = node.core().clone();
    let backups = Backups::new(settings);
    let beside_it = beside.handle().clone();
    let told = (events, event_log, replays);
    let gateway = Gateway::new(core, limits, metrics, services, told, backups, beside_it);
    let gateway = gateway.with_dead_letters(dead_letters);
    let gateway = Arc::new(gateway);
    beside.spawn(Arc::clone(&gateway).sample());
    let serving = server.start(Arc::clone(&gateway));
    greet(settings, address, &directory);
    let ended = tokio::select! {
        failure = node.failed() => Err(RunError::Journal(failure)),
        halt = bridge.halted => Err(RunError::Events(halt)),
        () = told_to_stop.told() => Ok(()),
    };
    match ended {
        Err(RunError::Journal(reason)) => {
            serving.stop(LAST_ANSWERS).await;
            Err(RunError::Journal(reason))
        }
        // The journal is well: what was accepted is finished.
        ended => {
            let replaying = Arc::clone(&gateway);
            let replays = beside.spawn_blocking(move || replaying.replays.end());
            let travelling = (bridge.address, intake, bus, replays);
            stop(settings, serving, node, travelling).await?;
            ended
        }
    }
}

/// What is known of replays; to the topics, where there are any.
fn replays(settings: &Settings, node: &Node) -> Result<Replays, RunError> {
    let outbox = node.outbox();
    let target = if kafka::is_on(settings) {
        let options = kafka::options(settings, &outbox.journal_id())?;
        Some(kafka_bridge::replay_to(options))
    } else {
        None
    };
    let file = settings.server.data_dir.join(REPLAYS_FILE);
    let bindings = kafka::bindings(settings)?;
    Replays::start(outbox.reader, bindings, file, target).map_err(|source| RunError::System {
        what: REPLAYS_FILE,
        source,
    })
}

/// The bridge to Kafka, where there is one.
struct Bridged {
    address: Option<Addr<Bridge>>,
    /// Never, where there is none.
    halted: Pin<Box<dyn Future<Output = Halt>>>,
}

fn bridge(
    settings: &Settings,
    node: &Node,
    telemetry: &Arc<Telemetry>,
) -> Result<Bridged, RunError> {
    if !kafka::is_on(settings) {
        return Ok(Bridged {
            address: None,
            halted: Box::pin(std::future::pending()),
        });
    }
    let outbox = node.outbox();
    let options = kafka::options(settings, &outbox.journal_id())?;
    let (halted, told) = oneshot::channel();
    let bridge = Bridge::new(options, outbox, Arc::clone(telemetry), halted);
    Ok(Bridged {
        address: Some(bridge.start()),
        halted: Box::pin(async move {
            match told.await {
                Ok(halt) => halt,
                // The bridge stopped as it was told to.
                Err(_) => std::future::pending().await,
            }
        }),
    })
}

/// The consumers of Kafka's messages, where there is Kafka.
fn intake(
    settings: &Settings,
    node: &Node,
    telemetry: &Arc<Telemetry>,
    assets: &Assets,
    runtime: &Handle,
    mut consumers: Vec<Arc<dyn Consumer>>,
) -> Result<Intake, RunError> {
    let outbox = node.outbox();
    let options = kafka::options(settings, &outbox.journal_id())?;
    let runs_core = settings.services.run.split(',').any(|name| name == "core");
    if runs_core && kafka::takes_commands(settings) {
        let group = kafka::group(settings, COMMANDS_GROUP);
        let (core, assets) = (node.core().clone(), assets.clone());
        let commands = Commands::new(core, assets, group, &options.bindings);
        if !commands.topics().is_empty() {
            consumers.push(Arc::new(commands));
        }
    }
    let options = IntakeOptions {
        kafka: options,
        retries: kafka::retries(settings),
        redrives_max: settings.kafka.redrives_max,
        outbox,
        telemetry: Arc::clone(telemetry),
        runtime: runtime.clone(),
    };
    Ok(Intake::new(options, consumers))
}

/// What carries events and messages, and is to stop.
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
    tracing::info!("stopping: what was accepted is finished");
    node.drain();
    let taken = intake.map(|intake| {
        let (stopped, told) = oneshot::channel();
        intake.do_send(kafka_bridge::Stop(stopped));
        told
    });
    serving.stop(limit - limit / NODE_SHARE).await;
    if let Some(taken) = taken {
        // What is not committed comes again after the next start, and has no second effect.
        let _ = tokio::time::timeout(LAST_MESSAGES, taken).await;
    }
    if let Some(bus) = bus {
        bus.stop();
        // It has a bound of its own.
        bus.stopped().await;
    }
    if let Some(bridge) = bridge {
        let (stopped, told) = oneshot::channel();
        bridge.do_send(kafka_bridge::Stop(stopped));
        // A transaction that the brokers don't end is aborted by the next start.
        let _ = tokio::time::timeout(LAST_EVENTS, told).await;
    }
    // A replay that isn't through goes on at the next start.
    let _ = tokio::time::timeout(LAST_EVENTS, replays).await;
    match tokio::time::timeout_at(deadline, node.shutdown()).await {
        Ok(Ok(())) => tracing::info!("stopped"),
        Ok(Err(error)) => return Err(RunError::Journal(error.to_string())),
        // What was acknowledged is durable; the next start recovers.
        Err(_) => tracing::warn!("stopped before the views were written"),
    }
    Ok(())
}

/// Tells where it listens, where its data is, and what to try first.
fn greet(settings: &Settings, address: SocketAddr, directory: &str) {
    let directory = std::path::absolute(directory)
        .map_or(directory.to_owned(), |path| path.display().to_string());
    if settings.log.format == LogFormat::Json {
        tracing::info!(%address, data_dir = directory, "listening");
        return;
    }
    let greeting = format!(
        "Florin listens on http://{address}, its data is in {directory}\n\
         Every request, to try out: http://{address}/docs\n\
         Open a first account:\n\n  \
         curl -s http://{address}/accounts -H 'Content-Type: application/json' \
         -d '{{\"holder_name\":\"Ada Lovelace\",\"country_code\":\"GB\"}}'\n\n"
    );
    if tell(&greeting).is_err() {
        tracing::info!(%address, data_dir = directory, "listening; standard output is closed");
    }
}
