//! Accounts and cards in one process, with events between them on the embedded bus.

use std::fs;
use std::process::Command;

use florin_tests::bank::text;
use florin_tests::cards::{self, card_of, cards_of, refused};
use florin_tests::executable::florin;
use florin_tests::http::Request;
use florin_tests::poll::eventually;
use florin_tests::server::{Server, Shared};
use serde_json::{Value, json};

static SERVER: Shared = Shared::new();

#[test]
fn the_documents_session_runs_as_written() {
    let server = SERVER.server();
    cards::session(&server, &server);
}

#[test]
fn unknown_frozen_and_deleted_accounts_get_no_card() {
    let server = SERVER.server();
    cards::refusals(&server, &server);
}

#[test]
fn a_key_makes_one_card() {
    let server = SERVER.server();
    cards::keys(&server, &server);
}

#[test]
fn a_thousand_accounts_get_a_card_each() {
    let server = SERVER.server();
    cards::many(&server, &server, 1_000);
}

#[test]
fn what_is_malformed_is_refused() {
    let server = SERVER.server();
    let account = server.account();
    for (body, code) in [
        (json!({}), "invalid_request"),
        (json!({"account_id": account}), "invalid_request"),
        (
            json!({"account_id": account, "country": "XX"}),
            "invalid_request",
        ),
        (
            json!({"account_id": account, "country": "US", "x": 1}),
            "invalid_request",
        ),
        (json!({"account_id": "7", "country": "US"}), "invalid_id"),
    ] {
        for path in ["/cards", "/card"] {
            server.post(path, &body).problem(400, code);
        }
    }
    for path in ["/cards/by-account", "/cards/by-account?account=1"] {
        server.get(path).problem(400, "invalid_request");
    }
    server
        .get("/cards/by-account?account_id=7")
        .problem(400, "invalid_id");
    server.get("/cards/7").problem(400, "invalid_id");
    server.delete("/account").problem(400, "invalid_request");
    server.delete("/account?id=7").problem(400, "invalid_id");
    let named = json!({"holder_name": "Ada", "country_code": "GB"});
    server
        .post("/account", &named)
        .problem(400, "invalid_request");
}

#[test]
fn a_card_s_version_and_dry_runs_are_as_everywhere() {
    let server = SERVER.server();
    let account = server.account();
    card_of(&server, &account);
    let asked = json!({"account_id": account, "country": "KE"});
    let dry = server.post("/cards?dry_run=true", &asked).ok();
    assert_eq!(dry["dry_run"], true);
    let path = format!("/cards/{}", text(&dry, "id"));
    server.get(&path).problem(404, "not_found");
    let made = server.post("/cards", &asked);
    let card = text(&made.with(201), "id");
    assert_eq!(made.header("etag"), Some("\"1\""));
    let path = format!("/cards/{card}");
    assert_eq!(made.header("location"), Some(path.as_str()));
    assert_eq!(cards_of(&server, &account).len(), 2);
    server
        .send(&Request::delete(&path).if_match(7))
        .problem(412, "version_mismatch");
    let ended = server.send(&Request::delete(&path).if_match(1));
    assert_eq!(ended.ok()["deleted"], true);
    assert_eq!(server.get(&path).header("etag"), Some("\"2\""));
    // A card is neither an end of a movement nor an account.
    server.deposit(&card, 1).problem(404, "not_found");
    server
        .transfer(&account, &card, 1)
        .problem(404, "not_found");
}

#[test]
fn the_cache_outlives_a_restart_and_comes_back_when_it_is_lost() {
    let mut server = Server::with(&[("log.documents", "true")]);
    let (active, gone) = (server.account(), server.account());
    card_of(&server, &active);
    card_of(&server, &gone);
    server.delete(&format!("/accounts/{gone}")).ok();
    let deleted = "cannot create card for deleted account";
    refused(&server, &gone, "account_deleted", deleted);
    server.logs("Received account event: type=account.status_changed");
    server.logs(&format!(
        "Updated account cache: account_id={gone}, status=DELETED"
    ));
    server.restart();
    // The cards work immediately after the restart, and no event is handled again.
    cards::ask(&server, &active).with(201);
    cards::ask(&server, &gone).problem(409, "account_deleted");
    assert_eq!(cards_of(&server, &active).len(), 2);
    let next = server.account();
    card_of(&server, &next);
    let again = format!("account_id={active}");
    assert!(!server.log().contains(&again), "{}", server.log());
    server.crash();
    cards::ask(&server, &gone).problem(409, "account_deleted");
    assert_eq!(server.stop().code(), Some(0));
    for file in ["card-accounts.redb", "bus.redb"] {
        fs::remove_file(server.data_dir().join(file)).unwrap();
    }
    server.start_again();
    card_of(&server, &active);
    refused(&server, &gone, "account_deleted", deleted);
    server.verified();
}

/// Runs the commands of the document unchanged, except for ports and ids.
#[test]
fn the_documents_curl_commands_do_what_it_shows() {
    let server = SERVER.server();
    let run = |command: &str| -> Value {
        let address = server.address().to_string();
        let command = command.replace("localhost:8081", &address);
        let command = command.replace("localhost:8082", &address);
        let ran = Command::new("bash")
            .args(["-c", &command.replacen("curl", "curl -s", 1)])
            .output()
            .unwrap();
        assert!(ran.status.success(), "{ran:?}");
        serde_json::from_slice(&ran.stdout).unwrap()
    };
    let account = run(r#"curl -X POST http://localhost:8081/account \
  -H "Content-Type: application/json" \
  -d '{
    "beholder_name": "John Doe",
    "country_code": "US"
  }'"#);
    assert_eq!(account["status"], "ACTIVE", "{account}");
    let id = text(&account, "id");
    let create = r#"curl -X POST http://localhost:8082/card \
  -H "Content-Type: application/json" \
  -d '{
    "country": "US",
    "account_id": "550e8400-e29b-41d4-a716-446655440000"
  }'"#
    .replace("550e8400-e29b-41d4-a716-446655440000", &id);
    // The document says here: "Wait a moment for Kafka event to be consumed".
    let card = eventually("the event is consumed", || {
        Some(run(&create)).filter(|answer| answer["id"].is_string())
    });
    assert_eq!(card["deleted"], false, "{card}");
    let listed = run(&format!(
        "curl http://localhost:8082/cards/by-account?account_id={id}"
    ));
    assert_eq!(listed["data"], json!([card]));
    let deleted = run(&format!(
        "curl -X DELETE http://localhost:8081/account?id={id}"
    ));
    assert_eq!(deleted["status"], "DELETED", "{deleted}");
    let error = "cannot create card for deleted account";
    eventually("the event is consumed", || {
        (run(&create)["error"] == error).then_some(())
    });
}

#[test]
fn cards_are_exported() {
    let mut server = Server::start();
    let account = server.account();
    let made = card_of(&server, &account);
    let card = text(&made, "id");
    server.delete(&format!("/cards/{card}")).ok();
    assert_eq!(server.stop().code(), Some(0));
    let exported = Command::new(florin())
        .args(["export", "--data-dir"])
        .arg(server.data_dir())
        .output()
        .unwrap();
    let exported = String::from_utf8(exported.stdout).unwrap();
    let lines: Vec<Value> = exported
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |kind: &str| {
        let mut found = lines.iter().filter(|line| line["command"]["kind"] == kind);
        found
            .next_back()
            .unwrap_or_else(|| panic!("no {kind}"))
            .clone()
    };
    let opened = of("open_card");
    assert_eq!(opened["command"]["account_id"], account.as_str());
    assert_eq!(opened["command"]["account_status"], "ACTIVE");
    let kinds: Vec<&Value> = opened["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| &change["kind"])
        .collect();
    assert_eq!(kinds, [&json!("card_number"), &json!("card")]);
    let number = &opened["changes"][1]["events"][0]["card_number"];
    assert_eq!(*number, made["card_number"]);
    let deleted = of("delete_card");
    assert_eq!(deleted["changes"][0]["events"][0]["type"], "deleted");
}
