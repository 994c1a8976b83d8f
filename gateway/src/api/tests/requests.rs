//! Tests that the bodies of requests are read strictly.

use florin_actors::messages::Overdraft;
use serde::de::DeserializeOwned;

use crate::api::accounts::bodies::OpenAccountRequest;
use crate::api::batches::bodies::{BatchRequest, TransactionRequest};
use crate::api::money::bodies::MoneyRequest;
use crate::api::shared::KeyOnlyRequest;
use crate::api::transfers::bodies::TransferRequest;
use crate::api::wallets::bodies::OpenWalletRequest;
use crate::http::json::parse;
use crate::http::values::OverdraftLimit;
use crate::http::{Problem, ProblemCode};

fn refused<T: DeserializeOwned + std::fmt::Debug>(body: &str) -> Problem {
    parse::<T>(body.as_bytes()).unwrap_err()
}

#[test]
fn amounts_that_are_none_are_refused_by_their_field() {
    for amount in [
        "0",
        "-1",
        "-0",
        "1.5",
        "1.0",
        "\"100\"",
        "1e3",
        "9007199254740992",
        "null",
        "true",
        "[]",
        "{}",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([format!("1{}", "0".repeat(40))])
    {
        let problem = refused::<MoneyRequest>(&format!("{{\"amount\":{amount}}}"));
        assert_eq!(problem.code(), ProblemCode::InvalidRequest, "{amount}");
        assert_eq!(problem.field(), Some("amount"), "{amount}");
    }
    assert!(parse::<MoneyRequest>(br#"{"amount":9007199254740991}"#).is_ok());
}

#[test]
fn a_field_unknown_missing_or_twice_is_named() {
    for (body, field) in [
        (r#"{"amount":1,"pending":true}"#, "pending"),
        (r#"{"amount":1,"a`, expected b":true}"#, "a`, expected b"),
        (r#"{"amount":1,"amount":1}"#, "amount"),
        (r#"{}"#, "amount"),
        ("", "amount"),
        (r#"{"amount":1,"metadata":{"a":"b","a":"c"}}"#, "metadata"),
        (r#"{"amount":1,"metadata":{"a":1}}"#, "metadata.a"),
        (r#"{"amount":1,"metadata":[]}"#, "metadata"),
        (r#"{"amount":1,"currency":"usd"}"#, "currency"),
        (r#"{"amount":1,"idempotency_key":""}"#, "idempotency_key"),
    ] {
        assert_eq!(refused::<MoneyRequest>(body).field(), Some(field), "{body}");
    }
}

#[test]
fn what_is_not_one_json_object_is_refused() {
    let deep = format!("{{\"amount\":{}", "[".repeat(100_000));
    let deep_object = "{\"metadata\":".repeat(10_000);
    for body in [
        "[1]",
        "1",
        "null",
        " ",
        "{",
        "{}}",
        "{\"amount\":1} x",
        "{\"amount\":1}{}",
        "\"x\"",
        &deep,
        &deep_object,
    ] {
        let problem = refused::<MoneyRequest>(body);
        assert_eq!(problem.code(), ProblemCode::InvalidRequest);
    }
    assert!(parse::<MoneyRequest>(b"{\"amount\":1,\"reference\":\"\xff\"}").is_err());
    assert!(parse::<KeyOnlyRequest>(b"").is_ok());
}

#[test]
fn an_array_is_no_object_anywhere_in_a_body() {
    let id = "01901234-5678-7fff-bfff-ffffffffffa5";
    let limits = |limits: &str| {
        let body = format!(r#"{{"customer_id":"{id}","limits":{limits}}}"#);
        parse::<OpenWalletRequest>(body.as_bytes())
    };
    assert_eq!(limits("[null,5]").unwrap_err().field(), Some("limits"));
    let unknown = limits(r#"{"per_year":1}"#).unwrap_err();
    assert_eq!(unknown.field(), Some("limits.per_year"));
    assert!(limits("null").is_ok_and(|request| request.limits.is_none()));
    assert!(limits(r#"{"per_day":5}"#).is_ok_and(|request| request.limits.is_some()));

    let leg = format!(r#"{{"legs":[["{id}","{id}",5]]}}"#);
    let problem = refused::<TransactionRequest>(&leg);
    assert_eq!(problem.field(), Some("legs[0]"));
    let item = format!(r#"{{"atomic":true,"transfers":[["{id}","{id}",5]]}}"#);
    let problem = refused::<BatchRequest>(&item);
    assert_eq!(problem.field(), Some("transfers[0]"));
    let item = format!(r#"{{"atomic":true,"transfers":[{{"from":"{id}","amount":0}}]}}"#);
    let problem = refused::<BatchRequest>(&item);
    assert_eq!(problem.field(), Some("transfers[0].amount"));
}

#[test]
fn an_id_that_is_none_has_a_code_of_its_own() {
    let other = "01901234-5678-7fff-bfff-ffffffffffa5";
    let problem =
        refused::<TransferRequest>(&format!(r#"{{"from":"x","to":"{other}","amount":1}}"#));
    assert_eq!(
        (problem.code(), problem.field()),
        (ProblemCode::InvalidId, Some("from"))
    );
    let problem = refused::<TransferRequest>(&format!(r#"{{"from":5,"to":"{other}","amount":1}}"#));
    assert_eq!(
        (problem.code(), problem.field()),
        (ProblemCode::InvalidRequest, Some("from"))
    );
}

#[test]
fn null_is_the_same_as_left_away_but_for_an_overdraft_limit() {
    let body = r#"{"holder_name":"A","country_code":"KE","currency":null,"overdraft_limit":null,"metadata":null}"#;
    let request: OpenAccountRequest = parse(body.as_bytes()).unwrap();
    assert!(request.currency.is_none() && request.metadata.is_none());
    let unlimited = Some(OverdraftLimit(Overdraft::Unlimited));
    assert_eq!(request.overdraft_limit, unlimited);
    for (body, field) in [
        (r#"{"holder_name":"","country_code":"KE"}"#, "holder_name"),
        (r#"{"holder_name":"A","country_code":"XX"}"#, "country_code"),
        (
            r#"{"holder_name":"A","country_code":"KE","overdraft_limit":-1}"#,
            "overdraft_limit",
        ),
        (
            r#"{"holder_name":"A","country_code":"KE","overdraft_limit":"unlimited"}"#,
            "overdraft_limit",
        ),
        (r#"{"holder_name":null,"country_code":"KE"}"#, "holder_name"),
    ] {
        assert_eq!(
            refused::<OpenAccountRequest>(body).field(),
            Some(field),
            "{body}"
        );
    }
}
