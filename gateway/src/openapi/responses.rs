//! The responses of operations.

use serde_json::{Map, Value, json};
use utoipa::ToSchema as _;
use warp::http::StatusCode;

use super::components::Components;
use super::example;
use crate::http::{PROBLEM_TYPE, ProblemBody, ProblemCode};
use crate::routing::{Answer, Route};

/// A header of a response: its name, whether it is always present, its meaning, and an example.
type Header = (&'static str, bool, &'static str, &'static str);

const REQUEST_ID: Header = (
    "X-Request-Id",
    true,
    "The request's id: the one given, or a new one.",
    "order-1042",
);
const TRACEPARENT: Header = (
    "traceparent",
    false,
    "The trace that the request named.",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
);
const ETAG: Header = (
    "ETag",
    false,
    "The entity's version in quotes, for `If-Match`. A dry run has none.",
    "\"3\"",
);
const REPLAYED: Header = (
    "Idempotent-Replayed",
    false,
    "`true` if the key was used before: this answer repeats the first one.",
    "true",
);
const PREFERENCE: Header = (
    "Preference-Applied",
    false,
    "The preferences in `Prefer` that were applied.",
    "wait=10",
);
const LOCATION: Header = (
    "Location",
    true,
    "The path of the new entity, or of the operation to follow.",
    "/operations/0197a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b",
);
const RETRY_AFTER: Header = (
    "Retry-After",
    true,
    "The number of seconds to wait before the next attempt.",
    "1",
);
const ALLOW: Header = (
    "Allow",
    true,
    "The methods that the path supports.",
    "GET, POST",
);

/// Returns the response for an answer to a request that succeeds.
pub(super) fn success(route: &Route, answer: &Answer, components: &mut Components) -> Value {
    match answer.shared_as {
        Some(name) => components.response(name, |components| response(route, answer, components)),
        None => response(route, answer, components),
    }
}

fn response(route: &Route, answer: &Answer, components: &mut Components) -> Value {
    let mut headers = vec![REQUEST_ID, TRACEPARENT];
    if route.purpose.is_command() {
        headers.extend([REPLAYED, PREFERENCE]);
    }
    if answer.has_version {
        headers.push(ETAG);
    }
    if matches!(answer.status, 201 | 202 | 303) {
        headers.push(LOCATION);
    }
    let mut content = Map::new();
    for content_type in answer.content_types {
        let schema = match &answer.body {
            Some(body) => json!({"$ref": format!("#/components/schemas/{}", (body.name)())}),
            None if content_type.ends_with("json") => json!({"type": "object"}),
            None => json!({"type": "string"}),
        };
        let mut described = json!({"schema": schema});
        if answer.body.is_some() {
            described["example"] = example::of(&schema, &components.schemas);
        }
        content.insert((*content_type).to_owned(), described);
    }
    let mut response = json!({
        "description": answer.when,
        "headers": references(&headers, components),
    });
    if !content.is_empty() {
        response["content"] = Value::Object(content);
    }
    response
}

/// Returns the response for all problems with this status. All operations share it.
pub(super) fn problem(status: StatusCode, components: &mut Components) -> Value {
    let reason = status.canonical_reason().unwrap_or("Problem");
    let name: String = reason.split_whitespace().collect();
    components.response(&name, |components| {
        let mut headers = vec![REQUEST_ID, TRACEPARENT, REPLAYED, PREFERENCE];
        match status {
            StatusCode::SERVICE_UNAVAILABLE => headers.push(RETRY_AFTER),
            StatusCode::GATEWAY_TIMEOUT => headers.push(LOCATION),
            StatusCode::METHOD_NOT_ALLOWED => headers.push(ALLOW),
            _ => {}
        }
        let codes = ProblemCode::ALL.iter().copied();
        let codes = codes.filter(|code| code.status() == status);
        let examples: Map<String, Value> = codes
            .map(|code| {
                let example = json!({"summary": code.title(), "value": example_of(code)});
                (code.name().to_owned(), example)
            })
            .collect();
        let schema = json!({"$ref": format!("#/components/schemas/{}", ProblemBody::name())});
        json!({
            "description": format!("{reason}: `code` says why, and the operation lists its codes."),
            "headers": references(&headers, components),
            "content": {PROBLEM_TYPE: {"schema": schema, "examples": examples}},
        })
    })
}

fn example_of(code: ProblemCode) -> Value {
    json!({
        "type": format!("/problems/{}", code.slug()),
        "title": code.title(),
        "status": code.status().as_u16(),
        "detail": code.title(),
        "code": code.name(),
        "error": code.title(),
        "retry": code.retry().name(),
        "request_id": REQUEST_ID.3,
    })
}

fn references(headers: &[Header], components: &mut Components) -> Value {
    let mut all = Map::new();
    for (name, required, description, example) in headers {
        let shared = name.replace('-', "");
        let reference = components.header(&shared, || {
            json!({"required": required, "description": description,
                "schema": {"type": "string"}, "example": example})
        });
        all.insert((*name).to_owned(), reference);
    }
    Value::Object(all)
}
