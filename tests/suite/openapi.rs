//! The served OpenAPI document and the server say the same.

use std::collections::BTreeSet;

use florin_tests::bank::{UNKNOWN_ID, opening, text};
use florin_tests::cards::{card_of, refused};
use florin_tests::http::{Client, Request, Response};
use florin_tests::schema::Document;
use florin_tests::server::Shared;
use florin_tests::websocket;
use serde_json::json;

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
    ("GET", "/docs"),
    ("GET", "/problems/{code}"),
    ("GET", "/schemas/"),
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
        text(&document.0, "openapi").starts_with("3.1"),
        "{}",
        document.0["openapi"]
    );
    let whole = document.0.to_string();
    for (at, found) in whole.match_indices("\"$ref\":\"#") {
        let rest = &whole[at + found.len()..];
        let pointer = &rest[..rest.find('"').unwrap()];
        assert!(
            document.0.pointer(pointer).is_some(),
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
            let shared = document.0["paths"][&path]["parameters"]
                .as_array()
                .into_iter()
                .flatten();
            let mut described = own
                .chain(shared)
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
    let unlimited =
        json!({"holder_name": "Ada", "country_code": "GB", "overdraft_limit": "unlimited"});
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
    walk.cards();
    walk.lists_of_transfers();
    walk.get("/admin/actors", "");
    for kind in [
        "account",
        "wallet",
        "transfer",
        "external",
        "numbering",
        "card",
        "card_number",
    ] {
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
    for path in ["/metrics", "/docs", "/problems/{code}"] {
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

/// The journal's events, their schemas, and replays.
fn walk_events(walk: &mut Walk<'_>) {
    walk.get("/schemas/", "");
    let schema = Request::get("/schemas/florin.account.created.v1.json");
    walk.send("GET", "/schemas/{schema}", &schema);
    for query in [
        "",
        "?limit=1000",
        "?limit=1",
        "?type=x",
        "?key=7",
        "?cursor=x",
    ] {
        walk.get(&format!("/admin/events{query}"), "");
    }
    walk.post("/admin/replay", "", &json!({}));
    walk.post("/admin/replay", "", &json!({"key": "7"}));
    walk.post("/admin/replay", "", &json!({"from": "x"}));
    let dry = walk.post("/admin/replay", "", &json!({"dry_run": true}));
    for id in [&text(&dry.json(), "id"), UNKNOWN_ID, "7"] {
        walk.get("/admin/replay/{id}", id);
        for how in ["stop", "resume"] {
            let turn = Request::new("POST", &format!("/admin/replay/{id}/{how}"));
            walk.send("POST", &format!("/admin/replay/{{id}}/{how}"), &turn);
        }
    }
}

/// Batches, transactions of many legs, and what is executed afterwards.
fn walk_many(walk: &mut Walk<'_>) {
    let (a, b) = (walk.server.account_of(100), walk.server.account());
    let item = |amount: i64| json!({"from": a, "to": b, "amount": amount});
    for (atomic, amounts) in [
        (true, vec![1, 2]),
        (true, vec![1, 200]),
        (false, vec![1, 200]),
        (true, vec![]),
    ] {
        let transfers: Vec<_> = amounts.into_iter().map(item).collect();
        let body = json!({"atomic": atomic, "transfers": transfers});
        walk.post("/transfers/batch", "", &body);
        let dry = Request::post("/transfers/batch?dry_run=true", &body);
        walk.send("POST", "/transfers/batch", &dry);
    }
    for amount in [1, 200, 0] {
        let body = json!({"legs": [item(amount)]});
        let made = walk.post("/transactions", "", &body);
        if made.status == 200 {
            let id = text(&made.json(), "transaction_id");
            walk.get("/ledger/transactions/{id}", &id);
            walk.get("/operations/{id}", &id);
            walk.post("/transfers/{id}/reverse", &id, &json!({}));
        }
        let legs = Request::post("/transactions", &body).header("Prefer", "respond-async");
        walk.send("POST", "/transactions", &legs);
    }
    let money = json!({"amount": 1});
    for target in [&a, UNKNOWN_ID, "7"] {
        walk.post("/accounts/{id}/async-deposit", target, &money);
    }
    let path = format!("/accounts/{a}/async-deposit");
    let accepted = walk.send(
        "POST",
        "/accounts/{id}/async-deposit",
        &Request::post(&path, &money),
    );
    let id = text(&accepted.json(), "operation_id");
    walk.get("/operations?status=pending", "");
    walk.get("/operations?status=posted", "");
    for target in [id.as_str(), UNKNOWN_ID, "7"] {
        walk.get("/operations/{id}/events", target);
        walk.get("/operations/{id}/ws", target);
        walk.send("GET", "/operations/{id}/ws", &websocket::request(target));
        walk.get("/operations/{id}", target);
    }
    let again = Request::get(&format!("/operations/{id}/events"));
    let again = again.header("Last-Event-ID", "completed");
    walk.send("GET", "/operations/{id}/events", &again);
}

/// A walk through the routes that checks every answer.
struct Walk<'a> {
    server: &'a Client,
    document: &'a Document,
    seen: BTreeSet<(String, String)>,
}

impl Walk<'_> {
    /// Everything about cards, and the documents' other requests about accounts.
    fn cards(&mut self) {
        let opening = json!({"beholder_name": "John Doe", "country_code": "US"});
        self.post("/account?dry_run=true", "", &opening);
        self.post("/account", "", &json!({"beholder_name": "John Doe"}));
        let account = text(&self.post("/account", "", &opening).json(), "id");
        card_of(self.server, &account);
        let card = json!({"account_id": account, "country": "US"});
        let unknown = json!({"account_id": UNKNOWN_ID, "country": "US"});
        for path in ["/card", "/cards"] {
            for body in [&card, &unknown, &json!({})] {
                self.post(&format!("{path}?dry_run=true"), "", body);
                let made = self.post(path, "", body);
                if made.status == 201 {
                    let location = made.header("location").unwrap().to_owned();
                    self.get("/cards/{id}", location.trim_start_matches("/cards/"));
                    let path = Request::delete(&location);
                    self.send("DELETE", "/cards/{id}", &path.key(&location));
                }
            }
        }
        for id in [account.as_str(), UNKNOWN_ID, "7"] {
            self.get("/cards/{id}", id);
            let delete = Request::delete(&format!("/cards/{id}"));
            self.send("DELETE", "/cards/{id}", &delete);
            self.get("/accounts/{id}/cards?limit=1", id);
            self.get(&format!("/cards/by-account?account_id={id}&limit=1"), "");
            let delete = Request::delete(&format!("/account?id={id}"));
            self.send("DELETE", "/account", &delete);
        }
        self.get("/cards/by-account", "");
        refused(
            self.server,
            &account,
            "account_deleted",
            "cannot create card for deleted account",
        );
        self.post("/cards", "", &card);
    }

    /// Everything about pending transfers and reversals.
    fn holds(&mut self) {
        let (from, to) = (self.server.account_of(100), self.server.account());
        let hold = json!({
            "from": from, "to": to, "amount": 10, "pending": true, "expires_in_seconds": 86_400,
        });
        self.post("/transfers?dry_run=true", "", &hold);
        self.post(
            "/transfers",
            "",
            &json!({"from": from, "to": to, "amount": 1, "pending": 1}),
        );
        let part = json!({"amount": 1, "final": false});
        for how in ["post", "void", "reverse"] {
            let made = self.post("/transfers", "", &hold).json();
            let transfer = text(&made, "transfer_id");
            self.get("/transfers/{id}", &transfer);
            let path = format!("/transfers/{{id}}/{how}");
            let body = if how == "post" { &part } else { &json!({}) };
            for id in [&transfer, &transfer, &from, UNKNOWN_ID, "7"] {
                self.post(&format!("{path}?dry_run=true"), id, body);
                let done = self.post(&path, id, body);
                if done.status == 200 {
                    let operation = text(&done.json(), "operation_id");
                    self.get("/operations/{id}", &operation);
                    self.get("/ledger/transactions/{id}", &operation);
                }
            }
            self.post(&path, &transfer, &json!({"amount": 0}));
            let late = format!("/transfers/{transfer}/{how}");
            self.send("POST", &path, &Request::post(&late, &json!({})).if_match(1));
            self.post("/transfers/{id}/post", &transfer, &json!({"amount": 99}));
            self.post("/transfers/{id}/post", &transfer, &json!({}));
            self.get("/transfers/{id}", &transfer);
            for _ in 0..2 {
                self.post("/transfers/{id}/reverse", &transfer, &json!({}));
            }
            self.get("/transfers/{id}", &transfer);
            self.get("/operations/{id}", &transfer);
        }
        for id in [&from, UNKNOWN_ID, "7"] {
            self.get("/accounts/{id}/balance", id);
            self.get("/accounts/{id}/balance?at=2026-01-01T00:00:00Z", id);
            self.get("/accounts/{id}/balance?at=9999-01-01T00:00:00Z", id);
            self.get("/accounts/{id}/transactions?from=2026-01-01T00:00:00Z", id);
            self.get("/accounts/{id}/transactions?to=yesterday", id);
        }
        self.post("/transfers", "", &hold);
        let path = format!("/accounts/{from}");
        self.send("DELETE", "/accounts/{id}", &Request::delete(&path));
    }

    /// Lists of transfers.
    fn lists_of_transfers(&mut self) {
        self.get("/transfers", "");
        self.get("/transfers?entity=7", "");
        for query in ["", "&limit=1", "&cursor=x", "&limit=0", "&status=posted"] {
            self.get(&format!("/transfers?entity={UNKNOWN_ID}{query}"), "");
        }
        self.get("/transfers?status=pending", "");
        self.get("/transfers?reference=r", "");
    }

    /// Everything about wallets.
    fn wallets(&mut self) {
        let open = json!({
            "customer_id": UNKNOWN_ID, "name": "Savings", "currency": "USD", "overdraft_limit": 10,
            "limits": {"per_transaction": 50, "per_day": 60, "max_balance": 200},
        });
        let opened = self.post("/wallets", "", &open);
        let id = text(&opened.json(), "id");
        let least = json!({"customer_id": UNKNOWN_ID, "overdraft_limit": "unlimited"});
        let other = text(&self.post("/wallets", "", &least).json(), "id");
        self.post("/wallets?dry_run=true", "", &open);
        self.post("/wallets", "", &json!({}));
        self.post("/wallets", "", &json!({"customer_id": "7"}));
        for id in [&id, &other, UNKNOWN_ID, "7"] {
            for amount in [100, 60, 0] {
                for how in ["deposit", "withdraw"] {
                    let path = format!("/wallets/{{id}}/{how}");
                    self.post(
                        &format!("{path}?dry_run=true"),
                        id,
                        &json!({"amount": amount}),
                    );
                    let done = self.post(&path, id, &json!({"amount": amount}));
                    if done.status == 200 {
                        let operation = text(&done.json(), "operation_id");
                        self.get("/operations/{id}", &operation);
                        self.get("/ledger/transactions/{id}", &operation);
                    }
                }
            }
            self.get("/wallets/{id}", id);
            self.get("/wallets/{id}/transactions", id);
            self.get("/wallets/{id}/transactions?limit=0", id);
            self.get("/wallets/{id}/balance", id);
            self.get("/wallets/{id}/balance?at=2026-01-01T00:00:00Z", id);
            self.get("/wallets/{id}/balance?at=yesterday", id);
            for body in [
                json!({"limits": {"per_day": null}}),
                json!({"status": "FROZEN"}),
                json!({"status": "DELETED"}),
            ] {
                let patch = Request::patch(&format!("/wallets/{id}"), &body);
                self.send("PATCH", "/wallets/{id}", &patch);
                self.send("PATCH", "/wallets/{id}", &patch.if_match(1));
            }
            self.post("/wallets/{id}/withdraw", id, &json!({"amount": 1}));
            self.get("/customers/{id}/wallets", id);
        }
        self.get("/customers/{id}/wallets?limit=1", UNKNOWN_ID);
        self.get("/customers/{id}/wallets?cursor=x", UNKNOWN_ID);
        self.get("/wallets", "");
        for query in ["", "&limit=1", "&cursor=x", "&limit=0"] {
            self.get(&format!("/wallets?customer_id={UNKNOWN_ID}{query}"), "");
        }
        self.get("/wallets?customer_id=7", "");
    }

    #[track_caller]
    fn get(&mut self, path: &str, id: &str) -> Response {
        let target = path.replace("{id}", id).replace("{code}", id);
        self.send("GET", path, &Request::get(&target))
    }

    #[track_caller]
    fn post(&mut self, path: &str, id: &str, body: &serde_json::Value) -> Response {
        self.send(
            "POST",
            path,
            &Request::post(&path.replace("{id}", id), body),
        )
    }

    #[track_caller]
    fn send(&mut self, method: &str, path: &str, request: &Request) -> Response {
        let path = path.split('?').next().unwrap();
        let answer = self.server.send(request);
        let operations = self.document.operations();
        let described = operations
            .iter()
            .find(|(known, of, _)| known == method && of == path);
        let (_, _, operation) =
            described.unwrap_or_else(|| panic!("{method} {path} is not described"));
        let kind = answer.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap();
        let checked = match kind {
            // Its own schema is OpenAPI's.
            "application/json" | "application/problem+json" if path != "/openapi.json" => {
                let schema = self.document.answer(operation, answer.status, kind);
                schema.and_then(|schema| self.document.check(schema, &answer.json()))
            }
            _ => self.document.describes(operation, answer.status, kind),
        };
        if let Err(error) = checked {
            panic!(
                "{method} {path} {}: {error} in {}",
                answer.status,
                answer.text()
            );
        }
        self.seen.insert((method.to_owned(), path.to_owned()));
        answer
    }
}

fn document(client: &Client) -> Document {
    Document(client.get("/openapi.json").ok())
}

fn fill(path: &str) -> String {
    path.replace("{kind}", "account")
        .replace("{id}", UNKNOWN_ID)
        .replace("{code}", "not-found")
        .replace("{schema}", "florin.account.created.v1.json")
}
