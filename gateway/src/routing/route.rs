//! A route, which is a row of its resource's table, and a request to it.

use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use florin_actors::messages::{IdError, RequestId};
use futures_util::future::BoxFuture;
use warp::http::uri::Uri;
use warp::http::{HeaderMap, Method};
use warp::reply::Response;

use super::answer::Answer;
use super::gateway::Gateway;
use super::path::{Parameter, segments};
use super::purpose::Purpose;
use super::scope::Scope;
use super::subject::Subject;
use super::tag::Tag;
use crate::http::{Problem, ProblemCode, Query, RequestBody, headers};
use crate::node::Service;

/// The future answer to a request.
pub type Answering = BoxFuture<'static, Result<Response, Problem>>;
/// The function that handles the requests of a route.
pub type Handler = fn(Arc<Call>, RequestBody) -> Answering;

/// A route: a row of its resource's table, with everything that is known about it. A row is written
/// as `RESOURCE.get(…).to(handler)`, followed by its other columns.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The method.
    pub method: &'static Method,
    /// The path, with its parameters in braces.
    pub path: &'static str,
    /// The name of the operation in the OpenAPI document.
    pub name: &'static str,
    /// The function that handles a request.
    pub handler: Handler,
    /// The right that a caller needs.
    pub scope: Scope,
    /// A summary of one line.
    pub summary: &'static str,
    /// The description of the operation.
    pub description: &'static str,
    /// The group of operations that the route belongs to.
    pub tag: Tag,
    /// The service that serves the route. `None` means that every process serves it for itself.
    pub owner: Option<Service>,
    /// What the id in the path names.
    pub subject: Subject,
    /// Whether the id is the parameter `id` of the query instead of a segment of the path.
    pub has_id_in_query: bool,
    /// Whether answers also have an account's fields under the names of the source documents.
    pub has_document_names: bool,
    /// Whether the route is served even on connections past the limit.
    pub is_vital: bool,
    /// The purpose of the request.
    pub purpose: Purpose,
    /// The answers to a request that succeeds.
    pub answers: &'static [Answer],
    /// The problems that the route may answer with, in groups.
    pub problems: &'static [&'static [ProblemCode]],
}

/// The columns that the routes of a resource share.
#[derive(Debug, Clone, Copy)]
pub struct Resource {
    /// The group of operations.
    pub tag: Tag,
    /// The service that serves the routes.
    pub owner: Option<Service>,
    /// What the ids in the paths name.
    pub subject: Subject,
}

/// The start of a row, which lacks its handler.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    resource: Resource,
    method: &'static Method,
    path: &'static str,
    name: &'static str,
    scope: Scope,
}

impl Resource {
    /// Starts the row of a GET route.
    pub const fn get(self, path: &'static str, name: &'static str, scope: Scope) -> Row {
        self.row(&Method::GET, path, name, scope)
    }

    /// Starts the row of a POST route.
    pub const fn post(self, path: &'static str, name: &'static str, scope: Scope) -> Row {
        self.row(&Method::POST, path, name, scope)
    }

    /// Starts the row of a PATCH route.
    pub const fn patch(self, path: &'static str, name: &'static str, scope: Scope) -> Row {
        self.row(&Method::PATCH, path, name, scope)
    }

    /// Starts the row of a DELETE route.
    pub const fn delete(self, path: &'static str, name: &'static str, scope: Scope) -> Row {
        self.row(&Method::DELETE, path, name, scope)
    }

    const fn row(
        self,
        method: &'static Method,
        path: &'static str,
        name: &'static str,
        scope: Scope,
    ) -> Row {
        Row {
            resource: self,
            method,
            path,
            name,
            scope,
        }
    }
}

impl Row {
    /// Adds the handler. All other columns have the values of the resource or a default. It does not
    /// compile if the scope of a GET route lets a caller write, or if that of another route does not.
    pub const fn to(self, handler: Handler) -> Route {
        let resource = self.resource;
        let route = Route {
            method: self.method,
            path: self.path,
            name: self.name,
            handler,
            scope: self.scope,
            summary: "",
            description: "",
            tag: resource.tag,
            owner: resource.owner,
            subject: resource.subject,
            has_id_in_query: false,
            has_document_names: false,
            is_vital: false,
            purpose: Purpose::Read,
            answers: &[],
            problems: &[],
        };
        assert!(
            route.scope.only_reads() == matches!(*route.method, Method::GET),
            "the scope does not fit the method"
        );
        route
    }
}

impl Route {
    /// Sets the summary and the description.
    #[must_use]
    pub const fn about(self, summary: &'static str, description: &'static str) -> Self {
        Self {
            summary,
            description,
            ..self
        }
    }

    /// Sets the purpose of the request. Without this column the request reads one object.
    #[must_use]
    pub const fn purpose(self, purpose: Purpose) -> Self {
        Self { purpose, ..self }
    }

    /// Sets the answers to a request that succeeds.
    #[must_use]
    pub const fn answers(self, answers: &'static [Answer]) -> Self {
        Self { answers, ..self }
    }

    /// Sets the problems that the route may answer with, in groups.
    #[must_use]
    pub const fn problems(self, problems: &'static [&'static [ProblemCode]]) -> Self {
        Self { problems, ..self }
    }

    /// Sets what the id in the path names, if it differs from the rest of the resource.
    #[must_use]
    pub const fn subject(self, subject: Subject) -> Self {
        Self { subject, ..self }
    }

    /// Sets the service that serves the route, if it differs from the rest of the resource.
    #[must_use]
    pub const fn owner(self, owner: Option<Service>) -> Self {
        Self { owner, ..self }
    }

    /// Marks the route as one whose id is in the query.
    #[must_use]
    pub const fn with_id_in_query(self, subject: Subject) -> Self {
        Self {
            subject,
            has_id_in_query: true,
            ..self
        }
    }

    /// Marks the route as one whose answers also have the names of the source documents.
    #[must_use]
    pub const fn with_document_names(self) -> Self {
        Self {
            has_document_names: true,
            ..self
        }
    }

    /// Marks the route as one that is served even on connections past the limit.
    #[must_use]
    pub const fn vital(self) -> Self {
        Self {
            is_vital: true,
            ..self
        }
    }

    /// Returns the label of the route in metrics: its method and path.
    pub fn label(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Returns whether the route is an alias: another form of a request of another route, kept for
    /// clients of older documents.
    pub fn is_alias(&self) -> bool {
        self.tag == Tag::Aliases
    }

    /// Returns the parameters in the path.
    pub fn parameters(&self) -> impl Iterator<Item = Parameter> {
        segments(self.path).filter_map(Parameter::of)
    }

    /// Returns every problem that the route may answer with, sorted.
    pub fn problem_codes(&self) -> Vec<ProblemCode> {
        let mut codes: Vec<ProblemCode> = self.problems.concat();
        // The gate checks `Host` and `Origin` of every request before the request reaches its
        // route.
        codes.extend([ProblemCode::InvalidRequest, ProblemCode::ForbiddenOrigin]);
        if !self.is_vital {
            // The limit of connections may be reached.
            codes.push(ProblemCode::Overloaded);
        }
        if self.owner.is_some() {
            // The service may run in another process.
            codes.push(ProblemCode::ServiceUnavailable);
        }
        codes.sort_unstable();
        codes.dedup();
        codes
    }
}

/// A request to a route.
#[derive(Debug)]
pub struct Call {
    /// The gateway that serves the request.
    pub gateway: Arc<Gateway>,
    /// The route of the request.
    pub route: &'static Route,
    /// The id of the request: given by the client, or made by the gateway.
    pub request_id: RequestId,
    /// The headers of the request.
    pub headers: HeaderMap,
    /// The target of the request.
    pub uri: Uri,
    /// Whether the request's connection can become a WebSocket.
    pub can_upgrade: bool,
    /// The body of the request, until its handler is called.
    pub body: Mutex<RequestBody>,
}

impl Call {
    /// Lets the handler of the route handle the request, and returns its answer. The handler owns the
    /// body: the unread part of a body goes back to its connection as soon as the handler drops it,
    /// whereas the rest of the call may live on in the answer.
    pub async fn handle(self: Arc<Self>) -> Response {
        let outcome = (self.route.handler)(Arc::clone(&self), self.take_body()).await;
        self.respond(outcome)
    }

    fn take_body(&self) -> RequestBody {
        let mut body = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut body)
    }

    /// Returns the value of a parameter of the path, as it was sent. The route must have it.
    pub fn parameter(&self, parameter: Parameter) -> &str {
        let wanted = segments(self.route.path);
        let mut pairs = wanted.zip(segments(self.uri.path()));
        let found = pairs.find(|(segment, _)| Parameter::of(segment) == Some(parameter));
        found.map_or("", |(_, given)| given)
    }

    /// Returns the id in the path.
    ///
    /// # Errors
    /// Returns a problem if the text in the path is not an id.
    pub fn id<T: FromStr<Err = IdError>>(&self) -> Result<T, Problem> {
        self.parameter(Parameter::Id).parse().map_err(|error| {
            Problem::new(
                ProblemCode::InvalidId,
                format!("the id in the path {error}"),
            )
        })
    }

    /// Reads the query parameters. A parameter that the route does not have, or that is given
    /// twice, is refused.
    ///
    /// # Errors
    /// Returns a problem that names the parameter that is refused.
    pub fn query(&self) -> Result<Query, Problem> {
        let route = self.route;
        Query::read(self.uri.query(), |name| {
            route.purpose.takes(name) || name == "id" && route.has_id_in_query
        })
    }

    /// Returns how long to wait for the confirmation, and whether the request itself asked for that
    /// wait.
    pub fn wait(&self) -> (Duration, bool) {
        match headers::wait(&self.headers) {
            Some(wait) => (wait, true),
            None => (self.gateway.limits.confirmation_wait, false),
        }
    }

    /// Returns the answer of a handler: its response, or the response that its problem becomes.
    pub fn respond(&self, outcome: Result<Response, Problem>) -> Response {
        outcome.unwrap_or_else(|problem| problem.into_response(&self.request_id))
    }
}
