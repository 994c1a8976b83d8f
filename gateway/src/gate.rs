//! The gate of every request: its route and id before warp, its answer's common headers and its
//! measurements after. One a lane.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use florin_actors::messages::RequestId;
use florin_actors::runtime::{Clock as _, Observer as _, SystemClock};
use hyper::body::Incoming;
use tower_service::Service;
use warp::http::header::{CONNECTION, CONTENT_TYPE, TRANSFER_ENCODING};
use warp::http::{HeaderMap, HeaderValue, Request, StatusCode};
use warp::reply::Response;

use crate::body;
use crate::call::Call;
use crate::codes::ProblemCode;
use crate::endpoints::{ENDPOINTS, Found, find};
use crate::gateway::Gateway;
use crate::headers::{self, REQUEST_ID, TRACEPARENT};
use crate::metrics::CONNECTIONS;
use crate::problem::{PROBLEM_TYPE, Problem};
use crate::websocket::Talk;

/// What an area's service is.
pub trait Serve:
    Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + 'static
{
}

impl<S> Serve for S where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + 'static
{
}

/// The gate of one lane.
pub struct Gate<S> {
    gateway: Arc<Gateway>,
    /// The areas' services, in the order of [`crate::endpoints::Area`].
    areas: Vec<S>,
}

/// An answer on its way out, and what the connection must know of it.
#[derive(Debug)]
pub struct Answered {
    /// The answer.
    pub response: Response,
    /// Whether a part of the request's body may not have been read.
    pub unread: bool,
    /// What follows where the answer turns the connection into a WebSocket.
    pub talk: Option<Talk>,
}

impl<S: Serve> Gate<S> {
    /// A gate in front of these areas.
    pub fn new(gateway: Arc<Gateway>, areas: Vec<S>) -> Self {
        Self { gateway, areas }
    }

    /// What all requests share.
    pub const fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// Answers a request. On a `spare` connection, one past the limit, only what is vital is
    /// served.
    pub async fn answer(&self, request: Request<Incoming>, spare: bool) -> Answered {
        let began = SystemClock.nanos();
        let given = headers::given_id(request.headers(), REQUEST_ID);
        let request_id = given.unwrap_or_else(|| self.gateway.core.request_id());
        let has_body = has_body(request.headers());
        let trace =
            headers::trace(request.headers()).and(request.headers().get(TRACEPARENT).cloned());
        let found = find(request.method(), request.uri().path());
        let (route, mut response) = match found {
            Found::Route(place) if spare && !ENDPOINTS[place].is_vital() => {
                self.gateway.metrics.shed(CONNECTIONS);
                let problem =
                    Problem::new(ProblemCode::Overloaded, "too many connections are open");
                (Some(place), problem.into_response(&request_id))
            }
            Found::Route(place) => (Some(place), self.call(place, &request_id, request).await),
            Found::OtherMethods(allowed) => {
                let problem = Problem::method_not_allowed(request.method().as_str(), allowed);
                (None, problem.into_response(&request_id))
            }
            Found::Nothing => (None, route_not_found().into_response(&request_id)),
        };
        let status = response.status();
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(&request_id.to_string()) {
            headers.insert(REQUEST_ID, value);
        }
        if let Some(trace) = trace {
            headers.insert(TRACEPARENT, trace);
        }
        let is_opened = status == StatusCode::SWITCHING_PROTOCOLS;
        let unread = has_body && !status.is_success();
        // Behind an answer without a body hyper reads on, whether or not the client takes it: they
        // would add up without a bound.
        let has_none = status == StatusCode::NO_CONTENT;
        let is_last = spare
            || has_none
            || status == StatusCode::PAYLOAD_TOO_LARGE
            || self.gateway.is_stopping();
        if is_last && !is_opened {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let seconds = SystemClock.nanos().saturating_sub(began) as f64 / 1e9;
        self.gateway.metrics.answered(route, status, seconds);
        let talk = is_opened.then(|| response.extensions_mut().remove());
        Answered {
            talk: talk.flatten(),
            response,
            unread,
        }
    }

    /// Has the route's area handle a request.
    async fn call(&self, place: usize, id: &RequestId, request: Request<Incoming>) -> Response {
        let endpoint = &ENDPOINTS[place];
        let Some(area) = self.areas.get(endpoint.area as usize) else {
            return route_not_found().into_response(id);
        };
        if let Some(elsewhere) = self.gateway.services.elsewhere(endpoint) {
            return match elsewhere.forward(request, id).await {
                Ok(response) => response,
                Err(problem) => problem.into_response(id),
            };
        }
        let (mut parts, body) = request.into_parts();
        let call = Call {
            gateway: Arc::clone(&self.gateway),
            endpoint,
            request_id: id.clone(),
            headers: std::mem::take(&mut parts.headers),
            raw_query: parts.uri.query().map(str::to_owned),
        };
        parts.extensions.insert(Arc::new(call));
        let Ok(response) = area.clone().call(Request::from_parts(parts, body)).await;
        if is_own(&response) {
            response
        } else {
            route_not_found().into_response(id)
        }
    }
}

impl<S> fmt::Debug for Gate<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("gateway", &self.gateway)
            .finish_non_exhaustive()
    }
}

/// Whether a handler made this answer: every error of ours is a problem, a rejection of warp's own
/// is plain text.
fn is_own(response: &Response) -> bool {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    !is_error
        || response
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind == PROBLEM_TYPE)
}

fn route_not_found() -> Problem {
    Problem::new(
        ProblemCode::RouteNotFound,
        "no route has this path; /openapi.json lists them all",
    )
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
        || body::declared_length(headers).is_some_and(|length| length > 0)
}
