//! The rules for changing a released schema without a new version: a reader of the old schema must
//! be able to read new values, and a reader of the new schema must be able to read old values.
//! Therefore only optional fields may be added; everything else must stay the same.

use serde_json::{Map, Value as Json};

/// Keywords that are only for people, and keywords that are compared separately.
const FREE: [&str; 6] = [
    "title",
    "description",
    "examples",
    "properties",
    "required",
    "$id",
];

/// Returns the incompatible changes between the released and the present schema; empty if there are
/// none.
pub(super) fn breaches(released: &Json, present: &Json) -> Vec<String> {
    let mut found = Vec::new();
    compare("$", released, present, &mut found);
    found
}

fn compare(at: &str, released: &Json, present: &Json, found: &mut Vec<String>) {
    let (Json::Object(old), Json::Object(new)) = (released, present) else {
        if released != present {
            found.push(format!("{at}: was {released}, is {present}"));
        }
        return;
    };
    let mut keywords: Vec<&String> = old.keys().chain(new.keys()).collect();
    keywords.sort_unstable();
    keywords.dedup();
    for keyword in keywords {
        if FREE.contains(&keyword.as_str()) {
            continue;
        }
        match (old.get(keyword), new.get(keyword)) {
            (Some(was), Some(is)) => compare_keyword(&format!("{at}/{keyword}"), was, is, found),
            (Some(was), None) => found.push(format!("{at}: {keyword} was {was}, and is gone")),
            (None, Some(is)) => found.push(format!("{at}: {keyword} is {is}, and was not there")),
            (None, None) => {}
        }
    }
    fields(at, old, new, found);
}

fn compare_keyword(at: &str, was: &Json, is: &Json, found: &mut Vec<String>) {
    match (was, is) {
        // The order of types, choices and enumerations doesn't matter.
        (Json::Array(was), Json::Array(is)) if was.iter().all(Json::is_string) => {
            let sorted = |all: &[Json]| {
                let mut all: Vec<String> = all.iter().map(Json::to_string).collect();
                all.sort_unstable();
                all
            };
            if sorted(was) != sorted(is) {
                found.push(format!("{at}: was {was:?}, is {is:?}"));
            }
        }
        (Json::Array(was), Json::Array(is)) if was.len() == is.len() => {
            for (place, (was, is)) in was.iter().zip(is).enumerate() {
                compare(&format!("{at}/{place}"), was, is, found);
            }
        }
        _ => compare(at, was, is, found),
    }
}

fn fields(at: &str, old: &Map<String, Json>, new: &Map<String, Json>, found: &mut Vec<String>) {
    let none = Map::new();
    let fields = |schema: &Map<String, Json>| {
        let fields = schema.get("properties").and_then(Json::as_object);
        fields.unwrap_or(&none).clone()
    };
    let required = |schema: &Map<String, Json>, field: &str| {
        let all = schema.get("required").and_then(Json::as_array);
        all.is_some_and(|all| all.iter().any(|name| name == field))
    };
    let (had, has) = (fields(old), fields(new));
    for (field, was) in &had {
        let at = format!("{at}.{field}");
        match has.get(field) {
            None => found.push(format!("{at}: is gone")),
            Some(is) => compare(&at, was, is, found),
        }
        match (required(old, field), required(new, field)) {
            (true, false) => found.push(format!("{at}: was always there, and may be missing")),
            (false, true) => found.push(format!("{at}: could be missing, and must be there")),
            _ => {}
        }
    }
    for field in has.keys().filter(|field| !had.contains_key(*field)) {
        if required(new, field) {
            found.push(format!("{at}.{field}: is new, and must be there"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn released() -> Json {
        json!({
            "type": "object",
            "title": "T",
            "required": ["id", "kind", "end"],
            "properties": {
                "id": {"type": "string", "format": "uuid"},
                "kind": {"type": "string", "enum": ["a", "b"]},
                "amount": {"type": ["string", "null"]},
                "end": {"anyOf": [
                    {"type": "object", "required": ["v"], "properties": {"v": {"type": "integer"}}},
                    {"type": "null"},
                ]},
                "name": {"type": "string", "const": "X"},
            },
        })
    }

    fn changed(change: impl Fn(&mut Json)) -> Vec<String> {
        let mut present = released();
        change(&mut present);
        breaches(&released(), &present)
    }

    #[test]
    fn what_keeps_every_reader_reading_is_allowed() {
        assert_eq!(changed(|_| {}), Vec::<String>::new());
        let added = changed(|schema| {
            schema["properties"]["more"] = json!({"type": "integer"});
            schema["title"] = json!("Another");
            schema["properties"]["id"]["description"] = json!("The id.");
            schema["properties"]["kind"]["enum"] = json!(["b", "a"]);
            schema["required"] = json!(["kind", "end", "id"]);
            schema["properties"]["end"]["anyOf"][0]["properties"]["w"] = json!({"type": "string"});
        });
        assert_eq!(added, Vec::<String>::new());
    }

    #[test]
    fn what_stops_a_reader_is_named() {
        type Change = fn(&mut Json);
        let cases: [(&str, Change); 14] = [
            ("$.amount: is gone", |schema| {
                schema["properties"]
                    .as_object_mut()
                    .unwrap()
                    .remove("amount");
            }),
            ("$.id: is gone", |schema| {
                let fields = schema["properties"].as_object_mut().unwrap();
                let id = fields.remove("id").unwrap();
                fields.insert("ident".to_owned(), id);
            }),
            ("$.id/type", |schema| {
                schema["properties"]["id"]["type"] = json!("integer")
            }),
            ("$.amount/type", |schema| {
                schema["properties"]["amount"]["type"] = json!(["string", "null", "integer"]);
            }),
            ("$.amount/type", |schema| {
                schema["properties"]["amount"]["type"] = json!("string")
            }),
            ("$.id: was always there", |schema| {
                schema["required"] = json!(["kind", "end"])
            }),
            ("$.amount: could be missing", |schema| {
                schema["required"] = json!(["kind", "end", "id", "amount"]);
            }),
            ("$.kind/enum", |schema| {
                schema["properties"]["kind"]["enum"] = json!(["a"])
            }),
            ("$.kind/enum", |schema| {
                schema["properties"]["kind"]["enum"] = json!(["a", "b", "c"]);
            }),
            ("$.name/const", |schema| {
                schema["properties"]["name"]["const"] = json!("Y")
            }),
            ("$.id: format was", |schema| {
                schema["properties"]["id"]
                    .as_object_mut()
                    .unwrap()
                    .remove("format");
            }),
            ("$.name: pattern is", |schema| {
                schema["properties"]["name"]["pattern"] = json!("^X$");
            }),
            ("$.end/anyOf/0.v: is gone", |schema| {
                schema["properties"]["end"]["anyOf"][0]["properties"] = json!({});
            }),
            ("$.more: is new, and must be there", |schema| {
                schema["properties"]["more"] = json!({"type": "integer"});
                schema["required"] = json!(["id", "kind", "end", "more"]);
            }),
        ];
        for (named, change) in cases {
            let found = changed(change);
            assert!(
                found.iter().any(|breach| breach.starts_with(named)),
                "{named}: {found:?}"
            );
        }
        let closed = changed(|schema| schema["additionalProperties"] = json!(false));
        assert_eq!(closed.len(), 1, "{closed:?}");
    }
}
