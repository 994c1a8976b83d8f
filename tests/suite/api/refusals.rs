//! Refusals name the entity, the end and the limit, in sentences with numbers, and say what a retry
//! of the same request may do.

use florin_tests::bank::{UNKNOWN_ID, text};
use florin_tests::http::{Client, Request};
use florin_tests::server::{Server, Shared};
use serde_json::{Value, json};

static SERVER: Shared = Shared::new();

/// The expected refusal: code, entity, field, limit, sentence.
type Right<'a> = (&'a str, &'a str, Option<&'a str>, Option<&'a str>, &'a str);

#[track_caller]
fn check(refusal: &Value, (code, entity, field, limit, detail): Right<'_>) {
    assert_eq!(refusal["code"], code, "{refusal}");
    assert_eq!(refusal["entity_id"], entity, "{refusal}");
    let optional = |name: &str| refusal.get(name).and_then(Value::as_str);
    assert_eq!(
        (optional("field"), optional("limit")),
        (field, limit),
        "{refusal}"
    );
    assert_eq!(refusal["detail"], detail, "{refusal}");
}

/// Checks a refused transfer in every form: alone, as an item of both kinds of batches, as a leg,
/// and asynchronously.
#[track_caller]
fn refused_in_every_form(client: &Client, transfer: &Value, status: u16, right: Right<'_>) {
    let (code, entity, field, limit, detail) = right;
    check(
        &client.post("/transfers", transfer).problem(status, code),
        right,
    );
    let items = json!({"atomic": false, "transfers": [transfer]});
    let done = client.post("/transfers/batch", &items).ok();
    check(&done["results"][0], right);
    let within = |list: &str| field.map(|field| format!("{list}[0].{field}"));
    let items = json!({"atomic": true, "transfers": [transfer]});
    let legs = json!({"legs": [transfer]});
    for (path, list, body) in [
        ("/transfers/batch", "transfers", items),
        ("/transactions", "legs", legs),
    ] {
        let problem = client.post(path, &body).problem(422, "batch_rejected");
        assert_eq!(problem["item_code"], code, "{problem}");
        let field = within(list);
        let right = ("batch_rejected", entity, field.as_deref(), limit, detail);
        check(&problem, right);
    }
    // The asynchronous form has the same refusal as the operation's outcome.
    let request = Request::post("/transfers", transfer).header("Prefer", "respond-async, wait=30");
    let answer = client.send(&request);
    let body = answer.json();
    if answer.status == status {
        check(&body, right);
    }
}

#[test]
fn a_refused_transfer_names_its_end_and_its_limit() {
    let server = SERVER.server();
    let client = server.client();
    let poor = server.account_of(10);
    let rich = server.account_of(1_000_000);
    let transfer =
        |from: &str, to: &str, amount: u64| json!({"from": from, "to": to, "amount": amount});
    refused_in_every_form(
        client,
        &transfer(&poor, &rich, 11),
        422,
        (
            "insufficient_funds",
            &poor,
            Some("from"),
            None,
            "insufficient funds: available 10, requested 11",
        ),
    );
    let full = server.wallet_of(20_000, &json!({"max_balance": 100_000}));
    refused_in_every_form(
        client,
        &transfer(&rich, &full, 200_000),
        422,
        (
            "limit_exceeded",
            &full,
            Some("to"),
            Some("max_balance"),
            "crediting 200000 would raise the balance from 20000 to 220000, above max_balance 100000",
        ),
    );
    let limits = json!({"per_transaction": 50, "per_day": 70});
    let wallet = server.wallet_of(500, &limits);
    refused_in_every_form(
        client,
        &transfer(&wallet, &rich, 51),
        422,
        (
            "limit_exceeded",
            &wallet,
            Some("from"),
            Some("per_transaction"),
            "debiting 51 is above per_transaction 50",
        ),
    );
    server.transfer(&wallet, &rich, 40).ok();
    refused_in_every_form(
        client,
        &transfer(&wallet, &rich, 31),
        422,
        (
            "limit_exceeded",
            &wallet,
            Some("from"),
            Some("per_day"),
            "debiting 31 would raise what the day has taken from 40 to 71, above per_day 70",
        ),
    );
    refused_in_every_form(
        client,
        &transfer(&rich, &rich, 1),
        422,
        (
            "same_account",
            &rich,
            Some("to"),
            None,
            "both ends are the same account",
        ),
    );
    refused_in_every_form(
        client,
        &transfer(&rich, UNKNOWN_ID, 1),
        404,
        (
            "not_found",
            UNKNOWN_ID,
            Some("to"),
            None,
            "Account not found",
        ),
    );
    let euros = text(&server.open(&json!({"currency": "EUR"})), "id");
    refused_in_every_form(
        client,
        &transfer(&rich, &euros, 1),
        422,
        (
            "currency_mismatch",
            &euros,
            Some("to"),
            None,
            "the account is in EUR, the movement is in USD",
        ),
    );
    let frozen = server.account_of(5);
    server.freeze(&frozen);
    refused_in_every_form(
        client,
        &transfer(&frozen, &rich, 1),
        409,
        (
            "account_frozen",
            &frozen,
            Some("from"),
            None,
            "the account is frozen and takes no debits",
        ),
    );
    let deleted = server.account();
    server.delete(&format!("/accounts/{deleted}")).ok();
    refused_in_every_form(
        client,
        &transfer(&rich, &deleted, 1),
        409,
        (
            "account_deleted",
            &deleted,
            Some("to"),
            None,
            "the account is deleted",
        ),
    );
    let most: u64 = 9_007_199_254_740_991;
    let brim = server.account_of(i64::try_from(most).unwrap());
    let detail = format!(
        "crediting 1 would raise the balance from {most} to {}, above the greatest balance {most}",
        most + 1
    );
    refused_in_every_form(
        client,
        &transfer(&rich, &brim, 1),
        422,
        (
            "balance_limit_exceeded",
            &brim,
            Some("to"),
            Some("balance_range"),
            &detail,
        ),
    );
}

#[test]
fn every_other_refusal_names_what_it_is_about() {
    let server = SERVER.server();
    let (a, b) = (server.account_of(100), server.account());
    let of_account =
        |path: &str, body: &Value| Request::post(&format!("/accounts/{a}{path}"), body);
    let held = server.held(&a, &b, 60);
    let of_hold =
        |how: &str, body: &Value| Request::post(&format!("/transfers/{held}/{how}"), body);
    let nothing = json!({});
    let (of_a, of_b, of_held) = (a.as_str(), b.as_str(), held.as_str());
    let made = text(&server.transfer(&a, &b, 1).ok(), "transfer_id");
    let cases: Vec<(Request, u16, Right<'_>)> = vec![
        (
            of_account("/withdraw", &json!({"amount": 40})),
            422,
            (
                "insufficient_funds",
                of_a,
                None,
                None,
                "insufficient funds: available 39, requested 40",
            ),
        ),
        (
            of_account("/withdraw", &json!({"amount": 1})).if_match(9),
            412,
            (
                "version_mismatch",
                of_a,
                None,
                None,
                "the version is 4, not 9",
            ),
        ),
        (
            Request::delete(&format!("/accounts/{a}")),
            409,
            (
                "holds_open",
                of_a,
                None,
                None,
                "the account still has open holds: 60 is held",
            ),
        ),
        (
            Request::delete(&format!("/accounts/{b}")),
            409,
            (
                "balance_not_zero",
                of_b,
                None,
                None,
                "the account's balance is 1, not 0",
            ),
        ),
        (
            of_hold("post", &json!({"amount": 61})),
            422,
            (
                "amount_exceeds_hold",
                of_held,
                Some("amount"),
                None,
                "posting 61 is more than the transfer still holds, 60",
            ),
        ),
        (
            of_hold("reverse", &nothing),
            409,
            (
                "not_posted",
                of_held,
                None,
                None,
                "the transfer is pending, it posted nothing",
            ),
        ),
        (
            Request::post(&format!("/transfers/{made}/post"), &nothing),
            409,
            (
                "not_pending",
                made.as_str(),
                None,
                None,
                "the transfer was never pending",
            ),
        ),
        (
            Request::post(&format!("/transfers/{UNKNOWN_ID}/void"), &nothing),
            404,
            ("not_found", UNKNOWN_ID, None, None, "Transfer not found"),
        ),
    ];
    for (request, status, right) in cases {
        let answer = server.send(&request);
        check(&answer.problem(status, right.0), right);
    }
}

#[test]
fn an_operation_tells_of_a_refusal_what_its_problem_tells() {
    let server = SERVER.server();
    let (a, b) = (server.account(), server.account());
    let body = json!({"from": a, "to": b, "amount": 5, "idempotency_key": "told-by-operation"});
    let problem = server
        .post("/transfers", &body)
        .problem(422, "insufficient_funds");
    let operation = text(&problem, "operation_id");
    let error = server.get(&format!("/operations/{operation}")).ok()["error"].clone();
    for field in ["code", "detail", "field", "entity_id"] {
        assert_eq!(error[field], problem[field], "{field}");
    }
}

#[test]
fn a_problem_says_what_sending_the_request_again_may_do() {
    let server = SERVER.server();
    let a = server.account();
    let path = format!("/accounts/{a}/withdraw");
    let malformed = server
        .post(&path, &json!({}))
        .problem(400, "invalid_request");
    assert_eq!(malformed["retry"], "never");
    let poor = server.post(&path, &json!({"amount": 1}));
    assert_eq!(
        poor.problem(422, "insufficient_funds")["retry"],
        "after_change"
    );
}

#[test]
fn a_service_that_can_not_be_reached_is_to_be_asked_again_only_with_the_key() {
    // No process listens on this loopback port, because its listener is closed.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let server = Server::with(&[("services.run", "card"), ("services.core_url", &peer)]);
    let path = format!("/accounts/{UNKNOWN_ID}/deposit");
    let answer = server.client().post(&path, &json!({"amount": 1}));
    let problem = answer.problem(503, "service_unavailable");
    assert_eq!(problem["retry"], "only_with_key");
    assert!(answer.header("retry-after").is_some());
}
