//! The one place where an error becomes an answer: problem details of RFC 9457 with Florin's own
//! members.

use std::borrow::Cow;

use florin_actors::messages::{Code, Command, FailedItem, OperationId, Rejection, RequestId};
use florin_actors::runtime::Unavailable;
use florin_config::printable;
use serde::Serialize;
use utoipa::ToSchema;
use warp::http::header::{ALLOW, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use warp::http::{HeaderMap, HeaderValue, StatusCode};
use warp::reply::Response;

use super::codes::{ProblemCode, Retry};
use super::refusal::RefusalFields;

/// The longest detail, in bytes. A detail may repeat a part of the request.
const DETAIL_BYTES_MAX: usize = 400;
/// The longest field name in a problem, in bytes. It may be the caller's text.
const FIELD_BYTES_MAX: usize = 200;
/// The number of seconds after which a refused caller may retry.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// The reason why a request was not done.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    code: ProblemCode,
    detail: Cow<'static, str>,
    /// The field, header or parameter that is malformed.
    field: Option<Cow<'static, str>>,
    operation_id: Option<OperationId>,
    /// A rule's refusal. It is boxed, so that a result with a problem stays small.
    refusal: Option<Box<Refusal>>,
    allow: Option<&'static str>,
}

/// A rule's refusal, in addition to its code and sentence.
#[derive(Debug, Clone, PartialEq)]
struct Refusal {
    fields: RefusalFields,
    item: Option<FailedItem>,
}

/// The content type of a problem.
pub const PROBLEM_TYPE: &str = "application/problem+json";

/// The body of every problem, `application/problem+json` (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// The path of the page that explains this code, relative to this server.
    #[serde(rename = "type")]
    #[schema(example = "/problems/insufficient-funds")]
    kind: String,
    /// The meaning of the code in a few words.
    #[schema(example = "The available amount is too small")]
    title: &'a str,
    /// The HTTP status of the answer.
    status: u16,
    /// A sentence about this request: the values that were asked for, and the rule or state that
    /// refused them.
    #[schema(example = "insufficient funds: available 2500, requested 2501")]
    detail: &'a str,
    /// The stable code of the problem.
    #[schema(value_type = ProblemCode)]
    code: &'a str,
    /// The same as `detail`.
    #[schema(example = "insufficient funds: available 2500, requested 2501")]
    error: &'a str,
    /// Says whether the same request may be sent again. Send it again only after `safe` and
    /// `only_with_key`, and after `only_with_key` only with its idempotency key.
    retry: Retry,
    /// The request's id, as in `X-Request-Id`.
    #[schema(value_type = String, example = "order-1042")]
    request_id: Text<'a, RequestId>,
    /// The id of the operation that tells the outcome, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid, nullable = false)]
    operation_id: Option<OperationId>,
    #[serde(flatten)]
    refusal: RefusalFields,
    /// The index of the item or leg because of which the whole batch or transaction was refused,
    /// starting at 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    failed_index: Option<u32>,
    /// The stable code of the rule that refused the item or leg.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ProblemCode>, nullable = false)]
    item_code: Option<&'static str>,
}

/// A value that is serialized by its `Display` form.
#[derive(Debug)]
struct Text<'a, T>(&'a T);

impl<T: std::fmt::Display> Serialize for Text<'_, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

impl Problem {
    /// Creates a problem with a sentence.
    pub fn new(code: ProblemCode, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = shown(detail.into(), DETAIL_BYTES_MAX);
        Self {
            code,
            detail,
            field: None,
            operation_id: None,
            refusal: None,
            allow: None,
        }
    }

    /// Creates the problem of a malformed field, header or query parameter. The sentence follows
    /// its name.
    pub fn malformed(field: impl Into<Cow<'static, str>>, detail: impl std::fmt::Display) -> Self {
        Self::of_field(ProblemCode::InvalidRequest, field, detail)
    }

    /// Creates the problem of one field. The sentence follows its name.
    pub fn of_field(
        code: ProblemCode,
        field: impl Into<Cow<'static, str>>,
        detail: impl std::fmt::Display,
    ) -> Self {
        let field = shown(field.into(), FIELD_BYTES_MAX);
        let mut problem = Self::new(code, format!("{field} {detail}"));
        problem.field = Some(field);
        problem
    }

    /// Creates the problem of an object that does not exist; `what` is its sentence.
    pub fn not_found(what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemCode::NotFound, what)
    }

    /// Creates the problem of a path that no route has.
    pub fn route_not_found() -> Self {
        Self::new(
            ProblemCode::RouteNotFound,
            "no route has this path; /openapi.json lists them all",
        )
    }

    /// Creates the problem of a path that exists without this method.
    pub fn method_not_allowed(method: &str, allowed: &'static str) -> Self {
        let detail = format!("{method} is not allowed on this path; it allows {allowed}");
        let mut problem = Self::new(ProblemCode::MethodNotAllowed, detail);
        problem.allow = Some(allowed);
        problem
    }

    /// Creates the problem of a command that was not confirmed within the wait. The operation tells
    /// its outcome later.
    pub fn not_confirmed(operation_id: OperationId) -> Self {
        let detail = "the command was not confirmed within the wait time; it may still be executed";
        Self::new(ProblemCode::ConfirmationTimeout, detail).with_operation(operation_id)
    }

    /// Creates the problem of a command that a rule refused.
    pub fn refused(rejection: &Rejection, command: &Command) -> Self {
        let mut problem = Self::new(rejection.code.into(), rejection.detail.clone());
        problem.refusal = Some(Box::new(Refusal {
            fields: RefusalFields::new(rejection, command),
            item: rejection.item,
        }));
        problem
    }

    /// Adds the id of the operation that the problem is about.
    #[must_use]
    pub fn with_operation(mut self, operation_id: OperationId) -> Self {
        self.operation_id = Some(operation_id);
        self
    }

    /// Returns the code of the problem.
    #[cfg(test)]
    pub const fn code(&self) -> ProblemCode {
        self.code
    }

    /// Returns the field of the problem, if it has one.
    #[cfg(test)]
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// Turns the problem into the answer to the request with this id.
    pub fn into_response(self, request_id: &RequestId) -> Response {
        let status = self.code.status();
        let (refusal, item) = match self.refusal {
            Some(refusal) => (refusal.fields, refusal.item),
            None => (RefusalFields::of_field(self.field), None),
        };
        let body = ProblemBody {
            kind: format!("/problems/{}", self.code.slug()),
            title: self.code.title(),
            status: status.as_u16(),
            detail: &self.detail,
            code: self.code.name(),
            error: &self.detail,
            retry: self.code.retry(),
            request_id: Text(request_id),
            operation_id: self.operation_id,
            refusal,
            failed_index: item.map(|item| item.index),
            item_code: item.map(|item| Code::name(item.code)),
        };
        // The body contains only strings and numbers, so serialization can't fail.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = Response::new(body.into());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        write_headers(headers, self.code, self.operation_id, self.allow);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_TYPE));
        response
    }
}

/// Writes the headers that depend on the problem.
fn write_headers(
    headers: &mut HeaderMap,
    code: ProblemCode,
    operation_id: Option<OperationId>,
    allow: Option<&'static str>,
) {
    let operation_id = operation_id.filter(|_| code == ProblemCode::ConfirmationTimeout);
    let location = operation_id.map(|id| format!("/operations/{id}"));
    for (name, value) in [(LOCATION, location.as_deref()), (ALLOW, allow)] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    if code.status() == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
}

impl From<Unavailable> for Problem {
    fn from(reason: Unavailable) -> Self {
        Self::new(reason.into(), reason.to_string())
    }
}

/// Shortens a text that may come from a caller, and escapes characters that hide others.
fn shown(text: Cow<'static, str>, bytes_max: usize) -> Cow<'static, str> {
    match printable(&text) {
        Cow::Borrowed(_) => cut(text, bytes_max),
        Cow::Owned(text) => cut(Cow::Owned(text), bytes_max),
    }
}

fn cut(text: Cow<'static, str>, bytes_max: usize) -> Cow<'static, str> {
    if text.len() <= bytes_max {
        return text;
    }
    let end = (0..=bytes_max)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    Cow::Owned(format!("{}…", &text[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use florin_actors::messages::{EntityId, Void};

    #[test]
    fn a_long_text_of_the_callers_is_not_repeated() {
        let problem = Problem::malformed("é".repeat(1_000), "is unknown");
        assert!(problem.detail.len() < DETAIL_BYTES_MAX + 4);
        assert!(problem.field().is_some_and(|field| field.ends_with('…')));
    }

    #[test]
    fn hidden_characters_of_the_callers_are_spelled_out() {
        let problem = Problem::malformed("a\u{202e}b", "is unknown");
        assert_eq!(problem.detail, "a\\u{202e}b is unknown");
        assert_eq!(problem.field(), Some("a\\u{202e}b"));
    }

    #[test]
    fn a_refusal_keeps_the_rules_own_sentence() {
        let rejection = Rejection::new(Code::SameAccount, "both ends are the same account");
        let transfer = EntityId::from_parts(1, 2, 3);
        let command = Command::Void(Void { transfer });
        let problem = Problem::refused(&rejection, &command);
        assert_eq!(problem.code(), ProblemCode::SameAccount);
        assert_eq!(problem.detail, "both ends are the same account");
    }

    #[test]
    fn every_503_says_when_to_come_back() {
        for code in ProblemCode::ALL
            .iter()
            .filter(|code| code.status().as_u16() == 503)
        {
            let id = RequestId::given("r").unwrap();
            let response = Problem::new(*code, "x").into_response(&id);
            assert!(response.headers().contains_key(RETRY_AFTER));
        }
    }
}
