//! The state that the parts of the embedded bus share.

use std::sync::Arc;

use dashmap::DashSet;
use tokio::sync::watch;

use super::store::BusStore;
use crate::base::Clock;
use crate::bus::consumer::Consumer;
use crate::bus::dead_letters::DeadLetterId;
use crate::bus::delivery::DeliveryPolicy;
use crate::bus::telemetry::Telemetry;

/// The state shared by the subscriptions and the handle.
pub(super) struct Shared {
    pub(super) consumers: Vec<Arc<dyn Consumer>>,
    pub(super) store: BusStore,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) policy: DeliveryPolicy,
    /// The dead letters that are being redriven.
    pub(super) redriving: DashSet<DeadLetterId>,
    pub(super) stop: watch::Sender<bool>,
}
