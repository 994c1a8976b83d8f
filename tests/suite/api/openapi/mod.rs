//! The served OpenAPI document and the server's behaviour agree.

mod walk;

use std::collections::BTreeSet;

use florin_actors::messages::Kind;
use florin_tests::bank::{UNKNOWN_ID, opening, text};
use florin_tests::http::{Client, Request};
use florin_tests::schema::Document;
use florin_tests::server::Shared;
use serde_json::json;

use walk::{Walk, walk_events, walk_many};

static SERVER: Shared = Shared::new();

const ROUTES: &[(&str, &str)] = &[
    ("GET", "/accounts"),
    ("POST", "/accounts"),
    ("GET", "/accounts/{id}"),
    ("PATCH", "/accounts/{id}"),
    ("DELETE", "/accounts/{id}"),
    ("POST", "/accounts/{id}/deposit"),
    ("POST", "/accounts/{id}/withdraw"),
    ("DELETE", "/accounts/{id}/personal-data"),
    ("GET", "/accounts/{id}/transactions"),
    ("GET", "/accounts/{id}/balance"),
    ("POST", "/wallets"),
    ("GET", "/wallets"),
    ("GET", "/wallets/{id}"),
    ("PATCH", "/wallets/{id}"),
    ("POST", "/wallets/{id}/deposit"),
    ("POST", "/wallets/{id}/withdraw"),
    ("GET", "/wallets/{id}/transactions"),
    ("GET", "/wallets/{id}/balance"),
    ("GET", "/customers/{id}/wallets"),
    ("POST", "/merchants"),
    ("GET", "/merchants"),
    ("GET", "/merchants/{id}"),
    ("POST", "/merchants/{id}/deposit"),
    ("POST", "/merchants/{id}/withdraw"),
    ("GET", "/merchants/{id}/transactions"),
    ("GET", "/merchants/{id}/balance"),
    ("DELETE", "/merchants/{id}/personal-data"),
    ("POST", "/transfers/{id}/post"),
    ("POST", "/transfers/{id}/void"),
    ("POST", "/transfers/{id}/reverse"),
    ("POST", "/transfers/batch"),
    ("POST", "/transactions"),
    ("POST", "/accounts/{id}/async-deposit"),
    ("GET", "/operations"),
    ("GET", "/operations/{id}/events"),
    ("GET", "/operations/{id}/ws"),
    ("POST", "/accounts/transfer"),
    ("POST", "/account"),
    ("DELETE", "/account"),
    ("POST", "/card"),
    ("POST", "/cards"),
    ("GET", "/cards/{id}"),
    ("DELETE", "/cards/{id}"),
    ("GET", "/cards/by-account"),
    ("GET", "/accounts/{id}/cards"),
    ("POST", "/transfers"),
    ("GET", "/transfers"),
    ("GET", "/transfers/{id}"),
    ("GET", "/operations/{id}"),
    ("GET", "/ledger/transactions/{id}"),
    ("GET", "/ledger/trial-balance"),
    ("GET", "/health"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/"),
    ("GET", "/docs"),
    ("GET", "/problems/{code}"),
    ("GET", "/schemas"),
    ("GET", "/schemas/{schema}"),
    ("GET", "/admin/events"),
    ("POST", "/admin/replay"),
    ("GET", "/admin/replay/{id}"),
    ("POST", "/admin/replay/{id}/stop"),
    ("POST", "/admin/replay/{id}/resume"),
    ("GET", "/admin/actors"),
    ("POST", "/admin/actors/{kind}/{id}/resume"),
    ("POST", "/admin/clock/confirm"),
    ("POST", "/admin/backup"),
    ("GET", "/admin/dlq"),
    ("GET", "/admin/dlq/{letter}"),
    ("POST", "/admin/dlq/{letter}/redrive"),
];

#[test]
fn the_document_is_openapi_3_1_and_every_reference_in_it_leads_somewhere() {
    let document = document(&SERVER.server());
    assert!(
        text(&document.value, "openapi").starts_with("3.1"),
        "{}",
        document.value["openapi"]
    );
    let whole = document.value.to_string();
    for (at, found) in whole.match_indices("\"$ref\":\"#") {
        let rest = &whole[at + found.len()..];
        let pointer = &rest[..rest.find('"').unwrap()];
        assert!(
            document.value.pointer(pointer).is_some(),
            "{pointer} leads nowhere"
        );
    }
}

#[test]
fn every_known_route_is_described() {
    let document = document(&SERVER.server());
    let described: BTreeSet<(String, String)> = document
        .operations()
        .into_iter()
        .map(|(method, path, _)| (method, path))
        .collect();
    for (method, path) in ROUTES {
        let route = (method.to_string(), path.to_string());
        assert!(
            described.contains(&route),
            "{method} {path} is not described"
        );
    }
}

#[test]
fn every_described_route_is_answered_and_no_other_method_of_it() {
    let server = SERVER.server();
    let document = document(&server);
    let operations = document.operations();
    for (method, path, operation) in &operations {
        assert!(
            !text(operation, "operationId").is_empty(),
            "{method} {path}"
        );
        let target = fill(path);
        let answer = server.send(&Request::new(method, &target));
        assert_ne!(answer.status, 405, "{method} {path}");
        let code = match answer.header("content-type") {
            Some("application/problem+json") => text(&answer.json(), "code"),
            _ => String::new(),
        };
        let missing = code == "route_not_found";
        assert!(!missing, "{method} {path} is described but not there");
    }
    let paths: BTreeSet<&String> = operations.iter().map(|(_, path, _)| path).collect();
    for path in paths {
        for method in ["GET", "POST", "PATCH", "DELETE", "PUT"] {
            if operations
                .iter()
                .any(|(known, of, _)| known == method && of == path)
            {
                continue;
            }
            let answer = server.send(&Request::new(method, &fill(path)));
            assert_eq!(
                answer.status, 405,
                "{method} {path} is answered but not described"
            );
        }
    }
}

#[test]
fn every_parameter_of_a_path_is_described() {
    let document = document(&SERVER.server());
    for (method, path, operation) in document.operations() {
        let named = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        for name in named {
            let own = operation["parameters"].as_array().into_iter().flatten();
            let shared = document.value["paths"][&path]["parameters"]
                .as_array()
                .into_iter()
                .flatten();
            let mut described = own
                .chain(shared)
                .map(|parameter| document.resolve(parameter).unwrap())
                .filter(|parameter| parameter["in"] == "path");
            assert!(
                described.any(|parameter| parameter["name"] == name),
                "{method} {path}: {name}"
            );
        }
    }
}

#[test]
fn every_answer_of_a_walk_through_all_routes_fits_its_schema() {
    let server = SERVER.server();
    let document = document(&server);
    let mut walk = Walk {
        server: &server,
        document: &document,
        seen: BTreeSet::new(),
    };
    let account = walk.post(
        "/accounts",
        "",
        &json!({
            "holder_name": "Ada", "country_code": "GB", "currency": "USD", "overdraft_limit": 10,
            "reference": "walk", "metadata": {"a": "b"},
        }),
    );
    let unlimited = json!({"holder_name": "Ada", "country_code": "GB", "overdraft_limit": null});
    let (id, other) = (
        text(&account.json(), "id"),
        text(&walk.post("/accounts", "", &unlimited).json(), "id"),
    );
    walk.post("/accounts?dry_run=true", "", &opening());
    walk.post("/accounts", "", &json!({}));
    walk.get("/accounts", "");
    walk.get("/accounts?limit=1", "");
    walk.get("/accounts?cursor=x", "");
    let amount = json!({"amount": 10, "reference": "r", "metadata": {"a": "b"}});
    let deposit = walk.post("/accounts/{id}/deposit", &id, &amount);
    walk.post("/accounts/{id}/deposit?dry_run=true", &id, &amount);
    walk.post("/accounts/{id}/deposit", &id, &json!({"amount": 0}));
    walk.post("/accounts/{id}/deposit", "7", &amount);
    walk.post("/accounts/{id}/deposit", UNKNOWN_ID, &amount);
    walk.post("/accounts/{id}/withdraw", &other, &amount);
    walk.post("/accounts/{id}/withdraw", &id, &json!({"amount": 1_000}));
    let transfer = json!({"from": id, "to": other, "amount": 1});
    let moved = walk.post("/transfers", "", &transfer);
    walk.post("/transfers?dry_run=true", "", &transfer);
    walk.post(
        "/transfers",
        "",
        &json!({"from": id, "to": id, "amount": 1}),
    );
    let alias = json!({"from_account_id": id, "to_account_id": other, "amount": 1});
    walk.post("/accounts/transfer", "", &alias);
    walk.post("/accounts/transfer", "", &json!({"amount": 1}));
    let asynchronous = Request::post("/transfers", &transfer).header("Prefer", "respond-async");
    walk.send("POST", "/transfers", &asynchronous);
    let operations = [&deposit, &moved].map(|made| text(&made.json(), "operation_id"));
    for operation in operations
        .iter()
        .map(String::as_str)
        .chain([UNKNOWN_ID, "7"])
    {
        walk.get("/operations/{id}", operation);
        walk.get("/transfers/{id}", operation);
        walk.get("/ledger/transactions/{id}", operation);
    }
    let keyed = Request::post(
        &format!("/accounts/{id}/withdraw"),
        &json!({"amount": 1_000}),
    )
    .key("walk");
    let refused = walk.send("POST", "/accounts/{id}/withdraw", &keyed);
    walk.get("/operations/{id}", &text(&refused.json(), "operation_id"));
    walk.get("/accounts/{id}", &id);
    walk.get("/accounts/{id}", UNKNOWN_ID);
    walk.get("/accounts/{id}/transactions", &id);
    walk.get("/accounts/{id}/transactions?limit=1", &id);
    walk.get("/accounts/{id}/transactions?limit=0", &id);
    let patch =
        |status: &str| Request::patch(&format!("/accounts/{id}"), &json!({"status": status}));
    walk.send("PATCH", "/accounts/{id}", &patch("FROZEN"));
    walk.send("PATCH", "/accounts/{id}", &patch("DELETED"));
    walk.send("PATCH", "/accounts/{id}", &patch("ACTIVE").if_match(1));
    walk.send(
        "DELETE",
        "/accounts/{id}",
        &Request::delete(&format!("/accounts/{id}")),
    );
    let empty = text(&walk.post("/accounts", "", &opening()).json(), "id");
    walk.send(
        "DELETE",
        "/accounts/{id}",
        &Request::delete(&format!("/accounts/{empty}")),
    );
    walk.send(
        "DELETE",
        "/accounts/{id}",
        &Request::delete(&format!("/accounts/{empty}")),
    );
    for id in [&id, &empty, UNKNOWN_ID, "7"] {
        let path = format!("/accounts/{id}/personal-data");
        let erased = walk.send(
            "DELETE",
            "/accounts/{id}/personal-data",
            &Request::delete(&path).key(&format!("erase-{id}")),
        );
        if erased.status == 200 {
            walk.get("/accounts/{id}", id);
        }
    }
    walk.holds();
    walk.wallets();
    walk.merchants();
    walk.cards();
    walk.lists_of_transfers();
    walk.get("/admin/actors", "");
    for kind in Kind::ALL.map(Kind::name) {
        walk.get(&format!("/admin/actors?kind={kind}&limit=1"), "");
        for target in [&id, UNKNOWN_ID, "7"] {
            let resume =
                Request::post(&format!("/admin/actors/{kind}/{target}/resume"), &json!({}));
            walk.send("POST", "/admin/actors/{kind}/{id}/resume", &resume);
        }
    }
    let dry = Request::post(
        &format!("/admin/actors/account/{id}/resume?dry_run=true"),
        &json!({}),
    );
    walk.send("POST", "/admin/actors/{kind}/{id}/resume", &dry);
    walk_many(&mut walk);
    walk_events(&mut walk);
    let confirm = Request::new("POST", "/admin/clock/confirm");
    walk.send("POST", "/admin/clock/confirm", &confirm);
    walk.get("/admin/dlq?limit=1&topic=deposit-requests", "");
    for letter in ["deposit-requests.dlq:0:0", "7"] {
        let show = Request::get(&format!("/admin/dlq/{letter}"));
        walk.send("GET", "/admin/dlq/{letter}", &show);
        let redrive = Request::new("POST", &format!("/admin/dlq/{letter}/redrive"));
        walk.send("POST", "/admin/dlq/{letter}/redrive", &redrive);
    }
    let place = tempfile::tempdir().unwrap();
    let backup = json!({"directory": place.path().join("backup")});
    assert_eq!(walk.post("/admin/backup", "", &backup).status, 200);
    assert_eq!(walk.post("/admin/backup", "", &backup).status, 409);
    walk.post("/admin/backup", "", &json!({"directory": "backup"}));
    for path in [
        "/ledger/trial-balance",
        "/health",
        "/health/live",
        "/health/ready",
        "/openapi.json",
    ] {
        walk.get(path, "");
    }
    for path in ["/", "/metrics", "/docs", "/problems/{code}"] {
        walk.get(path, "not-found");
    }
    let walked: BTreeSet<_> = walk
        .seen
        .iter()
        .map(|(method, path)| (method.as_str(), path.as_str()))
        .collect();
    let all = document.operations();
    for (method, path, _) in &all {
        assert!(
            walked.contains(&(method.as_str(), path.as_str())),
            "{method} {path} was not walked"
        );
    }
}

fn document(client: &Client) -> Document {
    Document::new(client.get("/openapi.json").ok())
}

fn fill(path: &str) -> String {
    path.replace("{kind}", "account")
        .replace("{id}", UNKNOWN_ID)
        .replace("{code}", "not-found")
        .replace("{schema}", "florin.account.created.v1.json")
}
