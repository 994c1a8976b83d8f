//! The schemas of all bodies, made from their types.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use utoipa::openapi::{RefOr, schema::Schema};
use utoipa::{PartialSchema as _, ToSchema as _};

use crate::http::ProblemBody;
use crate::routing::Route;

/// Returns every schema that these routes or a problem need, by name.
pub(super) fn collect(routes: &[&Route]) -> BTreeMap<String, Value> {
    let mut found: Vec<(String, RefOr<Schema>)> = vec![];
    ProblemBody::schemas(&mut found);
    found.push((ProblemBody::name().into_owned(), ProblemBody::schema()));
    for route in routes {
        let bodies = route
            .answers
            .iter()
            .filter_map(|answer| answer.body.as_ref());
        for body in bodies.chain(route.purpose.body()) {
            (body.collect)(&mut found);
        }
    }
    let to_json = |(name, schema)| (name, serde_json::to_value(schema).unwrap_or_default());
    let mut schemas: BTreeMap<String, Value> = found.into_iter().map(to_json).collect();
    let all = schemas.clone();
    let mut parts = BTreeSet::new();
    for schema in schemas.values_mut() {
        parts.extend(merge(schema, &all));
    }
    // A part that only compositions referred to is of no more use.
    let text = serde_json::to_string(&schemas).unwrap_or_default();
    schemas.retain(|name, _| {
        let reference = format!("\"#/components/schemas/{name}\"");
        !parts.contains(name) || text.contains(&reference)
    });
    schemas
}

/// Returns the name of the schema that a reference points to.
pub(super) fn referred(schema: &Value) -> Option<&str> {
    schema["$ref"]
        .as_str()?
        .strip_prefix("#/components/schemas/")
}

/// Turns a schema that is composed with `allOf` into one object. Client generators handle an object
/// better than a composition. Returns the names of the schemas that it was composed of.
fn merge(schema: &mut Value, all: &BTreeMap<String, Value>) -> Vec<String> {
    let Some(parts) = schema["allOf"].as_array().cloned() else {
        return vec![];
    };
    let mut names = vec![];
    let mut properties = Map::new();
    let mut required = vec![];
    for part in &parts {
        let name = referred(part);
        names.extend(name.map(str::to_owned));
        let part = name.and_then(|name| all.get(name)).unwrap_or(part);
        properties.extend(part["properties"].as_object().cloned().unwrap_or_default());
        required.extend(part["required"].as_array().cloned().unwrap_or_default());
    }
    let description = schema["description"].take();
    *schema = json!({
        "type": "object",
        "description": description,
        "properties": properties,
        "required": required,
    });
    names
}
