//! The one place where anything that went wrong becomes an answer: RFC 9457 problem details with
//! Florin's own members.

use std::borrow::Cow;

use florin_actors::messages::{Code, FailedItem, OperationId, Rejection, RequestId};
use florin_actors::runtime::Unavailable;
use serde::Serialize;
use utoipa::ToSchema;
use warp::http::header::{ALLOW, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use warp::http::{HeaderMap, HeaderValue, StatusCode};
use warp::reply::Response;

use crate::codes::ProblemCode;

/// The longest sentence that repeats something of the caller's, in bytes.
const DETAIL_BYTES_MAX: usize = 400;
/// The longest field name that is repeated, in bytes.
const FIELD_BYTES_MAX: usize = 200;
/// What a caller who was turned away should wait, in seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    code: ProblemCode,
    detail: Cow<'static, str>,
    field: Option<Cow<'static, str>>,
    operation_id: Option<OperationId>,
    item: Option<FailedItem>,
    allow: Option<&'static str>,
}

/// The type of every refusal's body.
pub const PROBLEM_TYPE: &str = "application/problem+json";

/// The body of every refusal, `application/problem+json` (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// The page of this code, relative to this server.
    #[serde(rename = "type")]
    #[schema(example = "/problems/insufficient-funds")]
    kind: String,
    /// The code in words.
    title: &'a str,
    /// The HTTP status again.
    status: u16,
    /// What was asked and what stood against it.
    detail: &'a str,
    /// The stable code.
    #[schema(example = "insufficient_funds")]
    code: &'a str,
    /// The detail again.
    error: &'a str,
    /// The request's id, as in `X-Request-Id`.
    #[schema(value_type = String)]
    request_id: Text<'a, RequestId>,
    /// The operation that tells the outcome, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid, nullable = false)]
    operation_id: Option<OperationId>,
    /// Which field, header or parameter is malformed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<&'a str>,
    /// The place of the item or leg that a whole batch or transaction was refused for, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    failed_index: Option<u32>,
    /// The stable code of the rule that refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    item_code: Option<&'static str>,
}

/// Writes a value by its `Display`.
#[derive(Debug)]
struct Text<'a, T>(&'a T);

impl<T: std::fmt::Display> Serialize for Text<'_, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

impl Problem {
    /// A problem with its sentence.
    pub fn new(code: ProblemCode, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = cut(detail.into(), DETAIL_BYTES_MAX);
        Self {
            code,
            detail,
            field: None,
            operation_id: None,
            item: None,
            allow: None,
        }
    }

    /// A malformed field, header or query parameter; the sentence follows its name.
    pub fn malformed(field: impl Into<Cow<'static, str>>, detail: impl std::fmt::Display) -> Self {
        Self::of_field(ProblemCode::InvalidRequest, field, detail)
    }

    /// A problem of one field; the sentence follows its name.
    pub fn of_field(
        code: ProblemCode,
        field: impl Into<Cow<'static, str>>,
        detail: impl std::fmt::Display,
    ) -> Self {
        let field = cut(field.into(), FIELD_BYTES_MAX);
        let mut problem = Self::new(code, format!("{field} {detail}"));
        problem.field = Some(field);
        problem
    }

    /// There is no such thing.
    pub fn not_found(what: &'static str) -> Self {
        Self::new(ProblemCode::NotFound, what)
    }

    /// The path is known, its method is not.
    pub fn method_not_allowed(method: &str, allowed: &'static str) -> Self {
        let detail = format!("{method} is not allowed here, {allowed} is");
        let mut problem = Self::new(ProblemCode::MethodNotAllowed, detail);
        problem.allow = Some(allowed);
        problem
    }

    /// The wait is over; the operation tells the outcome later.
    pub fn not_confirmed(operation_id: OperationId) -> Self {
        let detail = "the command was not confirmed within the wait, it may still be done";
        Self::new(ProblemCode::ConfirmationTimeout, detail).with_operation(operation_id)
    }

    /// A rule said no.
    pub fn refused(rejection: &Rejection) -> Self {
        let mut problem = Self::new(rejection.code.into(), rejection.detail.clone());
        problem.item = rejection.item;
        problem
    }

    /// Names the operation that it is about.
    #[must_use]
    pub fn with_operation(mut self, operation_id: OperationId) -> Self {
        self.operation_id = Some(operation_id);
        self
    }

    /// Which problem it is.
    #[cfg(test)]
    pub const fn code(&self) -> ProblemCode {
        self.code
    }

    /// Which field is malformed.
    #[cfg(test)]
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// The answer to the request of that id.
    pub fn into_response(self, request_id: &RequestId) -> Response {
        let status = self.code.status();
        let body = ProblemBody {
            kind: format!("/problems/{}", self.code.slug()),
            title: self.code.title(),
            status: status.as_u16(),
            detail: &self.detail,
            code: self.code.name(),
            error: &self.detail,
            request_id: Text(request_id),
            operation_id: self.operation_id,
            field: self.field.as_deref(),
            failed_index: self.item.map(|item| item.index),
            item_code: self.item.map(|item| Code::name(item.code)),
        };
        // Only texts and numbers: nothing here can fail to become JSON.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = Response::new(body.into());
        *response.status_mut() = status;
        self.write_headers(response.headers_mut());
        let kind = HeaderValue::from_static(PROBLEM_TYPE);
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }

    fn write_headers(&self, headers: &mut HeaderMap) {
        let location = match (self.code, self.operation_id) {
            (ProblemCode::ConfirmationTimeout, Some(id)) => Some(format!("/operations/{id}")),
            _ => None,
        };
        for (name, value) in [(LOCATION, location.as_deref()), (ALLOW, self.allow)] {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                headers.insert(name, value);
            }
        }
        if self.code.status() == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
    }
}

impl From<Unavailable> for Problem {
    fn from(reason: Unavailable) -> Self {
        Self::new(reason.into(), reason.to_string())
    }
}

/// Keeps what a caller sent from being repeated at length.
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
    use florin_actors::messages::Code;

    #[test]
    fn a_long_text_of_the_callers_is_not_repeated() {
        let problem = Problem::malformed("é".repeat(1_000), "is unknown");
        assert!(problem.detail.len() < DETAIL_BYTES_MAX + 4);
        assert!(problem.field().is_some_and(|field| field.ends_with('…')));
    }

    #[test]
    fn a_refusal_keeps_the_rules_own_sentence() {
        let rejection = Rejection::new(Code::SameAccount, "both ends are the same account");
        let problem = Problem::refused(&rejection);
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
