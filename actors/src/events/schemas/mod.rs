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

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value as Json, json};

use super::event_type::EventType;
use super::values::AccountChanged;
use super::values::CardTold;
use super::values::MovementTold;
use super::values::TransactionTold;
use super::values::TransferTold;
use super::values::{FundsAdded, WalletOpened};

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
    const REFUSED: &[&str] = &["code", "error"];
    let name = event_type.document();
    let told = |status: &'static str, always: &'static [&'static str]| Narrowed {
        schema: made::<TransactionTold>(),
        constants: vec![("eventType", name), ("status", status)],
        always,
    };
    let movement = |always: &'static [&'static str]| Narrowed {
        schema: made::<MovementTold>(),
        constants: Vec::new(),
        always,
    };
    let transfer = |always: &'static [&'static str]| Narrowed {
        schema: made::<TransferTold>(),
        constants: Vec::new(),
        always,
    };
    let of = |schema: Json, field: &'static str| Narrowed {
        schema,
        constants: vec![(field, name)],
        always: &[],
    };
    match event_type {
        EventType::AccountCreated | EventType::AccountStatusChanged => {
            of(made::<AccountChanged>(), "type")
        }
        EventType::WalletCreated | EventType::WalletCreatedEvent => {
            of(made::<WalletOpened>(), "eventType")
        }
        EventType::CardCreated | EventType::CardDeleted => of(made::<CardTold>(), "type"),
        EventType::FundsAdded => of(made::<FundsAdded>(), "eventType"),
        EventType::TransactionInitiated => told("PENDING", &[]),
        EventType::TransactionCompleted => told("COMPLETED", &[]),
        EventType::TransactionFailed => told("FAILED", REFUSED),
        EventType::DepositRequested | EventType::WithdrawalRequested => movement(&[]),
        EventType::DepositCompleted | EventType::WithdrawalCompleted => {
            movement(&["currency", "balance_after", "version"])
        }
        EventType::DepositFailed | EventType::WithdrawalFailed => movement(REFUSED),
        EventType::TransferRequested => transfer(&[]),
        EventType::TransferCompleted => transfer(&["currency", "from", "to"]),
        EventType::TransferFailed => transfer(REFUSED),
    }
}

/// Returns the schema of the struct as it is serialized, with all subschemas inlined.
fn made<T: JsonSchema>() -> Json {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let settings = settings.with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let schema = settings.into_generator().into_root_schema_for::<T>();
    schema.to_value()
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
