//! A walk through the routes of the document that checks every answer.

use std::collections::BTreeSet;

use florin_tests::bank::{UNKNOWN_ID, text};
use florin_tests::cards::{card_of, refused};
use florin_tests::http::{Client, Request, Response};
use florin_tests::schema::Document;
use florin_tests::websocket;
use serde_json::json;

/// A walk through the routes that checks every answer.
pub struct Walk<'a> {
    pub server: &'a Client,
    pub document: &'a Document,
    pub seen: BTreeSet<(String, String)>,
}

impl Walk<'_> {
    /// Walks through cards, and the documents' other requests about accounts.
    pub fn cards(&mut self) {
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

    /// Walks through pending transfers and reversals.
    pub fn holds(&mut self) {
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

    /// Walks through lists of transfers.
    pub fn lists_of_transfers(&mut self) {
        self.get("/transfers", "");
        self.get("/transfers?entity=7", "");
        for query in ["", "&limit=1", "&cursor=x", "&limit=0", "&status=posted"] {
            self.get(&format!("/transfers?entity={UNKNOWN_ID}{query}"), "");
        }
        self.get("/transfers?status=pending", "");
        self.get("/transfers?reference=r", "");
    }

    /// Walks through wallets.
    pub fn wallets(&mut self) {
        let open = json!({
            "customer_id": UNKNOWN_ID, "name": "Savings", "currency": "USD", "overdraft_limit": 10,
            "limits": {"per_transaction": 50, "per_day": 60, "max_balance": 200},
        });
        let opened = self.post("/wallets", "", &open);
        let id = text(&opened.json(), "id");
        let least = json!({"customer_id": UNKNOWN_ID, "overdraft_limit": null});
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

    /// Walks through merchants.
    pub fn merchants(&mut self) {
        let open = json!({"name": "Kiosk 7", "email": "kiosk7@example.com", "currency": "USD"});
        self.post("/merchants?dry_run=true", "", &open);
        let id = text(&self.post("/merchants", "", &open).json(), "id");
        for wrong in [json!({}), json!({"name": "Kiosk 7", "email": "kiosk"})] {
            self.post("/merchants", "", &wrong);
        }
        for id in [&id, UNKNOWN_ID, "7"] {
            for (how, amount) in [("deposit", 100), ("withdraw", 60), ("withdraw", 60)] {
                let path = format!("/merchants/{{id}}/{how}");
                let body = json!({"amount": amount});
                self.post(&format!("{path}?dry_run=true"), id, &body);
                let done = self.post(&path, id, &body);
                if done.status == 200 {
                    let operation = text(&done.json(), "operation_id");
                    self.get("/operations/{id}", &operation);
                    self.get("/ledger/transactions/{id}", &operation);
                }
            }
            for rest in ["", "/balance", "/transactions", "/transactions?limit=0"] {
                self.get(&format!("/merchants/{{id}}{rest}"), id);
            }
            let path = format!("/merchants/{id}/personal-data");
            let erase = Request::delete(&path);
            self.send("DELETE", "/merchants/{id}/personal-data", &erase);
            self.get("/merchants/{id}", id);
        }
        for query in ["", "?limit=1", "?cursor=x", "?limit=0"] {
            self.get(&format!("/merchants{query}"), "");
        }
    }

    #[track_caller]
    pub fn get(&mut self, path: &str, id: &str) -> Response {
        let target = path.replace("{id}", id).replace("{code}", id);
        self.send("GET", path, &Request::get(&target))
    }

    #[track_caller]
    pub fn post(&mut self, path: &str, id: &str, body: &serde_json::Value) -> Response {
        self.send(
            "POST",
            path,
            &Request::post(&path.replace("{id}", id), body),
        )
    }

    #[track_caller]
    pub fn send(&mut self, method: &str, path: &str, request: &Request) -> Response {
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
            // The schema of this document is that of OpenAPI.
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

/// Walks through the journal's events, their schemas, and replays.
pub fn walk_events(walk: &mut Walk<'_>) {
    walk.get("/schemas", "");
    let schema = Request::get("/schemas/florin.account.created.v1.json");
    walk.send("GET", "/schemas/{schema}", &schema);
    for query in [
        "",
        "?limit=1000",
        "?limit=1",
        "?from=1&from_time=2026-01-01T00:00:00Z",
        "?from=yesterday",
        "?from_time=1",
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

/// Walks through batches, transactions of many legs, and asynchronous commands.
pub fn walk_many(walk: &mut Walk<'_>) {
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
