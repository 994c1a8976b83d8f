//! Merchants: how they are opened, how their money moves, and how their personal data is erased.

use florin_tests::bank::{UNKNOWN_ID, is_id, is_time, money, text, with};
use florin_tests::http::{Client, Request, Response};
use florin_tests::server::{Server, Shared};
use serde_json::{Value, json};

static SERVER: Shared = Shared::new();

fn opening() -> Value {
    json!({"name": "Kiosk 7", "email": "kiosk7@example.com"})
}

#[track_caller]
fn open(server: &Client) -> String {
    text(&server.post("/merchants", &opening()).with(201), "id")
}

#[track_caller]
fn read(server: &Client, id: &str) -> Value {
    server.get(&format!("/merchants/{id}")).ok()
}

#[track_caller]
fn moved(server: &Client, id: &str, how: &str, amount: i64) -> Response {
    let path = format!("/merchants/{id}/{how}");
    server.post(&path, &json!({"amount": amount}))
}

#[track_caller]
fn merchant_of(server: &Client, amount: i64) -> String {
    let id = open(server);
    moved(server, &id, "deposit", amount).ok();
    id
}

#[test]
fn an_opened_merchant_is_answered_whole_and_reads_the_same() {
    let server = SERVER.server();
    let asked = with(opening(), &json!({"currency": "KES"}));
    let answer = server.post("/merchants", &asked);
    let merchant = answer.with(201);
    let id = text(&merchant, "id");
    for field in ["name", "email", "currency"] {
        assert_eq!(merchant[field], asked[field], "{field}");
    }
    assert!(is_id(&id) && is_time(&text(&merchant, "created_at")));
    assert_eq!(money(&merchant), json!([0, 0, 0, 1]));
    let location = format!("/merchants/{id}");
    assert_eq!(answer.header("location"), Some(location.as_str()));
    assert_eq!(answer.header("etag"), Some("\"1\""));
    assert_eq!(server.get(&location).ok(), merchant);
    let least = server.post("/merchants", &opening()).with(201);
    assert_eq!(least["currency"], "USD");
}

#[test]
fn what_no_merchant_may_be_opened_with_is_named() {
    let server = SERVER.alone();
    let wrong = [
        ("name", json!("")),
        ("name", json!("x".repeat(256))),
        ("name", json!(null)),
        ("email", json!("")),
        ("email", json!("kiosk")),
        ("email", json!("a@b@c")),
        ("email", json!("a b@example.com")),
        ("email", json!("a@example.com\n")),
        ("email", json!(format!("{}@b", "a".repeat(253)))),
        ("currency", json!("usd")),
        ("status", json!("ACTIVE")),
    ];
    for (field, value) in wrong {
        let body = with(opening(), &json!({field: value}));
        let problem = server.refused(&Request::post("/merchants", &body), 400, "invalid_request");
        assert_eq!(problem["field"], field, "{value}");
    }
    for field in ["name", "email"] {
        let mut body = opening();
        body.as_object_mut().unwrap().remove(field);
        server.refused(&Request::post("/merchants", &body), 400, "invalid_request");
    }
}

#[test]
fn merchants_are_listed_in_the_order_of_their_creation_page_by_page() {
    let server = Server::start();
    let ids: Vec<String> = (0..5).map(|_| open(&server)).collect();
    server.account();
    let listed = server.list("/merchants?limit=2");
    let listed: Vec<String> = listed.iter().map(|one| text(one, "id")).collect();
    assert_eq!(listed, ids);
    let page = server.get("/merchants?limit=5").ok();
    assert_eq!(
        (&page["has_more"], &page["next_cursor"]),
        (&json!(false), &json!(null))
    );
    assert_eq!(page["data"][4], read(&server, &ids[4]));
    let accounts = server.list("/accounts");
    assert_eq!(accounts.len(), 1, "no merchant is an account");
}

#[test]
fn money_comes_in_and_goes_out_and_no_more_than_there_is() {
    let server = SERVER.server();
    let id = open(&server);
    let answer = moved(&server, &id, "deposit", 100);
    assert_eq!(answer.header("etag"), Some("\"2\""));
    assert_eq!(
        (answer.ok()["id"].clone(), money(&answer.ok())),
        (json!(id), json!([100, 0, 100, 2]))
    );
    assert_eq!(
        money(&moved(&server, &id, "withdraw", 40).ok()),
        json!([60, 0, 60, 3])
    );
    let problem = moved(&server, &id, "withdraw", 61).problem(422, "insufficient_funds");
    assert_eq!(problem["entity_id"], id);
    let other = json!({"amount": 1, "currency": "KES"});
    server
        .post(&format!("/merchants/{id}/deposit"), &other)
        .problem(422, "currency_mismatch");
    assert_eq!(money(&read(&server, &id)), json!([60, 0, 60, 3]));
}

#[test]
fn a_deposit_may_be_accepted_first_and_executed_afterwards() {
    let server = SERVER.server();
    let id = open(&server);
    let path = format!("/merchants/{id}/deposit");
    let later = Request::post(&path, &json!({"amount": 7})).header("Prefer", "respond-async");
    let operation = text(&server.send(&later).with(202), "operation_id");
    let done = florin_tests::poll::eventually("the deposit is executed", || {
        let operation = server.get(&format!("/operations/{operation}")).ok();
        (operation["status"] == "completed").then_some(operation)
    });
    assert_eq!(money(&done["result"]), json!([7, 0, 7, 2]));
}

#[test]
fn a_merchant_is_source_and_target_of_transfers_holds_and_legs() {
    let server = SERVER.server();
    let (merchant, wallet) = (merchant_of(&server, 100), server.wallet_of(100, &json!({})));
    server.transfer(&merchant, &wallet, 30).created();
    server.transfer(&wallet, &merchant, 5).created();
    let held = server.held(&merchant, &wallet, 50);
    assert_eq!(money(&read(&server, &merchant)), json!([75, 50, 25, 5]));
    server.settle(&held, "post", &json!({"amount": 20})).ok();
    let leg = |from: &str, to: &str| json!({"from": from, "to": to, "amount": 10});
    let legs = json!({"legs": [leg(&merchant, &wallet), leg(&wallet, &merchant)]});
    server.post("/transactions", &legs).ok();
    let batch = json!({"atomic": true, "transfers": [leg(&wallet, &merchant)]});
    server.post("/transfers/batch", &batch).ok();
    let after = read(&server, &merchant);
    assert_eq!((&after["balance"], &after["held"]), (&json!(65), &json!(0)));
    assert_eq!(server.read_wallet(&wallet)["balance"], 135);
    let problem = server.transfer(&merchant, &wallet, 66);
    let problem = problem.problem(422, "insufficient_funds");
    assert_eq!(
        (&problem["field"], &problem["entity_id"]),
        (&json!("from"), &json!(merchant))
    );
}

#[test]
fn history_and_balances_at_a_time_are_kept() {
    let server = SERVER.server();
    let id = merchant_of(&server, 100);
    moved(&server, &id, "withdraw", 30).ok();
    let path = format!("/merchants/{id}");
    let rows = server.list(&format!("{path}/transactions"));
    let amounts: Vec<&Value> = rows.iter().map(|row| &row["amount"]).collect();
    assert_eq!(amounts, [&json!(-30), &json!(100)]);
    assert_eq!(
        money(&server.get(&format!("{path}/balance")).ok()),
        json!([70, 0, 70, 3])
    );
    let at = |row: &Value| {
        let time = text(row, "timestamp");
        server.get(&format!("{path}/balance?at={time}")).ok()
    };
    // A record at the time itself is left out.
    assert_eq!(money(&at(&rows[0])), json!([100, 0, 100, 2]));
    assert_eq!(money(&at(&rows[1])), json!([0, 0, 0, 1]));
    let created = text(&read(&server, &id), "created_at");
    server
        .get(&format!("{path}/balance?at={created}"))
        .problem(404, "not_found");
}

#[test]
fn no_other_kind_is_served_as_a_merchant_and_no_merchant_as_another_kind() {
    let server = SERVER.server();
    let (merchant, account) = (merchant_of(&server, 10), server.account_of(10));
    for (list, id) in [
        ("merchants", &account),
        ("accounts", &merchant),
        ("wallets", &merchant),
    ] {
        let path = format!("/{list}/{id}");
        for path in [
            path.clone(),
            format!("{path}/balance"),
            format!("{path}/transactions"),
        ] {
            server.get(&path).problem(404, "not_found");
        }
        for how in ["deposit", "withdraw"] {
            let body = json!({"amount": 1});
            server
                .post(&format!("{path}/{how}"), &body)
                .problem(404, "not_found");
        }
    }
    let erase = format!("/merchants/{account}/personal-data");
    server.delete(&erase).problem(404, "not_found");
    read(&server, &merchant);
    server
        .get(&format!("/merchants/{UNKNOWN_ID}"))
        .problem(404, "not_found");
    server.get("/merchants/7").problem(400, "invalid_id");
}

#[test]
fn a_repeat_of_a_key_opens_nothing_and_moves_nothing() {
    let server = SERVER.server();
    let opened = Request::post("/merchants", &opening()).key("merchant-opening");
    let first = server.send(&opened);
    let again = server.send(&opened);
    assert!(again.replayed());
    assert_eq!(again.with(201), first.with(201));
    let other = with(opening(), &json!({"email": "other@example.com"}));
    let other = Request::post("/merchants", &other).key("merchant-opening");
    server.send(&other).problem(422, "idempotency_key_reused");
    let id = text(&first.with(201), "id");
    let deposit = Request::post(&format!("/merchants/{id}/deposit"), &json!({"amount": 9}));
    let deposit = deposit.key("merchant-deposit");
    let first = server.send(&deposit).ok();
    assert_eq!(server.send(&deposit).ok(), first);
    assert_eq!(read(&server, &id)["balance"], 9);
}

#[test]
fn a_dry_run_opens_nothing() {
    let server = SERVER.alone();
    let before = server.sequence();
    let shown = server.post("/merchants?dry_run=true", &opening()).ok();
    assert_eq!(
        (&shown["dry_run"], &shown["name"]),
        (&json!(true), &json!("Kiosk 7"))
    );
    let path = format!("/merchants/{}", text(&shown, "id"));
    server.get(&path).problem(404, "not_found");
    assert_eq!(server.sequence(), before);
}

#[test]
fn the_events_of_a_merchant_are_in_the_feed_without_personal_data() {
    let server = SERVER.server();
    let id = merchant_of(&server, 12);
    let events = server.list(&format!("/admin/events?key={id}"));
    let types: Vec<String> = events.iter().map(|event| text(event, "type")).collect();
    let expected = [
        "florin.merchant.created.v1",
        "florin.transaction.initiated.v1",
        "florin.transaction.completed.v1",
        "florin.account.deposit-completed.v1",
    ];
    assert_eq!(types, expected);
    let created = &events[0]["value"];
    assert_eq!(created["eventType"], "MERCHANT_CREATED");
    assert_eq!(
        (&created["merchantId"], &created["currency"]),
        (&json!(id), &json!("USD"))
    );
    assert_eq!(events[2]["value"]["to"]["kind"], "merchant");
    assert_eq!(events[2]["value"]["toWalletId"], json!(null));
    let all = json!(events).to_string();
    assert!(
        !all.contains("Kiosk") && !all.contains("example.com"),
        "{all}"
    );
}

#[test]
fn an_erased_merchant_has_no_name_and_keeps_its_money_also_after_a_restart() {
    let mut server = Server::start();
    let opened = Request::post("/merchants", &opening()).key("to-be-erased");
    let id = text(&server.send(&opened).with(201), "id");
    let kept = merchant_of(&server, 5);
    moved(&server, &id, "deposit", 70).ok();
    let before = read(&server, &id);
    let erasure = Request::delete(&format!("/merchants/{id}/personal-data"));
    server
        .send(&erasure.clone().if_match(1))
        .problem(412, "version_mismatch");
    let erased = with(before, &json!({"name": null, "email": null, "version": 3}));
    assert_eq!(server.send(&erasure).ok(), erased);
    assert_eq!(
        server.send(&erasure).ok(),
        erased,
        "a second erasure changes nothing"
    );
    server.send(&opened).problem(422, "idempotency_key_reused");
    let other = read(&server, &kept);
    assert_eq!(other["name"], "Kiosk 7");
    server.restart();
    assert_eq!(server.list("/merchants"), [erased.clone(), other]);
    moved(&server, &id, "withdraw", 70).ok();
    assert_eq!(read(&server, &id)["balance"], 0);
    assert!(!server.log().contains("kiosk7@example.com"));
    server.verified();
}

#[test]
fn a_merchant_is_exported_with_hashes_and_with_values_only_on_request() {
    let mut server = Server::start();
    open(&server);
    assert_eq!(server.stop().code(), Some(0));
    let data = server.data_dir();
    let data = data.to_str().unwrap();
    let export = |more: &[&str]| {
        let arguments = [&["export", "--data-dir", data], more].concat();
        let finished = florin_tests::executable::run(&arguments, &[]);
        assert_eq!(finished.code(), Some(0), "{}", finished.output());
        let line = finished.stdout.lines().next().unwrap().to_owned();
        serde_json::from_str::<Value>(&line).unwrap()
    };
    let line = export(&[]);
    assert_eq!(line["command"]["kind"], "open_merchant");
    let change = &line["changes"][0];
    assert_eq!(
        (&change["kind"], &change["events"][0]["type"]),
        (&json!("merchant"), &json!("opened"))
    );
    for opened in [&line["command"], &change["events"][0]] {
        for hash in ["name_hash", "email_hash"] {
            assert_eq!(text(opened, hash).len(), 32, "{opened}");
        }
    }
    assert!(!line.to_string().contains("Kiosk"), "{line}");
    let personal = json!({"name": "Kiosk 7", "email": "kiosk7@example.com"});
    assert_eq!(export(&["--personal"])["personal"], personal);
}
