//! The JSON Schema of each event type's value, generated from the value's Rust type. A schema lists
//! the fields that are always present. Readers ignore fields that it doesn't describe.

#[cfg(test)]
mod checked;
#[cfg(test)]
mod compatible;
#[cfg(test)]
mod documents;
mod types;

#[cfg(test)]
pub(crate) use checked::check;

use serde_json::{Map, Value as Json, json};

use super::event_type::EventType;

/// The schemas of versions that are no longer produced but may still be read: `ce_type` and
/// document. They are the frozen copies in `docs/reference/schemas/released`.
const OLDER: &[(&str, &str)] = &[];

/// The schema of a struct that several event types share, with the restrictions for one type.
struct Narrowed {
    schema: Json,
    /// Fields that have a fixed value in this type.
    constants: Vec<(&'static str, &'static str)>,
    /// Fields that are never missing or null in this type.
    always: &'static [&'static str],
}

/// Returns the schemas of every event type's present version and of all older versions: `ce_type`
/// and document.
pub fn schemas() -> Vec<(String, Json)> {
    let present = EventType::ALL.iter();
    let present = present.map(|event_type| (event_type.cloud().to_owned(), schema(*event_type)));
    let older = OLDER.iter().map(|(name, text)| {
        // The schemas are constants, and a test parses each of them.
        let document = serde_json::from_str(text).unwrap_or_default();
        ((*name).to_owned(), document)
    });
    present.chain(older).collect()
}

/// Returns the schema of a type's values, in its present version.
pub fn schema(event_type: EventType) -> Json {
    let Narrowed {
        mut schema,
        constants,
        always,
    } = narrowed(event_type);
    if let Some(properties) = schema.get_mut("properties").and_then(Json::as_object_mut) {
        for (field, value) in constants {
            constant(properties, field, value);
        }
    }
    require(&mut schema, always);
    let required = schema["required"].clone();
    if let Some(properties) = schema.get_mut("properties").and_then(Json::as_object_mut) {
        for (field, own) in properties {
            let is_left_away = !array(&required).iter().any(|name| name == field);
            // An optional field is omitted instead of being null.
            if is_left_away || always.contains(&field.as_str()) {
                never_null(own);
            }
        }
    }
    let mut document = Map::new();
    let name = event_type.cloud();
    let dialect = "https://json-schema.org/draft/2020-12/schema";
    document.insert("$schema".to_owned(), json!(dialect));
    document.insert("$id".to_owned(), json!(format!("/schemas/{name}.json")));
    if let Json::Object(schema) = schema {
        document.extend(schema);
    }
    document.insert("title".to_owned(), json!(event_type.document()));
    Json::Object(document)
}

fn narrowed(event_type: EventType) -> Narrowed {
    let form = event_type.form();
    let type_field = form.type_field();
    let names = type_field.map(|field| (field, event_type.document()));
    let status = event_type.status().map(|status| ("status", status));
    Narrowed {
        schema: form.schema(),
        constants: names.into_iter().chain(status).collect(),
        always: event_type.always(),
    }
}

/// Restricts a field to a constant text.
fn constant(properties: &mut Map<String, Json>, field: &str, value: &str) {
    let Some(schema) = properties.get_mut(field).and_then(Json::as_object_mut) else {
        return;
    };
    schema.insert("const".to_owned(), json!(value));
}

/// Removes null from the allowed types of a field.
fn never_null(schema: &mut Json) {
    let Json::Object(schema) = schema else {
        return;
    };
    let is_null = |choice: &Json| *choice == json!("null") || choice["type"] == "null";
    if let Some(Json::Array(types)) = schema.get_mut("type") {
        types.retain(|one| !is_null(one));
        if let [one] = types.as_slice() {
            let one = one.clone();
            schema.insert("type".to_owned(), one);
        }
    }
    if let Some(Json::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| !is_null(choice));
        if let [Json::Object(one)] = choices.as_slice() {
            let one = one.clone();
            schema.remove("anyOf");
            for (keyword, value) in one {
                // The field's own keywords, such as its description, take precedence over those of
                // its type.
                schema.entry(keyword).or_insert(value);
            }
        }
    }
}

/// Adds fields to the schema's required fields, which are kept sorted.
fn require(schema: &mut Json, always: &[&str]) {
    let mut required: Vec<String> = array(&schema["required"])
        .iter()
        .filter_map(|name| name.as_str().map(str::to_owned))
        .chain(always.iter().map(|name| (*name).to_owned()))
        .collect();
    required.sort_unstable();
    required.dedup();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("required".to_owned(), json!(required));
    }
}

fn array(value: &Json) -> &[Json] {
    value.as_array().map_or(&[], Vec::as_slice)
}
