//! Events as operators see them, and the schemas that describe them.

use std::collections::{BTreeMap, BTreeSet};

use florin_tests::bank::{is_id, is_time, text, with};
use florin_tests::http::{Client, Request};
use florin_tests::poll::eventually;
use florin_tests::schema::Document;
use florin_tests::server::{Server, Shared};
use serde_json::{Value, json};

static SERVER: Shared = Shared::new();

/// Makes every type of event, and sends requests that make none.
fn traffic(server: &Client) -> (String, String) {
    let (a, b) = (server.account_of(10_000), server.account());
    let wallet = server.wallet_of(500, &json!({}));
    let merchant = json!({"name": "Kiosk 7", "email": "kiosk7@example.com"});
    server.post("/merchants", &merchant).with(201);
    server.withdraw(&a, 10).ok();
    server.transfer(&a, &wallet, 30).created();
    let poor = |path: &str, body: Value, key: &str| {
        let request = Request::post(path, &body).key(&format!("{key}-{a}"));
        server.send(&request).with(422);
    };
    let much = json!({"amount": 1_000_000});
    poor(&format!("/accounts/{a}/withdraw"), much, "withdraw");
    let wrong = json!({"amount": 1, "currency": "JPY"});
    poor(&format!("/accounts/{a}/deposit"), wrong, "deposit");
    let much = json!({"from": a, "to": b, "amount": 1_000_000});
    poor("/transfers", much, "transfer");
    let held = server.held(&a, &wallet, 5);
    server.settle(&held, "void", &json!({})).ok();
    let path = |what: &str| format!("/accounts/{a}/{what}");
    let money = json!({"amount": 3});
    let later = |request: Request| {
        let asked = server
            .send(&request.header("Prefer", "respond-async"))
            .with(202);
        let operation = format!("/operations/{}", text(&asked, "operation_id"));
        eventually("it is executed", || {
            (server.get(&operation).ok()["status"] == "completed").then_some(())
        });
    };
    later(Request::post(&path("async-deposit"), &money));
    later(Request::post(&path("withdraw"), &money));
    later(Request::post(
        "/transfers",
        &json!({"from": a, "to": b, "amount": 3}),
    ));
    let leg = |from: &str, to: &str| json!({"from": from, "to": to, "amount": 2});
    server
        .post(
            "/transactions",
            &json!({"legs": [leg(&a, &b), leg(&b, &wallet)]}),
        )
        .ok();
    let items = json!([
        leg(&a, &b),
        with(leg(&b, &a), &json!({"pending": true})),
        leg(&wallet, &a)
    ]);
    server
        .post(
            "/transfers/batch",
            &json!({"atomic": false, "transfers": items}),
        )
        .ok();
    server.freeze(&b);
    (a, wallet)
}

/// Returns all entries of a list, read in pages of this size.
fn all(server: &Client, query: &str, limit: usize) -> Vec<Value> {
    let mut entries = Vec::new();
    let mut cursor = String::new();
    loop {
        let target = format!("/admin/events?limit={limit}{query}{cursor}");
        let page = server.get(&target).ok();
        let data = page["data"].as_array().unwrap();
        assert!(data.len() <= limit);
        entries.extend(data.iter().cloned());
        assert_eq!(page["has_more"], page["next_cursor"].is_string());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return entries,
        }
    }
}

fn schema_at(server: &Client, path: &str) -> Value {
    let answer = server.get(path);
    assert_eq!(answer.status, 200, "{path}");
    serde_json::from_str(&answer.text()).unwrap()
}

fn fields<'a>(events: &'a [Value], field: &str) -> Vec<&'a Value> {
    events.iter().map(|event| &event[field]).collect()
}

#[test]
fn every_type_of_event_is_listed_in_order_and_fits_its_served_schema() {
    let server = SERVER.server();
    traffic(&server);
    let events = all(&server, "", 1_000);
    let places: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event["sequence"].as_u64().unwrap(),
                event["index"].as_u64().unwrap(),
            )
        })
        .collect();
    assert!(
        places.is_sorted_by(|one, other| one < other),
        "out of order"
    );
    let index = server.get("/schemas/").ok();
    let index = index["schemas"].as_array().unwrap();
    let mut schemas = BTreeMap::new();
    for entry in index {
        let name = text(entry, "type");
        let served = server.get(&text(entry, "schema"));
        assert_eq!(
            served.header("content-type"),
            Some("application/schema+json")
        );
        let schema: Value = serde_json::from_str(&served.text()).unwrap();
        assert_eq!(
            schema["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
        assert_eq!(schema["$id"], entry["schema"]);
        assert_eq!(schema["title"], entry["document_type"]);
        schemas.insert(name, Document::new(schema));
    }
    let mut seen = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for event in &events {
        let name = text(event, "type");
        let schema = &schemas[&name];
        assert_eq!(
            schema.check(&schema.value, &event["value"]),
            Ok(()),
            "{event}"
        );
        assert_eq!(
            event["published"], true,
            "inside one process the journal is the topics"
        );
        assert!(
            is_time(&text(event, "time")) && is_id(&text(event, "key")),
            "{event}"
        );
        assert_eq!(event["topics"].as_array().unwrap().len(), 1, "{event}");
        assert!(ids.insert(text(event, "id")), "{event} came twice");
        seen.insert(name);
    }
    let missing: Vec<_> = schemas
        .keys()
        .filter(|name| !seen.contains(*name))
        .collect();
    // The card service makes the events of cards.
    assert!(
        missing.iter().all(|name| name.contains(".card.")),
        "never seen: {missing:?}"
    );
}

#[test]
fn a_value_that_breaks_its_schema_would_be_noticed() {
    let server = SERVER.server();
    let account = server.account();
    let event = all(&server, &format!("&key={account}"), 10).remove(0);
    let schema = Document::new(schema_at(
        &server,
        "/schemas/florin.account.created.v1.json",
    ));
    assert_eq!(schema.check(&schema.value, &event["value"]), Ok(()));
    for (field, wrong) in [
        ("status", json!("OPEN")),
        ("version", json!("1")),
        ("new", json!(1)),
    ] {
        let mut value = event["value"].clone();
        value[field] = wrong;
        assert!(schema.check(&schema.value, &value).is_err(), "{value}");
    }
}

#[test]
fn the_served_schemas_are_the_committed_ones_and_others_are_no_route() {
    let server = SERVER.server();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/schemas");
    let index = server.get("/schemas/").ok();
    for entry in index["schemas"].as_array().unwrap() {
        let file = format!("{folder}/{}.json", text(entry, "type"));
        let committed: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        assert_eq!(schema_at(&server, &text(entry, "schema")), committed);
    }
    for path in ["/schemas/x.json", "/schemas/florin.account.created.v2.json"] {
        server.get(path).problem(404, "route_not_found");
    }
}

#[test]
fn parts_of_any_size_and_filters_show_the_same_events() {
    let server = SERVER.alone();
    let first = server.sequence() + 1;
    let (account, wallet) = traffic(&server);
    let events = all(&server, &format!("&from={first}"), 1_000);
    assert_eq!(events[0]["sequence"], first);
    for limit in [1, 7, 50] {
        assert_eq!(
            all(&server, &format!("&from={first}"), limit),
            events,
            "{limit}"
        );
    }
    let filtered = |field: &str, value: &Value| -> Vec<Value> {
        events
            .iter()
            .filter(|event| event[field] == *value)
            .cloned()
            .collect()
    };
    for key in [&account, &wallet] {
        let found = all(&server, &format!("&key={key}"), 9);
        assert!(found.len() > 3);
        assert_eq!(found, filtered("key", &json!(key)));
    }
    for (name, field) in [
        ("florin.account.deposit-completed.v1", "type"),
        ("TransferFailed", "document_type"),
    ] {
        let found = all(&server, &format!("&from={first}&type={name}"), 3);
        assert!(!found.is_empty());
        assert_eq!(found, filtered(field, &json!(name)));
    }
    let short = all(&server, &format!("&from={first}&type=wallet.created"), 3);
    assert_eq!(fields(&short, "document_type"), [&json!("WALLET_CREATED")]);
    // The filter returns all events from the time of an event in the middle on: all of its record,
    // and all later ones.
    let middle = &events[events.len() / 2];
    let found = all(&server, &format!("&from_time={}", text(middle, "time")), 11);
    let later: Vec<_> = events
        .iter()
        .filter(|event| text(event, "time") >= text(middle, "time"))
        .cloned()
        .collect();
    assert_eq!(found, later);
    let deposit = Request::post(
        &format!("/accounts/{account}/deposit"),
        &json!({"amount": 1}),
    );
    server
        .send(&deposit.header("X-Correlation-Id", "order-77"))
        .ok();
    let found = all(&server, "&correlation_id=order-77", 10);
    assert_eq!(found.len(), 3);
    assert!(
        found
            .iter()
            .all(|event| event["correlation_id"] == "order-77")
    );
    assert_eq!(all(&server, "&unpublished=true", 10), [] as [Value; 0]);
    assert_eq!(all(&server, "&from=99999999", 10), [] as [Value; 0]);
}

#[test]
fn what_is_malformed_is_refused_by_its_name() {
    let server = SERVER.server();
    for (query, code, field) in [
        ("from=yesterday", "invalid_request", "from"),
        ("from=99999999999999999999", "invalid_request", "from"),
        ("from=-1", "invalid_request", "from"),
        ("from=2026-01-01T00:00:00Z", "invalid_request", "from"),
        ("from_time=yesterday", "invalid_request", "from_time"),
        ("type=WALLET", "invalid_request", "type"),
        ("key=7", "invalid_id", "key"),
        ("unpublished=yes", "invalid_request", "unpublished"),
        ("limit=0", "invalid_request", "limit"),
        ("topic=x", "invalid_request", "topic"),
        ("cursor=x", "invalid_cursor", "cursor"),
    ] {
        let problem = server
            .get(&format!("/admin/events?{query}"))
            .problem(400, code);
        assert_eq!(problem["field"], field, "{query}");
    }
    server.account();
    let page = server
        .get("/admin/events?limit=1&type=account.created")
        .ok();
    let cursor = format!("/admin/events?cursor={}", text(&page, "next_cursor"));
    server.get(&cursor).problem(400, "invalid_cursor");
}

#[test]
fn with_kafka_away_every_event_is_shown_as_unpublished() {
    let server = Server::with(&[("kafka.brokers", "127.0.0.1:9")]);
    server.account_of(5);
    let events = all(&server, "&unpublished=true", 2);
    let names = fields(&events, "document_type");
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(events.iter().all(|event| event["published"] == false));
    assert_eq!(all(&server, "", 100), events);
}
