//! The services of this process, and the addresses of the others.

use std::sync::Arc;
use std::time::Duration;

use florin_actors::bus::Consumer;
use florin_actors::messages::{Assets, RequestId};
use florin_actors::runtime::{Core, StartError};
pub use florin_actors::services::Service;
use florin_actors::services::Setup;
use florin_actors::services::card::CardService;
use florin_config::{ConfigError, Incomplete, Settings};
use florin_storage::Disk;
use warp::http::Request;
use warp::reply::Response;

use super::kafka;
use super::peer::{FORWARDED, Peer, PeerFailure};
use crate::http::{Problem, ProblemCode, RequestBody};
use crate::process::RunError;

/// Returns the setting for the address of a service, and its value.
fn url(service: Service, settings: &Settings) -> (&'static str, &str) {
    match service {
        Service::Core => ("services.core_url", &settings.services.core_url),
        Service::Card => ("services.card_url", &settings.services.card_url),
    }
}

/// The services of this process, and the addresses of the others.
#[derive(Debug)]
pub struct Services {
    here: Vec<Service>,
    elsewhere: Vec<Elsewhere>,
    card: Option<CardService>,
    /// Whether cards are made even if events of accounts may be missing.
    serves_incomplete: bool,
}

/// A service that does not run in this process.
#[derive(Debug)]
pub struct Elsewhere {
    service: Service,
    setting: &'static str,
    peer: Option<Peer>,
}

impl Services {
    /// Reads from the settings which services run here, and the addresses of the others.
    ///
    /// # Errors
    /// Returns an error if the address of another process is malformed.
    pub fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let runs = |service: &Service| {
            let mut named = settings.services.run.split(',');
            named.any(|name| name == service.name())
        };
        let wait = Duration::from_millis(settings.services.peer_wait_ms_max);
        let mut elsewhere = Vec::new();
        for service in Service::ALL.iter().copied() {
            let (setting, url) = url(service, settings);
            let peer = match url {
                "" => None,
                url => Some(Peer::parse(url, wait).ok_or_else(|| {
                    settings.refuse(setting, url, "an address such as `http://127.0.0.1:8081`")
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
            here: Service::ALL.iter().copied().filter(runs).collect(),
            elsewhere,
            card: None,
            serves_incomplete: false,
        })
    }

    /// Returns whether a service runs here.
    fn runs(&self, service: Service) -> bool {
        self.here.contains(&service)
    }

    /// Returns the names of the services that run here.
    pub fn names(&self) -> Vec<&'static str> {
        self.here.iter().map(|service| service.name()).collect()
    }

    /// Returns the card service, if it runs here.
    pub const fn card(&self) -> Option<&CardService> {
        self.card.as_ref()
    }

    /// Returns the reason why no card can be made now, or `None` if cards can be made.
    pub fn refuses_cards(&self) -> Option<String> {
        if self.serves_incomplete {
            return None;
        }
        self.card.as_ref()?.gap()
    }

    /// Returns the service that owns a route, if it does not run here.
    pub fn elsewhere(&self, owner: Option<Service>) -> Option<&Elsewhere> {
        let service = owner?;
        let mut all = self.elsewhere.iter();
        all.find(|elsewhere| elsewhere.service == service)
    }

    /// Starts the services of this process. Returns their consumers, which the bus has to run.
    ///
    /// # Errors
    /// Returns an error if a setting is not valid, or if a file of a service can't be opened.
    pub fn start(
        &mut self,
        settings: &Settings,
        disk: &Arc<dyn Disk>,
        core: &Core,
        assets: &Assets,
    ) -> Result<Vec<Arc<dyn Consumer>>, RunError> {
        let has_brokers = kafka::is_on(settings);
        self.serves_incomplete = settings.services.incomplete == Incomplete::Serve;
        if self.runs(Service::Card) && !self.runs(Service::Core) && !has_brokers {
            tracing::warn!(
                "the card service receives no account events: the core does not run in this \
                 process (services.run), and Kafka is not configured (kafka.brokers)"
            );
        }
        let setup = Setup {
            disk,
            core,
            assets,
            bindings: &kafka::bindings(settings)?,
            group: &settings.kafka.group_id,
            account_topic: &settings.kafka.account_topic,
            takes_commands: has_brokers
                && self.runs(Service::Core)
                && kafka::takes_commands(settings),
            has_other_instances: has_brokers,
            logs_documents: settings.log.documents,
        };
        let mut consumers = Vec::new();
        for service in &self.here {
            let started = service.start(&setup).map_err(|error| RunError::Start {
                directory: settings.server.data_dir.display().to_string(),
                source: StartError::Views(error),
            })?;
            consumers.extend(started.consumers);
            self.card = started.card.or(self.card.take());
        }
        Ok(consumers)
    }
}

impl Elsewhere {
    /// Forwards a request to the process that runs the service.
    ///
    /// # Errors
    /// Returns a problem if the address of the service is not configured, or if the service does
    /// not answer.
    pub async fn forward(
        &self,
        request: Request<RequestBody>,
        id: &RequestId,
    ) -> Result<Response, Problem> {
        let (name, setting) = (self.service.name(), self.setting);
        let unavailable = |detail| Problem::new(ProblemCode::ServiceUnavailable, detail);
        let Some(peer) = &self.peer else {
            return Err(unavailable(format!(
                "the service {name} does not run in this process, and {setting} gives no address \
                 for it"
            )));
        };
        if request.headers().contains_key(&FORWARDED) {
            return Err(unavailable(format!(
                "the service {name} does not run in this process: {setting} of the process that \
                 forwarded the request has the wrong address"
            )));
        }
        peer.forward(request, id).await.map_err(|failed| {
            unavailable(match failed {
                PeerFailure::Unreached(why) => {
                    format!("the service {name} can't be reached ({setting}): {why}")
                }
                PeerFailure::Unanswered(why) => format!(
                    "the service {name} did not answer ({setting}); it may have executed the \
                     request: {why}"
                ),
            })
        })
    }
}
