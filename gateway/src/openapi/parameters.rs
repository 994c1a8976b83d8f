//! The parameters of operations: in the path, the query and the headers.

use serde_json::{Value, json};

use super::components::Components;
use crate::routing::{Filter, Form, Parameter, Purpose, Route};

/// The pattern of a dead letter's id: `topic.dlq:partition:offset`.
const DEAD_LETTER: &str = r"^[A-Za-z0-9._-]{1,245}\.dlq:(0|[1-9][0-9]{0,8}):(0|[1-9][0-9]{0,17})$";

/// The pattern of an idempotency key in its header: bare, or in quotes with `\"` and `\\` escaped.
pub(super) const KEY_PATTERN: &str = r#"^([!#-~][!-~]*|"([!#-\[\]-~]|\\["\\])+")$"#;
const KEY: &str = "The same key with the same request is executed once; a repeat gets the first \
answer, with the header `Idempotent-Replayed: true`. Another request under a used key is refused \
with `idempotency_key_reused`. Keys are kept for 7 days by default. A key may stand in quotes, as a \
string of RFC 8941: `\"k1\"` is the same key as `k1`.";
const IF_MATCH: &str = "The version that the entity must have, in quotes; for a transfer, it is \
the version of its source. `*` allows any version. If the entity has another version, the \
request is refused with `version_mismatch`.";
const PREFER: &str = "`wait=N` waits up to N seconds for the outcome (1 to 30; by default 5). \
`respond-async` answers 202 as soon as the command is durable, and it is executed afterwards; with \
both, 202 is answered only if the outcome is not there after N seconds. `wait=0` is the same as \
`respond-async`. Only commands that move money can be answered with 202. The header \
`Preference-Applied` of the answer says which preference was applied.";
const DRY_RUN: &str = "Decides the command and answers as if it was executed, but does nothing: \
no money moves, no operation exists afterwards, and no key is used. The answer has `dry_run: true`.";
const CURSOR: &str = "The `next_cursor` of the previous page, with the same filters. Without it, \
the answer is the first page.";
const REQUEST_ID: &str = "An id of the request for logs, 1 to 128 visible ASCII characters. \
Without it, the server makes one. The answer repeats the id.";
const CORRELATION: &str = "The id of the process that this request belongs to. It is kept in the \
record and in its events.";
const AT: &str = "The time of the balance, in RFC 3339 with a time zone; it must not be in the \
future. Without it, the answer is the current balance.";

/// Returns all parameters of a route.
pub(super) fn describe(route: &Route, components: &mut Components) -> Vec<Value> {
    let in_path = route.parameters();
    let in_path = in_path.map(|parameter| in_path_of(route, parameter, components));
    let mut all: Vec<Value> = in_path.collect();
    match &route.purpose {
        Purpose::Command { precondition, .. } => {
            all.extend(of_command(route, *precondition, components));
        }
        Purpose::List { filters } => {
            all.extend(filters.iter().map(filter));
            all.extend(of_list(components));
        }
        Purpose::ReadAt => all
            .push(components.parameter("At", || query("at", AT, &time(), "2026-01-31T12:00:00Z"))),
        Purpose::Follow => {
            all.push(components.parameter("LastEventID", || {
                let text =
                    "The id of the last event that was received: its state is not sent again.";
                header("Last-Event-ID", text, &json!({"type": "string"}), "pending")
            }));
        }
        Purpose::Task { .. } | Purpose::Read | Purpose::Page | Purpose::File => {}
    }
    all.push(components.parameter("XRequestId", || {
        let schema = json!({"type": "string", "minLength": 1, "maxLength": 128});
        header("X-Request-Id", REQUEST_ID, &schema, "order-1042")
    }));
    all.push(components.parameter("Traceparent", || {
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let text = "The trace that this request belongs to (W3C Trace Context).";
        header("traceparent", text, &json!({"type": "string"}), trace)
    }));
    all
}

fn of_command(route: &Route, precondition: bool, components: &mut Components) -> Vec<Value> {
    let mut all = vec![];
    if route.has_id_in_query {
        let mut id = query("id", &route.subject.description(), &id(), ID);
        id["required"] = json!(true);
        all.push(id);
    }
    all.push(components.parameter("DryRun", || {
        let schema = json!({"type": "boolean", "default": false});
        query("dry_run", DRY_RUN, &schema, true)
    }));
    all.push(components.parameter("IdempotencyKey", || {
        let schema =
            json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": KEY_PATTERN});
        header("Idempotency-Key", KEY, &schema, "order-1042-payment")
    }));
    if precondition {
        all.push(components.parameter("IfMatch", || {
            let schema = json!({"type": "string", "pattern": r#"^("[0-9]{1,19}"|\*)$"#});
            header("If-Match", IF_MATCH, &schema, "\"3\"")
        }));
    }
    all.push(components.parameter("Prefer", || {
        header(
            "Prefer",
            PREFER,
            &json!({"type": "string"}),
            "respond-async",
        )
    }));
    all.push(components.parameter("XCorrelationId", || {
        let schema = json!({"type": "string"});
        header("X-Correlation-Id", CORRELATION, &schema, "checkout-77")
    }));
    all
}

fn of_list(components: &mut Components) -> [Value; 2] {
    let limit = components.parameter("Limit", || {
        let schema = json!({"type": "integer", "format": "int32", "minimum": 1, "maximum": 1000,
            "default": 50});
        query(
            "limit",
            "The largest number of entries on one page.",
            &schema,
            50,
        )
    });
    let cursor = components.parameter("Cursor", || {
        let schema = json!({"type": "string", "minLength": 1, "pattern": "^[A-Za-z0-9_-]+$"});
        query("cursor", CURSOR, &schema, "AZehssPUfl-Ka3yNng8aKw")
    });
    [limit, cursor]
}

fn filter(filter: &Filter) -> Value {
    let schema = match filter.form {
        Form::Text => json!({"type": "string"}),
        Form::Id => id(),
        Form::Time => time(),
        Form::Sequence => json!({"type": "integer", "format": "int64", "minimum": 0}),
        Form::OneOf(words) => json!({"type": "string", "enum": words()}),
    };
    let example = match filter.form {
        Form::OneOf(words) => json!(words().first()),
        Form::Sequence => json!(1),
        Form::Text | Form::Id | Form::Time => json!(filter.example),
    };
    let mut parameter = query(filter.name, filter.description, &schema, example);
    parameter["required"] = json!(filter.required);
    parameter
}

fn in_path_of(route: &Route, parameter: Parameter, components: &mut Components) -> Value {
    let subject = (route.subject.component(), route.subject.description());
    let (shared, description) = match parameter {
        Parameter::Id => (&*subject.0, &*subject.1),
        Parameter::Kind => ("EntityKind", "The kind of the entity."),
        Parameter::Code => (
            "ProblemSlug",
            "The problem's code with dashes, as in a problem's `type`.",
        ),
        Parameter::Schema => (
            "EventSchemaFile",
            "The event type and its version, followed by `.json`.",
        ),
        Parameter::Letter => (
            "DeadLetterId",
            "The dead letter's id: topic, partition and offset.",
        ),
        Parameter::File => ("File", "The name of the file."),
    };
    let known = || {
        let values = parameter.values().unwrap_or_default();
        (
            json!({"type": "string", "enum": values}),
            json!(values.first()),
        )
    };
    let (schema, example) = match parameter {
        Parameter::Id => (id(), json!(ID)),
        Parameter::Kind | Parameter::Code | Parameter::Schema => known(),
        Parameter::Letter => {
            let schema = json!({"type": "string", "pattern": DEAD_LETTER});
            (schema, json!("deposit-requests.dlq:0:7"))
        }
        Parameter::File => (json!({"type": "string"}), json!("swagger-ui.css")),
    };
    components.parameter(shared, || {
        json!({"name": parameter.name(), "in": "path", "required": true,
            "description": description, "schema": schema, "example": example})
    })
}

const ID: &str = "0197a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b";

fn id() -> Value {
    json!({"type": "string", "format": "uuid"})
}

/// Returns the schema of a time. It excludes the empty string, which a validator that ignores
/// formats would accept.
fn time() -> Value {
    json!({"type": "string", "format": "date-time", "minLength": 1})
}

fn query(name: &str, description: &str, schema: &Value, example: impl Into<Value>) -> Value {
    json!({"name": name, "in": "query", "required": false, "description": description,
        "schema": schema, "example": example.into()})
}

fn header(name: &str, description: &str, schema: &Value, example: &str) -> Value {
    json!({"name": name, "in": "header", "required": false, "description": description,
        "schema": schema, "example": example})
}
