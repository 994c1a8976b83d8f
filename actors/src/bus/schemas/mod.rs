//! The JSON Schema of each event type's value, made from the value's own type. A schema says what is
//! always there; readers ignore fields that it doesn't name.

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
use super::values::{
    AccountChanged, CardTold, FundsAdded, MovementTold, TransactionTold, TransferTold, WalletOpened,
};

/// The schemas of versions that are no longer made but may still be read: `ce_type`, document. They
/// are the frozen copies of `docs/reference/schemas/released`.
const OLDER: &[(&str, &str)] = &[];

/// What a value of one type has beyond its struct, which several types share.
struct Narrowed {
    schema: Json,
    /// Fields that have one value in this type.
    constants: Vec<(&'static str, &'static str)>,
    /// Fields that are never missing nor null in this type.
    always: &'static [&'static str],
}

/// Every event type's schema in its present version, and those of older versions: `ce_type`, document.
pub fn schemas() -> Vec<(String, Json)> {
    let present = EventType::ALL.iter();
    let present = present.map(|event_type| (event_type.cloud().to_owned(), schema(*event_type)));
    let older = OLDER.iter().map(|(name, text)| {
        // A test reads each of them.
        let document = serde_json::from_str(text).unwrap_or_default();
        ((*name).to_owned(), document)
    });
    present.chain(older).collect()
}

/// The schema of the values of a type, in its present version.
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
            // A field is left away in place of being null.
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

/// The struct's own schema, as it is written, with everything in place.
fn made<T: JsonSchema>() -> Json {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let settings = settings.with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let schema = settings.into_generator().into_root_schema_for::<T>();
    schema.to_value()
}

/// The field is this text and nothing else.
fn constant(properties: &mut Map<String, Json>, field: &str, value: &str) {
    let Some(schema) = properties.get_mut(field).and_then(Json::as_object_mut) else {
        return;
    };
    schema.insert("const".to_owned(), json!(value));
}

/// Takes null from what a field may be.
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
                // The field's own description says more than its type's.
                schema.entry(keyword).or_insert(value);
            }
        }
    }
}

/// The schema's required fields are these too, sorted.
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
