//! One request on its way through the gateway: what its handler needs beside path and body.

use std::sync::Arc;
use std::time::Duration;

use florin_actors::messages::RequestId;
use warp::http::HeaderMap;
use warp::reply::Response;

use crate::endpoints::{Endpoint, Purpose};
use crate::gateway::Gateway;
use crate::headers;
use crate::problem::Problem;
use crate::query::Query;

/// One request.
#[derive(Debug)]
pub struct Call {
    /// What serves it.
    pub gateway: Arc<Gateway>,
    /// Its route.
    pub endpoint: &'static Endpoint,
    /// Its id, given or made.
    pub request_id: RequestId,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its query, undecoded.
    pub raw_query: Option<String>,
}

impl Call {
    /// Its query parameters; only those of its route may be there, and once.
    pub fn query(&self) -> Result<Query, Problem> {
        let purpose = &self.endpoint.purpose;
        Query::read(self.raw_query.as_deref(), |name| match purpose {
            Purpose::Command { .. } => {
                name == "dry_run" || name == "id" && self.endpoint.names_entity_in_query()
            }
            Purpose::Task { .. } | Purpose::Read => false,
            Purpose::ReadAt => name == "at",
            Purpose::List { filters } => {
                name == "limit"
                    || name == "cursor"
                    || filters.iter().any(|known| known.name == name)
            }
            Purpose::Page | Purpose::File => true,
        })
    }

    /// How long its confirmation waits, and whether the request itself says so.
    pub fn wait(&self) -> (Duration, bool) {
        match headers::wait(&self.headers) {
            Some(wait) => (wait, true),
            None => (self.gateway.limits.confirmation_wait, false),
        }
    }

    /// The answer, whatever became of it.
    pub fn respond(&self, outcome: Result<Response, Problem>) -> Response {
        outcome.unwrap_or_else(|problem| problem.into_response(&self.request_id))
    }
}
