//! Tests of the document itself. The tests in `tests/suite` check that the server behaves as the
//! document says.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::api::ROUTES;
use crate::openapi::document_json;
use crate::routing::{Purpose, Route};
use florin_actors::messages::Kind;

/// The pattern of an idempotency key in its header.
const KEY_PATTERN: &str = r#"^([!#-~][!-~]*|"([!#-\[\]-~]|\\["\\])+")$"#;

fn text() -> String {
    document_json(ROUTES.all())
}

fn made() -> Value {
    serde_json::from_str(&text()).unwrap()
}

/// Returns the routes that are described: all except the files that pages load.
fn described() -> impl Iterator<Item = &'static Route> {
    let routes = ROUTES.all().iter().copied();
    routes.filter(|route| !matches!(route.purpose, Purpose::File))
}

/// Returns the example that a schema itself gives.
fn example(schema: &Value) -> Option<&Value> {
    let single = schema.get("example");
    single.or_else(|| schema.get("examples")?.get(0))
}

#[test]
fn every_route_method_and_status_is_described_and_nothing_else() {
    let document = made();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    let mut found = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for status in operation["responses"].as_object().unwrap().keys() {
                found.insert((path.clone(), method.to_uppercase(), status.clone()));
            }
        }
    }
    let mut known = BTreeSet::new();
    for route in described() {
        let codes = route.problem_codes();
        let problems = codes.iter().map(|code| code.status().as_u16());
        for status in route
            .answers
            .iter()
            .map(|answer| answer.status)
            .chain(problems)
        {
            known.insert((
                route.path.to_owned(),
                route.method.to_string(),
                status.to_string(),
            ));
        }
    }
    assert_eq!(found, known);
}

#[test]
fn every_reference_leads_to_a_schema() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|field| references(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = made();
    let mut found = vec![];
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
}

#[test]
fn requests_refuse_fields_that_are_not_described() {
    let document = made();
    for route in ROUTES.all() {
        if let Some(body) = route.purpose.body() {
            let name = (body.name)();
            let schema = &document["components"]["schemas"][&*name];
            assert_eq!(schema["additionalProperties"], false, "{name}");
        }
    }
}

/// Returns a part of the document. If the part is a reference, the part that it points to.
fn resolved<'a>(document: &'a Value, part: &'a Value) -> &'a Value {
    match part["$ref"].as_str() {
        Some(reference) => document.pointer(&reference[1..]).unwrap(),
        None => part,
    }
}

fn parameters<'a>(document: &'a Value, path: &str, method: &str) -> Vec<&'a Value> {
    let parameters = document["paths"][path][method]["parameters"].as_array();
    let parameters = parameters.unwrap().iter();
    parameters.map(|one| resolved(document, one)).collect()
}

/// Returns the schema of a parameter.
fn parameter(document: &Value, path: &str, method: &str, name: &str) -> Value {
    let found = parameters(document, path, method)
        .into_iter()
        .find(|parameter| parameter["name"] == name);
    found.unwrap()["schema"].clone()
}

#[test]
fn what_is_refused_by_its_form_is_described_by_it() {
    let document = made();
    let schemas = &document["components"]["schemas"];
    let key = json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"});
    let header = parameter(
        &document,
        "/accounts/{id}/deposit",
        "post",
        "Idempotency-Key",
    );
    assert_eq!(header["pattern"], KEY_PATTERN);
    assert_eq!(header["maxLength"], key["maxLength"]);
    for route in ROUTES.all() {
        if let Purpose::Command { body, .. } = &route.purpose {
            let field = &schemas[&*(body.name)()]["properties"]["idempotency_key"];
            assert_eq!(field["pattern"], key["pattern"], "{}", route.label());
        }
    }
    let version = parameter(&document, "/accounts/{id}", "patch", "If-Match");
    assert_eq!(version["pattern"], r#"^("[0-9]{1,19}"|\*)$"#);
    let cursor = parameter(&document, "/accounts", "get", "cursor");
    assert_eq!(cursor["minLength"], 1);
    let kind = parameter(
        &document,
        "/admin/actors/{kind}/{id}/resume",
        "post",
        "kind",
    );
    assert_eq!(kind["enum"].as_array().unwrap().len(), Kind::ALL.len());
    let directory = &schemas["BackupRequest"]["properties"]["directory"];
    assert_eq!(directory["pattern"], "^/");
}

#[test]
fn a_filter_that_must_be_given_is_required() {
    let document = made();
    let required = |path: &str| {
        let needed = parameters(&document, path, "get").into_iter();
        let needed = needed.filter(|one| one["in"] == "query" && one["required"] == true);
        let names = needed.map(|one| one["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(required("/wallets"), ["customer_id"]);
    assert_eq!(required("/operations"), ["status"]);
    assert!(required("/accounts").is_empty());
}

#[test]
fn the_headers_of_an_answer_are_described() {
    let document = made();
    let has = |path: &str, method: &str, status: &str, header: &str| {
        let answer = &document["paths"][path][method]["responses"][status];
        resolved(&document, answer)["headers"].get(header).is_some()
    };
    for path in ["/accounts/{id}", "/wallets/{id}", "/wallets/{id}/balance"] {
        assert!(has(path, "get", "200", "ETag"), "{path}");
    }
    assert!(has("/transfers", "post", "201", "ETag"));
    assert!(has("/transfers", "post", "201", "Location"));
    assert!(!has("/transfers/batch", "post", "200", "ETag"));
    assert!(has("/transfers", "post", "202", "Location"));
    assert!(!has("/transfers", "post", "202", "ETag"));
}

/// Calls `look` with every schema of the document and its path.
fn each_schema(value: &Value, at: &str, look: &mut impl FnMut(&str, &Value)) {
    let is_schema = ["type", "oneOf", "enum"]
        .iter()
        .any(|name| value.get(name).is_some());
    if is_schema {
        look(at, value);
    }
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                each_schema(field, &format!("{at}/{name}"), look);
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                each_schema(item, &format!("{at}/{place}"), look);
            }
        }
        _ => {}
    }
}

#[test]
fn every_schema_and_field_is_described_and_every_text_has_an_example() {
    let document = made();
    let schemas = &document["components"]["schemas"];
    let mut missing = vec![];
    for (name, schema) in schemas.as_object().unwrap() {
        if !schema["description"].is_string() {
            missing.push(name.clone());
        }
        for (field, described) in schema["properties"].as_object().into_iter().flatten() {
            let of_reference = resolved(&document, described);
            let is_described = [described, of_reference]
                .iter()
                .any(|one| one["description"].is_string());
            if !is_described {
                missing.push(format!("{name}.{field}: description"));
            }
            let kinds = described["type"].to_string();
            let is_plain = ["format", "enum"]
                .iter()
                .all(|name| described.get(name).is_none());
            if kinds.contains("string") && is_plain && example(described).is_none() {
                missing.push(format!("{name}.{field}: example"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_operation_and_parameter_is_described_and_has_an_example() {
    let document = made();
    for route in described() {
        let method = route.method.as_str().to_lowercase();
        let operation = &document["paths"][route.path][&method];
        let label = route.label();
        assert_ne!(route.description, route.summary, "{label}");
        for parameter in parameters(&document, route.path, &method) {
            let name = &parameter["name"];
            assert!(parameter["description"].is_string(), "{label}: {name}");
            assert!(!parameter["example"].is_null(), "{label}: {name}");
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            let response = resolved(&document, response);
            for (kind, content) in response["content"].as_object().into_iter().flatten() {
                let has_example = content.get("example").or(content.get("examples")).is_some();
                let is_of_schema = content["schema"].get("$ref").is_some();
                assert!(has_example || !is_of_schema, "{label} {status} {kind}");
            }
        }
    }
}

#[test]
fn no_union_is_ambiguous() {
    let document = made();
    each_schema(&document["components"]["schemas"], "", &mut |at, schema| {
        assert!(schema.get("anyOf").is_none(), "{at}");
        assert!(schema.get("allOf").is_none(), "{at}");
        if schema.get("oneOf").is_some() {
            let forms = schema["oneOf"].as_array().unwrap().len();
            let mapping = schema["discriminator"]["mapping"].as_object();
            assert_eq!(mapping.map(|mapping| mapping.len()), Some(forms), "{at}");
        }
        let kinds = schema["type"].as_array().into_iter().flatten();
        let kinds = kinds.filter(|kind| *kind != "null").count();
        assert!(kinds <= 1, "{at}: {}", schema["type"]);
    });
}

#[test]
fn aliases_are_deprecated_and_last() {
    let text = text();
    let place = |path: &str| text.find(&format!("\"{path}\":{{")).unwrap();
    let last = place("/docs");
    for route in described().filter(|route| route.is_alias()) {
        assert!(place(route.path) > last, "{}", route.path);
        let method = route.method.as_str().to_lowercase();
        let operation = &made()["paths"][route.path][&method];
        assert_eq!(operation["deprecated"], true, "{}", route.label());
        assert_eq!(operation["tags"], json!(["Aliases"]), "{}", route.label());
    }
}
