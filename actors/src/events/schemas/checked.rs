//! A strict checker of values against the generated schemas. A field that the schema doesn't
//! describe is also an error, because readers would not know about it.

use serde_json::Value as Json;

/// Checks a value against a schema. An error names the first place that doesn't match, and the
/// reason.
pub(crate) fn check(schema: &Json, value: &Json) -> Result<(), String> {
    at("$", schema, value)
}

fn at(place: &str, schema: &Json, value: &Json) -> Result<(), String> {
    let fail = |what: String| Err(format!("{place}: {value} {what}"));
    for (keyword, wanted) in schema.as_object().ok_or("no schema")? {
        let fits = match keyword.as_str() {
            "$schema" | "$id" | "title" | "description" | "default" => true,
            "type" => match wanted {
                Json::Array(types) => types.iter().any(|one| is(one, value)),
                one => is(one, value),
            },
            "const" => wanted == value,
            "enum" => wanted.as_array().ok_or("no enum")?.contains(value),
            "minimum" => value
                .as_i64()
                .is_none_or(|number| number >= wanted.as_i64().unwrap()),
            "pattern" => {
                // The schemas use only two patterns: a currency's and a country's.
                let is_currency = wanted == "^[A-Z0-9]{3,8}$";
                assert!(is_currency || wanted == "^[A-Z]{2}$", "{wanted}");
                value.as_str().is_none_or(|text| {
                    let fits = |byte: u8| {
                        byte.is_ascii_uppercase() || is_currency && byte.is_ascii_digit()
                    };
                    let lengths = if is_currency { 3..=8 } else { 2..=2 };
                    lengths.contains(&text.len()) && text.bytes().all(fits)
                })
            }
            "format" => value.as_str().is_none_or(|text| match wanted.as_str() {
                Some("uuid") => uuid::Uuid::try_parse(text).is_ok() && text.len() == 36,
                Some("date-time") => text.parse::<crate::words::Timestamp>().is_ok(),
                _ => true,
            }),
            "anyOf" => {
                let choices = wanted.as_array().ok_or("no choices")?;
                choices
                    .iter()
                    .any(|choice| at(place, choice, value).is_ok())
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    at(&format!("{place}[{index}]"), wanted, item)?;
                }
                true
            }
            "required" => {
                let Some(fields) = value.as_object() else {
                    continue;
                };
                let names = wanted.as_array().ok_or("no names")?;
                names
                    .iter()
                    .all(|name| fields.contains_key(name.as_str().unwrap_or_default()))
            }
            "properties" => {
                for (name, field) in value.as_object().into_iter().flatten() {
                    let Some(own) = wanted.get(name) else {
                        return Err(format!("{place}.{name}: not described"));
                    };
                    at(&format!("{place}.{name}"), own, field)?;
                }
                true
            }
            "additionalProperties" => {
                for (name, field) in value.as_object().into_iter().flatten() {
                    at(&format!("{place}.{name}"), wanted, field)?;
                }
                true
            }
            other => return Err(format!("{place}: the keyword {other} is unknown")),
        };
        if !fits {
            return fail(format!("is not what {keyword} {wanted} asks for"));
        }
    }
    Ok(())
}

fn is(name: &Json, value: &Json) -> bool {
    match name.as_str() {
        Some("null") => value.is_null(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => false,
    }
}

#[test]
fn what_does_not_fit_is_found() {
    use crate::events::{EventType, schema};
    use serde_json::json;

    let schema = schema(EventType::AccountCreated);
    let good = json!({
        "type": "account.created", "account_id": "01900000-0000-7000-8000-000000000001",
        "status": "ACTIVE", "version": 1, "timestamp": "2026-01-01T00:00:00.000000Z",
    });
    assert_eq!(check(&schema, &good), Ok(()));
    for (field, wrong) in [
        ("type", json!("account.opened")),
        ("account_id", json!("1")),
        ("status", json!("OPEN")),
        ("version", json!("1")),
        ("version", json!(-1)),
        ("timestamp", json!("yesterday")),
        ("more", json!(1)),
        ("status", Json::Null),
    ] {
        let mut value = good.clone();
        value[field] = wrong;
        assert!(check(&schema, &value).is_err(), "{value}");
    }
    let mut value = good;
    value.as_object_mut().unwrap().remove("status");
    assert!(check(&schema, &value).is_err());
}
