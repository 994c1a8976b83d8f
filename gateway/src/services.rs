//! The services of this process, and where the others are.

use std::sync::Arc;
use std::time::Duration;

use florin_actors::bus::{
    Bindings, BusStore, Consumer, EmbeddedBus, EmbeddedOptions, EventType, Telemetry,
};
use florin_actors::messages::RequestId;
use florin_actors::runtime::{Core, Node, StartError, SystemClock};
use florin_actors::services::card::{AccountCache, AllCards, CardService};
use florin_config::{ConfigError, Settings};
use florin_storage::{Disk, ViewError};
use hyper::body::Incoming;
use warp::http::Request;
use warp::reply::Response;

use crate::codes::ProblemCode;
use crate::kafka;
use crate::peer::{FORWARDED, Failed, Peer};
use crate::problem::Problem;
use crate::run::RunError;

/// The card service's consumer group, where the settings name no other.
const CARD_GROUP: &str = "card-service";

/// A service with routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Accounts, wallets, transfers and the ledger.
    Core,
    /// Cards.
    Card,
}

impl Service {
    /// Every service.
    const ALL: [Self; 2] = [Self::Core, Self::Card];

    /// Its name, as in `services.run`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Card => "card",
        }
    }

    /// The setting that says where it is, and its value.
    fn url(self, settings: &Settings) -> (&'static str, &str) {
        match self {
            Self::Core => ("services.core_url", &settings.services.core_url),
            Self::Card => ("services.card_url", &settings.services.card_url),
        }
    }
}

/// The services of this process, and where the others are.
#[derive(Debug)]
pub struct Services {
    here: Vec<Service>,
    elsewhere: Vec<Elsewhere>,
    card: Option<CardService>,
}

/// A service that doesn't run here.
#[derive(Debug)]
pub struct Elsewhere {
    service: Service,
    setting: &'static str,
    peer: Option<Peer>,
}

impl Services {
    /// Takes from the settings which run here and where the others are.
    ///
    /// # Errors
    /// An address of another process that is none.
    pub fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let runs = |service: &Service| {
            let mut named = settings.services.run.split(',');
            named.any(|name| name == service.name())
        };
        let wait = Duration::from_millis(settings.services.peer_wait_ms_max);
        let mut elsewhere = Vec::new();
        for service in Service::ALL {
            let (setting, url) = service.url(settings);
            let peer = match url {
                "" => None,
                url => Some(Peer::parse(url, wait).ok_or_else(|| {
                    settings.refuse(setting, url, "an address as `http://127.0.0.1:8081`")
                })?),
            };
            if !runs(&service) {
                elsewhere.push(Elsewhere {
                    service,
                    setting,
                    peer,
                });
            }
        }
        Ok(Self {
            here: Service::ALL.into_iter().filter(runs).collect(),
            elsewhere,
            card: None,
        })
    }

    /// Whether a service runs here.
    fn runs(&self, service: Service) -> bool {
        self.here.contains(&service)
    }

    /// The names of those that run here.
    pub fn names(&self) -> Vec<&'static str> {
        self.here.iter().map(|service| service.name()).collect()
    }

    /// The card service, if it runs here.
    pub const fn card(&self) -> Option<&CardService> {
        self.card.as_ref()
    }

    /// Where the service of a route is, if not here.
    pub fn elsewhere(&self, endpoint: &crate::endpoints::Endpoint) -> Option<&Elsewhere> {
        let service = endpoint.service()?;
        let mut all = self.elsewhere.iter();
        all.find(|elsewhere| elsewhere.service == service)
    }

    /// Starts those of this process that have something of their own, and gives their consumers: the
    /// bus is to run them.
    ///
    /// # Errors
    /// A file of theirs can't be opened.
    pub fn start(
        &mut self,
        settings: &Settings,
        disk: &Arc<dyn Disk>,
        core: &Core,
    ) -> Result<Vec<Arc<dyn Consumer>>, RunError> {
        let mut consumers: Vec<Arc<dyn Consumer>> = Vec::new();
        if !self.runs(Service::Card) {
            return Ok(consumers);
        }
        let unopened = |error: ViewError| RunError::Start {
            directory: settings.server.data_dir.display().to_string(),
            source: StartError::Views(error),
        };
        let group = match settings.kafka.group_id.as_str() {
            "" => CARD_GROUP,
            given => given,
        };
        let topic = &settings.kafka.account_topic;
        let accounts = Arc::new(AccountCache::open(disk, topic, group).map_err(unopened)?);
        consumers.push(Arc::clone(&accounts) as Arc<dyn Consumer>);
        let mut all = None;
        if kafka::is_on(settings) {
            // There may be other instances, each with a journal of its own.
            let topics = card_topics(&kafka::bindings(settings)?);
            let cards = Arc::new(AllCards::open(disk, topics, group).map_err(unopened)?);
            consumers.push(Arc::clone(&cards) as Arc<dyn Consumer>);
            all = Some(cards);
        } else if !self.runs(Service::Core) {
            tracing::warn!(
                "the card service hears of no account: the core doesn't run here \
                 (services.run), and there is no Kafka (kafka.brokers)"
            );
        }
        self.card = Some(CardService::new(core.clone(), accounts, all));
        Ok(consumers)
    }
}

/// The topics of cards' events, each once.
fn card_topics(bindings: &Bindings) -> Vec<String> {
    let types = [EventType::CardCreated, EventType::CardDeleted];
    let bound = types.iter().flat_map(|one| bindings.topics(*one));
    let mut topics: Vec<String> = bound.cloned().collect();
    topics.sort_unstable();
    topics.dedup();
    topics
}

/// Runs consumers on the own journal.
///
/// # Errors
/// The bus' file can't be opened, a setting, or no thread.
pub fn embedded_bus(
    settings: &Settings,
    disk: &Arc<dyn Disk>,
    node: &Node,
    telemetry: &Arc<Telemetry>,
    consumers: Vec<Arc<dyn Consumer>>,
) -> Result<EmbeddedBus, RunError> {
    let store = BusStore::open(disk).map_err(|error| RunError::Start {
        directory: settings.server.data_dir.display().to_string(),
        source: StartError::Views(error),
    })?;
    let kafka = &settings.kafka;
    let options = EmbeddedOptions {
        attempts_max: kafka.attempts_max,
        retry_min: Duration::from_millis(kafka.retry_ms_min),
        retry_max: Duration::from_millis(kafka.retry_ms_max),
        redrives_max: kafka.redrives_max,
    };
    EmbeddedBus::start(
        node.outbox(),
        kafka::bindings(settings)?,
        consumers,
        store,
        Arc::clone(telemetry),
        Arc::new(SystemClock),
        options,
    )
    .map_err(|source| RunError::System {
        what: "threads",
        source,
    })
}

impl Elsewhere {
    /// Passes a request on to where the service is.
    ///
    /// # Errors
    /// It is nowhere, or doesn't answer.
    pub async fn forward(
        &self,
        request: Request<Incoming>,
        id: &RequestId,
    ) -> Result<Response, Problem> {
        let (name, setting) = (self.service.name(), self.setting);
        let unavailable = |detail| Problem::new(ProblemCode::ServiceUnavailable, detail);
        let Some(peer) = &self.peer else {
            return Err(unavailable(format!(
                "the service {name} doesn't run here, and {setting} doesn't say where"
            )));
        };
        if request.headers().contains_key(&FORWARDED) {
            return Err(unavailable(format!(
                "the service {name} doesn't run here either: {setting} of the process that passed \
                 this on names the wrong one"
            )));
        }
        peer.forward(request, id).await.map_err(|failed| {
            unavailable(match failed {
                Failed::Unreached(why) => {
                    format!("the service {name} can't be reached ({setting}): {why}")
                }
                Failed::Unanswered(why) => format!(
                    "the service {name} didn't answer ({setting}), the request may have been done: \
                     {why}"
                ),
            })
        })
    }
}
