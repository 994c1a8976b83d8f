//! The buses of a server: the bridge to Kafka and its consumers, or the embedded bus, and replays.

use std::pin::Pin;
use std::sync::Arc;

use actix::{Actor as _, Addr};
use florin_actors::bus::{BusStore, Consumer, EmbeddedBus, Replays, Telemetry};
use florin_actors::kafka::{self as kafka_bridge, Bridge, Halt, Intake, IntakeOptions};
use florin_actors::runtime::{Node, StartError, SystemClock};
use florin_config::Settings;
use florin_storage::Disk;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::node::kafka;
use crate::process::RunError;

/// The file in the data directory that stores the replays.
const REPLAYS_FILE: &str = "replays.json";

/// Starts the replays. They publish to Kafka's topics, if Kafka is on.
pub fn replays(settings: &Settings, node: &Node) -> Result<Replays, RunError> {
    let outbox = node.outbox();
    let target = if kafka::is_on(settings) {
        let options = kafka::options(settings, &outbox.journal_id())?;
        Some(kafka_bridge::replay_to(options))
    } else {
        None
    };
    let file = settings.server.data_dir.join(REPLAYS_FILE);
    let bindings = kafka::bindings(settings)?;
    let spawner = &node.core().upkeep().spawner;
    Replays::start(outbox.reader, bindings, file, target, spawner).map_err(|source| {
        RunError::System {
            what: REPLAYS_FILE,
            source,
        }
    })
}

/// The bridge to Kafka, if Kafka is on.
pub struct Bridged {
    /// The address of the bridge.
    pub address: Option<Addr<Bridge>>,
    /// A future that ends when the bridge stops for good. Without a bridge it never ends.
    pub halted: Pin<Box<dyn Future<Output = Halt>>>,
}

/// Starts the bridge to Kafka, if Kafka is on.
pub fn bridge(
    settings: &Settings,
    disk: &Arc<dyn Disk>,
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
    let bridge = Bridge::new(
        options,
        outbox,
        Arc::clone(telemetry),
        Arc::clone(disk),
        halted,
    );
    Ok(Bridged {
        address: Some(bridge.start()),
        halted: Box::pin(async move {
            match told.await {
                Ok(halt) => halt,
                // The bridge stopped because it was asked to.
                Err(_) => std::future::pending().await,
            }
        }),
    })
}

/// Creates the consumers of Kafka's messages.
pub fn intake(
    settings: &Settings,
    node: &Node,
    telemetry: &Arc<Telemetry>,
    runtime: &Handle,
    consumers: Vec<Arc<dyn Consumer>>,
) -> Result<Intake, RunError> {
    let outbox = node.outbox();
    let options = kafka::options(settings, &outbox.journal_id())?;
    let options = IntakeOptions {
        kafka: options,
        policy: kafka::delivery_policy(settings),
        outbox,
        telemetry: Arc::clone(telemetry),
        conditions: Arc::clone(node.core().conditions()),
        runtime: runtime.clone(),
    };
    Ok(Intake::new(options, consumers))
}

/// Starts the embedded bus, which runs the consumers on this process's own journal.
///
/// # Errors
/// Returns an error if the bus's file can't be opened, if a setting is not valid, or if the system
/// can't start a thread.
pub fn embedded_bus(
    settings: &Settings,
    disk: &Arc<dyn Disk>,
    node: &Node,
    telemetry: &Arc<Telemetry>,
    consumers: Vec<Arc<dyn Consumer>>,
) -> Result<EmbeddedBus, RunError> {
    let store = BusStore::open(disk, node.core().upkeep()).map_err(|error| RunError::Start {
        directory: settings.server.data_dir.display().to_string(),
        source: StartError::Views(error),
    })?;
    EmbeddedBus::start(
        node.outbox(),
        kafka::bindings(settings)?,
        consumers,
        store,
        Arc::clone(telemetry),
        Arc::new(SystemClock),
        kafka::delivery_policy(settings),
    )
    .map_err(|source| RunError::System {
        what: "threads",
        source,
    })
}
