//! Accounts: how they are opened, read, listed, changed and deleted.

use std::collections::BTreeSet;

use florin_tests::bank::{self, AMOUNT_MAX, UNKNOWN_ID, money, opening, text, with};
use florin_tests::http::Request;
use florin_tests::server::Shared;
use serde_json::{Value, json};

static SERVER: Shared = Shared::new();

#[test]
fn an_opened_account_is_answered_whole_and_reads_the_same() {
    let server = SERVER.server();
    let asked = json!({
        "holder_name": "Zoë Ngũgĩ", "country_code": "KE", "currency": "KES",
        "overdraft_limit": 250, "reference": "client-1", "metadata": {"tier": "gold"},
    });
    let answer = server.post("/accounts", &asked);
    let account = answer.with(201);
    let id = text(&account, "id");
    assert!(bank::is_id(&id), "{account}");
    assert!(bank::is_time(&text(&account, "created_at")), "{account}");
    for field in [
        "holder_name",
        "country_code",
        "currency",
        "reference",
        "metadata",
    ] {
        assert_eq!(account[field], asked[field], "{field}");
    }
    let number = text(&account, "account_number");
    let digits = number.strip_prefix("ACC-").expect("ACC-");
    assert!(
        digits.len() >= 8 && digits.bytes().all(|b| b.is_ascii_digit()),
        "{number}"
    );
    assert_eq!(account["status"], "ACTIVE");
    assert_eq!(money(&account), json!([0, 0, 250, 1]));
    assert_eq!(
        answer.header("location"),
        Some(format!("/accounts/{id}").as_str())
    );
    assert_eq!(answer.header("etag"), Some("\"1\""));
    let read = server.get(&format!("/accounts/{id}"));
    assert_eq!(read.ok(), account);
    assert_eq!(read.header("etag"), Some("\"1\""));
}

#[test]
fn an_account_opened_with_the_least_has_the_defaults() {
    let account = SERVER.server().open(&json!({}));
    assert_eq!(account["currency"], "USD");
    assert_eq!(money(&account), json!([0, 0, 0, 1]));
}

#[test]
fn an_account_without_a_limit_has_no_available_number() {
    let server = SERVER.server();
    let account = server.open(&json!({"overdraft_limit": null}));
    assert_eq!(account["available"], Value::Null);
    assert_eq!(account["overdraft_limit"], Value::Null);
    let id = text(&account, "id");
    let answer = server.withdraw(&id, 1_000).ok();
    assert_eq!(money(&answer), json!([-1_000, 0, null, 2]));
}

#[test]
fn account_numbers_and_ids_are_unique() {
    let server = SERVER.server();
    let accounts: Vec<Value> = (0..300).map(|_| server.open(&json!({}))).collect();
    for field in ["id", "account_number"] {
        let different: BTreeSet<String> = accounts.iter().map(|a| text(a, field)).collect();
        assert_eq!(different.len(), accounts.len(), "{field}");
    }
}

#[test]
fn what_no_account_may_be_opened_with_is_named() {
    let server = SERVER.alone();
    let wrong = [
        ("holder_name", json!("")),
        ("holder_name", json!("x".repeat(256))),
        ("holder_name", json!(7)),
        ("country_code", json!("XX")),
        ("country_code", json!("gb")),
        ("currency", json!("usd")),
        ("currency", json!("ABC")),
        ("overdraft_limit", json!(-1)),
        ("overdraft_limit", json!(1.5)),
        ("overdraft_limit", json!("5")),
        ("overdraft_limit", json!(AMOUNT_MAX + 1)),
        ("reference", json!("x".repeat(256))),
        ("metadata", json!({"a": 1})),
        ("metadata", json!({"a": "x".repeat(4_097)})),
        (
            "metadata",
            Value::Object((0..33).map(|n| (n.to_string(), json!("x"))).collect()),
        ),
    ];
    for (field, value) in wrong {
        let body = with(opening(), &json!({field: value}));
        let problem = server.refused(&Request::post("/accounts", &body), 400, "invalid_request");
        let named = problem["field"].as_str().unwrap_or_default();
        assert!(named.starts_with(field), "{field} = {value}: {problem}");
    }
    for field in ["holder_name", "country_code"] {
        let mut body = opening();
        body.as_object_mut().unwrap().remove(field);
        server.refused(&Request::post("/accounts", &body), 400, "invalid_request");
    }
}

#[test]
fn the_longest_texts_are_kept_as_they_are() {
    let server = SERVER.server();
    let long = "ü".repeat(255);
    let pairs: Value = Value::Object(
        (0..32)
            .map(|n| (format!("k{n:02}"), json!("v".repeat(125))))
            .collect(),
    );
    let asked = json!({"holder_name": long, "reference": long, "metadata": pairs});
    let account = server.open(&asked);
    for field in ["holder_name", "reference", "metadata"] {
        assert_eq!(account[field], asked[field], "{field}");
    }
    assert_eq!(server.read(&text(&account, "id")), account);
}

#[test]
fn an_unknown_account_is_not_found() {
    let server = SERVER.server();
    let path = format!("/accounts/{UNKNOWN_ID}");
    server.get(&path).problem(404, "not_found");
    server
        .get(&format!("{path}/transactions"))
        .problem(404, "not_found");
    server.delete(&path).problem(404, "not_found");
    server
        .patch(&path, &json!({"status": "FROZEN"}))
        .problem(404, "not_found");
    server.deposit(UNKNOWN_ID, 1).problem(404, "not_found");
}

#[test]
fn a_list_filters_by_reference_and_status() {
    let server = SERVER.server();
    let reference = "listed by reference";
    let ids: Vec<String> = (0..4)
        .map(|_| text(&server.open(&json!({"reference": reference})), "id"))
        .collect();
    server.open(&json!({"reference": "listed by another reference"}));
    server.freeze(&ids[1]);
    server.delete(&format!("/accounts/{}", ids[2])).ok();
    let found = |query: &str| -> BTreeSet<String> {
        let list = server.list(&format!(
            "/accounts?reference=listed%20by%20reference{query}"
        ));
        assert!(
            list.iter().all(|account| account["reference"] == reference),
            "{list:?}"
        );
        list.iter().map(|account| text(account, "id")).collect()
    };
    let of = |places: &[usize]| places.iter().map(|place| ids[*place].clone()).collect();
    assert_eq!(found(""), of(&[0, 1, 2, 3]));
    assert_eq!(found("&status=ACTIVE"), of(&[0, 3]));
    assert_eq!(found("&status=FROZEN"), of(&[1]));
    assert_eq!(found("&status=DELETED"), of(&[2]));
    server
        .get("/accounts?status=SLEEPING")
        .problem(400, "invalid_request");
}

#[test]
fn a_listed_account_is_the_account() {
    let server = SERVER.server();
    let account = server.open(&json!({"reference": "listed-whole"}));
    let id = text(&account, "id");
    server.deposit(&id, 77).ok();
    let listed = server.list("/accounts?reference=listed-whole");
    assert_eq!(listed, [server.read(&id)]);
    assert_eq!(listed[0]["balance"], 77);
}

#[test]
fn pages_of_accounts_show_each_once() {
    let server = SERVER.server();
    let ids: BTreeSet<String> = (0..23)
        .map(|_| text(&server.open(&json!({"reference": "paged"})), "id"))
        .collect();
    for limit in [1, 7, 23, 1_000] {
        let page = server
            .get(&format!("/accounts?reference=paged&limit={limit}"))
            .ok();
        assert_eq!(page["data"].as_array().unwrap().len(), limit.min(23));
        let list = server.list(&format!("/accounts?reference=paged&limit={limit}"));
        let listed: BTreeSet<String> = list.iter().map(|account| text(account, "id")).collect();
        assert_eq!(listed, ids, "limit {limit}");
        assert_eq!(list.len(), ids.len(), "limit {limit}");
    }
}

#[test]
fn a_page_without_a_limit_has_fifty_entries() {
    let server = SERVER.server();
    for _ in 0..51 {
        server.open(&json!({"reference": "fifty"}));
    }
    let page = server.get("/accounts?reference=fifty").ok();
    assert_eq!(page["data"].as_array().unwrap().len(), 50);
    assert_eq!(page["has_more"], true);
    let cursor = text(&page, "next_cursor");
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    assert!(cursor.bytes().all(plain), "not safe in a URL: {cursor}");
}

#[test]
fn a_list_shows_an_account_as_soon_as_it_is_answered() {
    let server = SERVER.server();
    for n in 0..50 {
        let reference = format!("at-once-{n}");
        let account = server.open(&json!({"reference": reference}));
        assert_eq!(
            server.list(&format!("/accounts?reference={reference}")),
            [account]
        );
    }
}

#[test]
fn a_frozen_account_thaws() {
    let server = SERVER.server();
    let id = server.account_of(100);
    let path = format!("/accounts/{id}");
    let frozen = server.patch(&path, &json!({"status": "FROZEN"}));
    assert_eq!(frozen.ok()["status"], "FROZEN");
    assert_eq!(frozen.ok()["version"], 3);
    assert_eq!(frozen.header("etag"), Some("\"3\""));
    server.withdraw(&id, 1).problem(409, "account_frozen");
    assert_eq!(
        server.patch(&path, &json!({"status": "ACTIVE"})).ok()["version"],
        4
    );
    assert_eq!(money(&server.withdraw(&id, 1).ok()), json!([99, 0, 99, 5]));
}

#[test]
fn a_change_that_changes_nothing_is_no_record() {
    let server = SERVER.alone();
    let id = text(&server.open(&json!({"overdraft_limit": 10})), "id");
    let before = (server.read(&id), server.sequence());
    for same in [
        json!({}),
        json!({"status": "ACTIVE"}),
        json!({"overdraft_limit": 10}),
    ] {
        let answer = server.patch(&format!("/accounts/{id}"), &same);
        assert_eq!(answer.ok(), before.0, "{same}");
        assert_eq!(answer.header("etag"), Some("\"1\""), "{same}");
    }
    let empty = server.send(&Request::new("PATCH", &format!("/accounts/{id}")));
    assert_eq!(empty.ok(), before.0);
    assert_eq!((server.read(&id), server.sequence()), before);
}

#[test]
fn an_account_is_not_deleted_by_a_change() {
    let server = SERVER.server();
    let id = server.account();
    for status in ["DELETED", "frozen", ""] {
        let answer = server.patch(&format!("/accounts/{id}"), &json!({"status": status}));
        assert_eq!(answer.problem(400, "invalid_request")["field"], "status");
    }
    assert_eq!(server.read(&id)["version"], 1);
}

#[test]
fn an_overdraft_limit_may_go_below_the_debt() {
    let server = SERVER.server();
    let id = text(&server.open(&json!({"overdraft_limit": 100})), "id");
    let path = format!("/accounts/{id}");
    server.withdraw(&id, 60).ok();
    let lowered = server.patch(&path, &json!({"overdraft_limit": 10})).ok();
    assert_eq!(money(&lowered), json!([-60, 0, -50, 3]));
    server.withdraw(&id, 1).problem(422, "insufficient_funds");
    assert_eq!(
        money(&server.deposit(&id, 20).ok()),
        json!([-40, 0, -30, 4])
    );
    server.withdraw(&id, 1).problem(422, "insufficient_funds");
    assert_eq!(money(&server.deposit(&id, 31).ok()), json!([-9, 0, 1, 5]));
    assert_eq!(money(&server.withdraw(&id, 1).ok()), json!([-10, 0, 0, 6]));
    let freed = server.patch(&path, &json!({"overdraft_limit": null})).ok();
    assert_eq!(money(&freed), json!([-10, 0, null, 7]));
}

#[test]
fn a_deleted_account_stays_readable_and_refuses_all() {
    let server = SERVER.server();
    let id = server.account_of(5);
    let other = server.account_of(5);
    let path = format!("/accounts/{id}");
    server.withdraw(&id, 5).ok();
    let deleted = server.delete(&path);
    assert_eq!(deleted.ok()["status"], "DELETED");
    assert_eq!(deleted.header("etag"), Some("\"4\""));
    assert_eq!(server.read(&id), deleted.ok());
    assert_eq!(server.list(&format!("{path}/transactions")).len(), 2);
    for refused in [
        server.delete(&path),
        server.patch(&path, &json!({"status": "ACTIVE"})),
        server.patch(&path, &json!({"overdraft_limit": 1})),
        server.deposit(&id, 1),
        server.withdraw(&id, 1),
        server.transfer(&id, &other, 1),
        server.transfer(&other, &id, 1),
    ] {
        refused.problem(409, "account_deleted");
    }
    assert_eq!(server.read(&id), deleted.ok());
    assert_eq!(server.balance(&other), 5);
}

#[test]
fn an_account_with_money_or_debt_is_not_deleted() {
    let server = SERVER.server();
    let rich = server.account_of(1);
    let poor = text(&server.open(&json!({"overdraft_limit": 1})), "id");
    server.withdraw(&poor, 1).ok();
    for id in [rich, poor] {
        server
            .delete(&format!("/accounts/{id}"))
            .problem(409, "balance_not_zero");
        assert_eq!(server.read(&id)["status"], "ACTIVE");
    }
}

#[test]
fn a_frozen_account_without_money_is_deleted() {
    let server = SERVER.server();
    let id = server.account();
    server.freeze(&id);
    assert_eq!(
        server.delete(&format!("/accounts/{id}")).ok()["status"],
        "DELETED"
    );
}

#[test]
fn every_answer_about_one_account_carries_its_version_as_etag() {
    let server = SERVER.server();
    let id = server.account();
    let path = format!("/accounts/{id}");
    for answer in [
        server.get(&path),
        server.deposit(&id, 2),
        server.withdraw(&id, 1),
        server.patch(&path, &json!({"overdraft_limit": 1})),
        server.get(&path),
        server.withdraw(&id, 1),
        server.delete(&path),
    ] {
        let version = answer.ok()["version"].as_u64().expect("a version");
        assert_eq!(
            answer.header("etag"),
            Some(format!("\"{version}\"").as_str())
        );
    }
}

#[test]
fn a_change_of_another_version_is_refused() {
    let server = SERVER.alone();
    let id = server.account_of(100);
    let path = format!("/accounts/{id}");
    let other = server.account();
    let requests = [
        Request::patch(&path, &json!({"overdraft_limit": 1})),
        Request::delete(&path),
        Request::post(&format!("{path}/deposit"), &json!({"amount": 1})),
        Request::post(&format!("{path}/withdraw"), &json!({"amount": 1})),
        Request::post("/transfers", &json!({"from": id, "to": other, "amount": 1})),
        Request::post(
            "/accounts/transfer",
            &json!({"from_account_id": id, "to_account_id": other, "amount": 1}),
        ),
    ];
    for request in &requests {
        for version in [0, 1, 3, u64::MAX] {
            server.refused(&request.clone().if_match(version), 412, "version_mismatch");
        }
    }
    let money = [2, 3, 4, 5];
    for (request, version) in requests[2..].iter().zip(money) {
        server.send(&request.clone().if_match(version)).ok();
    }
    server.send(&requests[0].clone().if_match(6)).ok();
    assert_eq!(server.read(&id)["version"], 7);
}

#[test]
fn a_precondition_that_cannot_be_read_is_not_passed_over() {
    let server = SERVER.alone();
    let id = server.account();
    let deposit = Request::post(&format!("/accounts/{id}/deposit"), &json!({"amount": 1}));
    for wrong in ["1", "\"one\"", "\"1", "\"-1\"", ""] {
        let before = server.sequence();
        let answer = server.send(&deposit.clone().header("If-Match", wrong));
        assert!(
            matches!(answer.status, 400 | 412),
            "{wrong:?}: {}",
            answer.text()
        );
        assert_eq!(server.sequence(), before, "{wrong:?}");
    }
}

#[test]
fn a_change_is_dry_run_without_being_made() {
    let server = SERVER.alone();
    let id = server.account();
    let before = (server.read(&id), server.sequence());
    let path = format!("/accounts/{id}?dry_run=true");
    let changed = server.patch(&path, &json!({"status": "FROZEN"})).ok();
    assert_eq!(
        (&changed["status"], &changed["dry_run"]),
        (&json!("FROZEN"), &json!(true))
    );
    let deleted = server.delete(&path).ok();
    assert_eq!(
        (&deleted["status"], &deleted["dry_run"]),
        (&json!("DELETED"), &json!(true))
    );
    let opened = server.post("/accounts?dry_run=true", &opening());
    let opened = opened.with(200);
    assert_eq!(opened["dry_run"], true);
    let path = format!("/accounts/{}", text(&opened, "id"));
    server.get(&path).problem(404, "not_found");
    assert_eq!((server.read(&id), server.sequence()), before);
}
