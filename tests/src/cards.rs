//! Checks of accounts and cards that hold wherever the two services run: in one process, or in two
//! with Kafka between them. Each check takes a client of the core and one of the card service.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::bank::{UNKNOWN_ID, is_id, is_time, text};
use crate::http::{Client, Request, Response};
use crate::poll::eventually;

/// Requests a card.
#[track_caller]
pub fn ask(card: &Client, account: &str) -> Response {
    card.post("/cards", &json!({"account_id": account, "country": "US"}))
}

/// Requests a card until the account's event has arrived: before that, the card service knows no
/// such account.
#[track_caller]
pub fn card_of(card: &Client, account: &str) -> Value {
    eventually("the account's event comes", || {
        let asked = ask(card, account);
        if asked.status == 404 {
            let problem = asked.problem(404, "not_found");
            assert_eq!(problem["error"], "account not found", "{problem}");
            return None;
        }
        Some(asked.with(201))
    })
}

/// Requests a card until it is refused with this code and error.
#[track_caller]
pub fn refused(card: &Client, account: &str, code: &str, error: &str) {
    eventually(error, || {
        let asked = ask(card, account);
        if asked.status == 201 {
            return None;
        }
        let problem = asked.problem(409, code);
        assert_eq!(problem["error"], error, "{problem}");
        Some(())
    });
}

/// Returns the cards of an account, which both routes must list alike.
#[track_caller]
pub fn cards_of(card: &Client, account: &str) -> Vec<Value> {
    // Another instance's card may arrive between the two reads.
    eventually("both lists are the same", || {
        let listed = card.list(&format!("/cards/by-account?account_id={account}"));
        let again = card.list(&format!("/accounts/{account}/cards?limit=1"));
        (listed == again).then_some(listed)
    })
}

/// Runs the session of document 003 with its own requests.
pub fn session(core: &Client, card: &Client) {
    let opening = json!({"beholder_name": "John Doe", "country_code": "US"});
    let account = core.post("/account", &opening).with(201);
    let id = text(&account, "id");
    assert!(is_id(&id), "{account}");
    assert!(text(&account, "account_number").starts_with("ACC-"));
    for (field, value) in [
        ("beholder_name", "John Doe"),
        ("country_code", "US"),
        ("status", "ACTIVE"),
    ] {
        assert_eq!(account[field], value, "{account}");
    }
    let asked = json!({"country": "US", "account_id": id});
    let made = eventually("the account's event comes", || {
        let answer = card.post("/card", &asked);
        (answer.status != 404).then(|| answer.with(201))
    });
    let number = text(&made, "card_number");
    let digits = number.strip_prefix("US-").expect("the country first");
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    assert!(digits.len() == 8 && digits.bytes().all(is_hex), "{number}");
    assert!(is_time(&text(&made, "creation_timestamp")), "{made}");
    assert_eq!(made["country"], "US");
    assert_eq!(made["account_id"], id.as_str());
    assert_eq!(made["deleted"], false);
    assert_eq!(cards_of(card, &id), std::slice::from_ref(&made));
    let path = format!("/cards/{}", text(&made, "id"));
    assert_eq!(card.get(&path).ok(), made);
    let deleted = core.delete(&format!("/account?id={id}")).ok();
    assert_eq!(deleted["status"], "DELETED");
    assert_eq!(deleted["beholder_name"], "John Doe");
    let error = "cannot create card for deleted account";
    refused(card, &id, "account_deleted", error);
    // An existing card stays and can be deleted. A second deletion changes nothing.
    let ended = card.delete(&path).ok();
    assert_eq!(ended["deleted"], true);
    assert_eq!(card.delete(&path).ok(), ended);
    assert_eq!(card.get(&path).ok(), ended);
    let listed = cards_of(card, &id);
    assert!(listed.contains(&ended), "{listed:?}");
}

/// Checks that accounts which may have no card are refused.
pub fn refusals(core: &Client, card: &Client) {
    let problem = ask(card, UNKNOWN_ID).problem(404, "not_found");
    assert_eq!(problem["error"], "account not found");
    assert_eq!(cards_of(card, UNKNOWN_ID), Vec::<Value>::new());
    card.get(&format!("/cards/{UNKNOWN_ID}"))
        .problem(404, "not_found");
    card.delete(&format!("/cards/{UNKNOWN_ID}"))
        .problem(404, "not_found");
    let account = core.account();
    card_of(card, &account);
    core.freeze(&account);
    let frozen = "cannot create card for frozen account";
    refused(card, &account, "account_frozen", frozen);
    let path = format!("/accounts/{account}");
    core.patch(&path, &json!({"status": "ACTIVE"})).ok();
    eventually("the account is active again", || {
        let asked = ask(card, &account);
        (asked.status == 201).then_some(())
    });
    core.delete(&path).ok();
    let deleted = "cannot create card for deleted account";
    refused(card, &account, "account_deleted", deleted);
}

/// Checks that one key makes one card, whatever happens to the account.
pub fn keys(core: &Client, card: &Client) {
    let account = core.account();
    card_of(card, &account);
    let asked = json!({"account_id": account, "country": "US"});
    let request = Request::post("/cards", &asked).key("card");
    let made = card.send(&request);
    let first = made.with(201);
    assert!(!made.replayed());
    core.delete(&format!("/accounts/{account}")).ok();
    let deleted = "cannot create card for deleted account";
    refused(card, &account, "account_deleted", deleted);
    let again = card.send(&request);
    assert!(again.replayed());
    assert_eq!(again.with(201), first);
    let other = json!({"account_id": account, "country": "KE"});
    card.send(&Request::post("/cards", &other).key("card"))
        .problem(422, "idempotency_key_reused");
    // A refusal because of the account's state is stored under its key too.
    let late = Request::post("/cards", &asked).key("late");
    let refusal = card.send(&late).problem(409, "account_deleted");
    let again = card.send(&late);
    assert!(again.replayed());
    let repeated = again.problem(409, "account_deleted");
    assert_eq!(repeated["operation_id"], refusal["operation_id"]);
    let operation = text(&refusal, "operation_id");
    let operation = card.get(&format!("/operations/{operation}")).ok();
    assert_eq!(
        (&operation["kind"], &operation["status"]),
        (&json!("open_card"), &json!("failed"))
    );
}

/// Checks that many accounts each get a card with its own number.
pub fn many(core: &Client, card: &Client, accounts: usize) {
    let accounts: Vec<String> = (0..accounts).map(|_| core.account()).collect();
    let mut numbers = BTreeSet::new();
    for account in &accounts {
        let made = card_of(card, account);
        assert!(numbers.insert(text(&made, "card_number")), "{made}");
    }
    for account in accounts.iter().step_by(97) {
        let listed = cards_of(card, account);
        assert_eq!(listed.len(), 1, "{account}: {listed:?}");
    }
}
