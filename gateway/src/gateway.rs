//! What all requests share: the core, the limits, the measurements and the pages made at the start.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use florin_actors::bus::{DeadLetters, Replays};
use florin_actors::messages::{Assets, Currency};
use florin_actors::runtime::{Core, Permits};
use florin_config::{ConfigError, Settings};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::backups::Backups;
use crate::dto::CurrencyCode;
use crate::event_log::EventLog;
use crate::events::Events;
use crate::metrics::Metrics;
use crate::pages::Pages;
use crate::problem::Problem;
use crate::services::Services;

/// How often the views' lag is looked at.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// What `ledger.assets` may be.
const ASSETS: &str = "assets and their scales, as `USDC = 6, BTC8 = 8`";

/// What all requests share.
pub struct Gateway {
    /// The core.
    pub core: Core,
    /// The limits.
    pub limits: Limits,
    /// The bytes of large bodies that are being read.
    pub bodies: Arc<Permits>,
    /// The measurements.
    pub metrics: Arc<Metrics>,
    /// How events travel.
    pub events: Arc<Events>,
    /// The journal's events.
    pub event_log: EventLog,
    /// What goes out again.
    pub replays: Replays,
    /// The pages made at the start.
    pub pages: Pages,
    /// The services of this process, and where the others are.
    pub services: Services,
    /// What makes backups.
    pub backups: Backups,
    /// What consumers could not handle, where there are consumers.
    pub dead_letters: Option<Arc<dyn DeadLetters>>,
    /// Where what would hold up the ledger's thread runs.
    pub beside: Handle,
    stopping: AtomicBool,
    stop: Notify,
}

/// The limits of requests, from the settings.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The currency of an account that is opened without one.
    pub default_currency: Currency,
    /// What amounts may be in beside the currencies of ISO 4217.
    pub assets: Assets,
    /// After how many seconds a pending transfer expires whose request doesn't say.
    pub hold_expiry_seconds: Option<u32>,
    /// The largest body.
    pub body_bytes_max: usize,
    /// The most bytes of a batch's body.
    pub batch_bytes_max: usize,
    /// The most bytes of large bodies that are being read, together.
    pub batches_bytes_max: usize,
    /// How long a body may take to arrive.
    pub body_read: Duration,
    /// How long a command's confirmation waits unless the request says otherwise.
    pub confirmation_wait: Duration,
    /// A page's size unless the request says otherwise.
    pub page_default: usize,
    /// The largest page.
    pub page_max: usize,
}

impl Limits {
    /// Takes them from the settings.
    ///
    /// # Errors
    /// When the default currency is none, or an asset is one of ISO 4217.
    pub fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let currency = &settings.ledger.default_currency;
        let assets = assets(settings)?;
        let default_currency = assets.currency(currency).map_err(|_| {
            settings.refuse(
                "ledger.default_currency",
                currency,
                "a currency of ISO 4217, or an asset of ledger.assets",
            )
        })?;
        let hold_expiry_seconds = settings.ledger.hold_expiry_seconds;
        let gateway = &settings.gateway;
        Ok(Self {
            default_currency,
            assets,
            hold_expiry_seconds: (hold_expiry_seconds > 0).then_some(hold_expiry_seconds),
            body_bytes_max: gateway.body_bytes_max,
            batch_bytes_max: gateway.batch_bytes_max,
            batches_bytes_max: gateway.batches_bytes_max,
            body_read: Duration::from_secs(gateway.body_read_seconds_max),
            confirmation_wait: Duration::from_millis(gateway.confirmation_wait_ms),
            page_default: gateway.page_default,
            page_max: gateway.page_max,
        })
    }
}

impl Limits {
    /// The currency that a request names, if it names one; `path` is the whole path of the field.
    ///
    /// # Errors
    /// It is neither of ISO 4217 nor declared.
    pub fn currency(
        &self,
        code: Option<&CurrencyCode>,
        path: impl FnOnce() -> String,
    ) -> Result<Option<Currency>, Problem> {
        let found = code.map(|code| self.assets.currency(&code.0)).transpose();
        found.map_err(|error| Problem::malformed(path(), error.to_string()))
    }
}

/// The assets that the settings declare.
fn assets(settings: &Settings) -> Result<Assets, ConfigError> {
    let (name, text) = ("ledger.assets", &settings.ledger.assets);
    let declared =
        florin_config::assets(text).ok_or_else(|| settings.refuse(name, text, ASSETS))?;
    Assets::new(declared).map_err(|(code, error)| {
        let allowed = format!("{ASSETS}: {code} {error}");
        settings.refuse(name, text, &allowed)
    })
}

impl Gateway {
    /// A gateway to `core`.
    pub fn new(
        core: Core,
        limits: Limits,
        metrics: Arc<Metrics>,
        services: Services,
        (events, event_log, replays): (Arc<Events>, EventLog, Replays),
        backups: Backups,
        beside: Handle,
    ) -> Self {
        let (stopping, stop) = (AtomicBool::new(false), Notify::new());
        Self {
            core,
            bodies: Permits::new(limits.batches_bytes_max),
            limits,
            metrics,
            events,
            event_log,
            replays,
            pages: Pages::new(),
            services,
            backups,
            dead_letters: None,
            beside,
            stopping,
            stop,
        }
    }

    /// With what consumers could not handle.
    #[must_use]
    pub fn with_dead_letters(self, dead_letters: Option<Arc<dyn DeadLetters>>) -> Self {
        Self {
            dead_letters,
            ..self
        }
    }

    /// Looks at the views' lag every second, for as long as the process runs.
    pub async fn sample(self: Arc<Self>) {
        loop {
            self.metrics.sample(&self.core);
            tokio::time::sleep(SAMPLE_EVERY).await;
        }
    }

    /// Accepts no new command from now on, and ends each connection with its next answer.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.stop.notify_waiters();
    }

    /// Whether it is stopping.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Waits until the server stops.
    pub async fn stopped(&self) {
        let mut told = pin!(self.stop.notified());
        told.as_mut().enable();
        if !self.is_stopping() {
            told.await;
        }
    }

    /// Wakes whoever polled it when the server stops. Poll it before asking [`Self::is_stopping`].
    pub fn stopping(&self) -> impl Future<Output = ()> {
        self.stop.notified()
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
