//! Examples made from schemas: the example that a schema itself gives, or else a value of its type.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::schemas::referred;

const ID: &str = "0197a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b";
const TIME: &str = "2026-01-31T12:00:00.000000Z";

/// The optional fields that are left out of examples: a header says the same as the first one, and
/// only aliases answer with the second one.
const LEFT_OUT: [&str; 2] = ["idempotency_key", "beholder_name"];

/// Returns a value that a schema allows. For an object the value has the required fields and those
/// that have an example.
pub(super) fn of(schema: &Value, schemas: &BTreeMap<String, Value>) -> Value {
    if let Some(own) = own(schema) {
        return own.clone();
    }
    if let Some(named) = referred(schema).and_then(|name| schemas.get(name)) {
        return of(named, schemas);
    }
    for first in [&schema["oneOf"][0], &schema["enum"][0]] {
        match first {
            Value::Null => {}
            Value::Object(_) => return of(first, schemas),
            value => return value.clone(),
        }
    }
    match kind(schema) {
        "object" => object(schema, schemas),
        "array" => json!([of(&schema["items"], schemas)]),
        "integer" | "number" => match &schema["minimum"] {
            Value::Null => json!(0),
            least => least.clone(),
        },
        "boolean" => json!(false),
        _ => match schema["format"].as_str() {
            Some("uuid") => json!(ID),
            Some("date-time") => json!(TIME),
            _ => json!("text"),
        },
    }
}

/// Returns the example that a schema itself gives.
pub(super) fn own(schema: &Value) -> Option<&Value> {
    let single = schema.get("example");
    single.or_else(|| schema.get("examples")?.get(0))
}

/// Returns the type of a schema. For a schema that allows null it is the other type.
fn kind(schema: &Value) -> &str {
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.as_slice(),
        kind => std::slice::from_ref(kind),
    };
    let mut kinds = kinds.iter().filter_map(Value::as_str);
    kinds.find(|kind| *kind != "null").unwrap_or_default()
}

fn object(schema: &Value, schemas: &BTreeMap<String, Value>) -> Value {
    let required: Vec<&str> = schema["required"].as_array().map_or(vec![], |names| {
        names.iter().filter_map(Value::as_str).collect()
    });
    let mut fields = Map::new();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let is_told = own(field).is_some() && !LEFT_OUT.contains(&name.as_str());
        if required.contains(&name.as_str()) || is_told {
            fields.insert(name.clone(), of(field, schemas));
        }
    }
    if let Some(others @ Value::Object(_)) = schema.get("additionalProperties") {
        fields.insert("USD".to_owned(), of(others, schemas));
    }
    Value::Object(fields)
}
