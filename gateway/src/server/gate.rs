//! The gate that every request passes: it finds the route and the request id before warp, and adds
//! the common headers and the measurements to the answer afterwards. Each lane has one gate.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use florin_actors::messages::RequestId;
use florin_actors::runtime::{Clock as _, Observer as _, SystemClock};
use http_body_util::Empty;
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;
use tower_service::Service as _;
use warp::http::header::{CONNECTION, EXPECT};
use warp::http::{HeaderValue, Method, Request, StatusCode};
use warp::reply::Response;

use crate::api::{ROUTES, filter};
use crate::http::headers::{self, REQUEST_ID, TRACEPARENT};
use crate::http::websocket::OutgoingMessages;
use crate::http::{Problem, ProblemCode, RequestBody, Unread, origin};
use crate::metrics::CONNECTIONS;
use crate::routing::{Call, Found, Gateway, Route};

/// The gate of one lane.
#[derive(Debug)]
pub struct Gate {
    gateway: Arc<Gateway>,
}

/// The facts about a request's connection that the gate needs.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// Whether the connection is past the limit of connections. On such a connection only health
    /// checks and metrics are served.
    pub spare: bool,
    /// Whether too many answers without a body wait for the client to read them.
    pub is_crowded: bool,
    /// The place to which the unread part of the request's body goes.
    pub unread: &'a Unread,
}

/// An answer to be sent, and the facts about it that the connection needs.
#[derive(Debug)]
pub struct Answered {
    /// The response.
    pub response: Response,
    /// Whether a part of the request's body may still arrive. In this case the connection closes.
    pub unread: bool,
    /// Whether the answer has no body.
    pub is_bare: bool,
    /// The messages to send after the answer, if the answer turns the connection into a WebSocket.
    pub talk: Option<OutgoingMessages>,
}

impl Gate {
    /// Creates a gate.
    pub const fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway }
    }

    /// Returns the state that all requests share.
    pub const fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// Answers a request.
    pub async fn answer(&self, request: Request<Incoming>, link: Link<'_>) -> Answered {
        let began = SystemClock.nanos();
        let given = headers::given_id(request.headers(), REQUEST_ID);
        let request_id = given.unwrap_or_else(|| self.gateway.core.request_id());
        let trace =
            headers::trace(request.headers()).and(request.headers().get(TRACEPARENT).cloned());
        let awaits = request.headers().contains_key(EXPECT);
        let is_head = request.method() == Method::HEAD;
        let request = request.map(|body| RequestBody::new(body, link.unread));
        let (route, mut response) = self.handle(request, &request_id, link.spare).await;
        let status = response.status();
        // hyper continues to read requests after an answer without a body, even if the client does
        // not read the answer. Without a limit these answers would accumulate.
        let is_bare = is_head || response.body().is_end_stream();
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(&request_id.to_string()) {
            headers.insert(REQUEST_ID, value);
        }
        if let Some(trace) = trace {
            headers.insert(TRACEPARENT, trace);
        }
        let is_opened = status == StatusCode::SWITCHING_PROTOCOLS;
        let mut is_last = link.spare
            || is_bare && link.is_crowded
            || status == StatusCode::PAYLOAD_TOO_LARGE
            || self.gateway.is_stopping();
        let mut unread = !link.unread.is_empty();
        if unread && !is_last {
            let bytes_max = self.gateway.limits.body_bytes_drained_max;
            unread = !link.unread.discard(bytes_max, awaits).await;
            is_last = unread;
        }
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
            is_bare,
        }
    }

    /// Finds a request's route and lets it handle the request. The request's body is dropped
    /// together with the request, and its unread part goes to the connection.
    async fn handle(
        &self,
        request: Request<RequestBody>,
        id: &RequestId,
        spare: bool,
    ) -> (Option<usize>, Response) {
        let found = ROUTES.find(request.method(), request.uri().path());
        let checked = origin::check(request.version(), request.uri(), request.headers());
        if let Err(problem) = checked {
            return (found.route(), problem.into_response(id));
        }
        let problem = match found {
            Found::Route(_, route) if spare && !route.is_vital => {
                self.gateway.metrics.shed(CONNECTIONS);
                Problem::new(ProblemCode::Overloaded, "too many connections are open")
            }
            Found::Route(index, route) => {
                let response = self.call(route, id, request).await;
                return (Some(index), response);
            }
            Found::OtherMethods(allowed) => {
                Problem::method_not_allowed(request.method().as_str(), allowed)
            }
            Found::Nothing => Problem::route_not_found(),
        };
        (found.route(), problem.into_response(id))
    }

    /// Lets the route's handler, or the process that runs its service, handle a request.
    async fn call(
        &self,
        route: &'static Route,
        id: &RequestId,
        request: Request<RequestBody>,
    ) -> Response {
        let request = as_get(request);
        if let Some(elsewhere) = self.gateway.services.elsewhere(route.owner) {
            return match elsewhere.forward(request, id).await {
                Ok(response) => response,
                Err(problem) => problem.into_response(id),
            };
        }
        let (parts, body) = request.into_parts();
        let call = Call {
            gateway: Arc::clone(&self.gateway),
            route,
            request_id: id.clone(),
            can_upgrade: parts.extensions.get::<OnUpgrade>().is_some(),
            headers: parts.headers,
            uri: parts.uri,
            body: Mutex::new(body),
        };
        let mut request = Request::new(Empty::<Bytes>::new());
        request.extensions_mut().insert(Arc::new(call));
        let Ok(response) = warp::service(filter()).call(request).await;
        response
    }
}

/// Turns HEAD into GET: hyper then sends only the head of the answer.
fn as_get(mut request: Request<RequestBody>) -> Request<RequestBody> {
    if request.method() == Method::HEAD {
        *request.method_mut() = Method::GET;
        // An answer to HEAD can't turn its connection into a WebSocket.
        request.extensions_mut().remove::<OnUpgrade>();
    }
    request
}
