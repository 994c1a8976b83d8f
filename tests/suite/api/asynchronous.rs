//! Asynchronous commands: they are accepted first and executed once, afterwards. Clients follow an
//! operation by polling or by events.

use florin_tests::bank::text;
use florin_tests::faulty::{heal, infect};
use florin_tests::http::{Client, Request, Response};
use florin_tests::poll;
use florin_tests::server::{Server, Shared};
use serde_json::{Value, json};

use crate::faults::switched::{Faulty, deposit};

static SERVER: Shared = Shared::new();

fn async_deposit(id: &str, amount: i64) -> Request {
    Request::post(
        &format!("/accounts/{id}/async-deposit"),
        &json!({"amount": amount}),
    )
}

/// Waits until an operation is decided, and returns it.
#[track_caller]
fn decided(client: &Client, id: &str) -> Value {
    poll::eventually("the operation is decided", || {
        let operation = client.get(&format!("/operations/{id}")).ok();
        (operation["status"] != "pending").then_some(operation)
    })
}

#[track_caller]
fn accepted(answer: &Response) -> String {
    let body = answer.with(202);
    let id = text(&body, "operation_id");
    assert_eq!(
        answer.header("location"),
        Some(&*format!("/operations/{id}"))
    );
    id
}

#[test]
fn an_accepted_deposit_is_made_and_its_operation_tells_so() {
    let server = SERVER.server();
    let account = server.account();
    let answer = server.send(&async_deposit(&account, 70));
    let id = accepted(&answer);
    let body = answer.json();
    assert_eq!(body["status"], "pending");
    assert_eq!(
        body["message"],
        "Deposit request accepted and is being processed"
    );
    let operation = decided(&server, &id);
    assert_eq!(operation["status"], "completed");
    assert_eq!(operation["kind"], "deposit");
    assert_eq!(operation["result"]["balance"], 70);
    assert!(text(&operation, "created_at") <= text(&operation, "completed_at"));
    let moved = server
        .get(&format!("/accounts/{account}/transactions"))
        .ok();
    assert_eq!(moved["data"][0]["transaction_id"], json!(id));
}

#[test]
fn what_can_t_be_accepted_is_refused_at_once() {
    // The test has its own server, so that no other test has pending operations there.
    let server = Server::start();
    let account = server.account();
    let unknown = "0197a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b";
    server
        .send(&async_deposit(unknown, 1))
        .problem(404, "not_found");
    server
        .send(&async_deposit(&account, 0))
        .problem(400, "invalid_request");
    server
        .send(&async_deposit(&account, 1).if_match(7))
        .problem(412, "version_mismatch");
    let post = |transfer: &str| {
        let post = Request::post(&format!("/transfers/{transfer}/post"), &json!({}));
        post.header("Prefer", "respond-async")
    };
    server.send(&post(unknown)).problem(404, "not_found");
    let source = server.account_of(5);
    let hold = json!({"from": source, "to": account, "amount": 5, "pending": true});
    let transfer = text(&server.post("/transfers", &hold).created(), "transfer_id");
    server
        .send(&post(&transfer).if_match(7))
        .problem(412, "version_mismatch");
    assert_eq!(
        server.get(&format!("/transfers/{transfer}")).ok()["status"],
        "pending"
    );
    let pending = server.get("/operations?status=pending").ok();
    assert_eq!(pending["data"], json!([]));
    server
        .get("/operations?status=completed")
        .problem(400, "invalid_request");
}

#[test]
fn every_money_command_can_be_accepted_first() {
    let server = SERVER.server();
    let (a, b) = (server.account_of(100), server.account());
    let prefer = |request: Request| request.header("Prefer", "respond-async");
    let hold = json!({"from": a, "to": b, "amount": 10, "pending": true});
    let requests = [
        Request::post(&format!("/accounts/{a}/withdraw"), &json!({"amount": 5})),
        Request::post("/transfers", &json!({"from": a, "to": b, "amount": 5})),
        Request::post("/transfers", &hold),
        Request::post(
            "/transactions",
            &json!({"legs": [{"from": a, "to": b, "amount": 5}]}),
        ),
        Request::post(
            "/transfers/batch",
            &json!({"atomic": true, "transfers": [{"from": a, "to": b, "amount": 5}]}),
        ),
    ];
    let mut ids = Vec::new();
    for request in requests {
        let answer = server.send(&prefer(request));
        assert_eq!(answer.header("preference-applied"), Some("respond-async"));
        ids.push(accepted(&answer));
    }
    for id in &ids {
        assert_eq!(decided(&server, id)["status"], "completed");
    }
    for end in ["post", "reverse"] {
        let path = format!("/transfers/{}/{end}", ids[2]);
        let id = accepted(&server.send(&prefer(Request::post(&path, &json!({})))));
        assert_eq!(decided(&server, &id)["status"], "completed", "{end}");
    }
    let account = server.read(&a);
    assert_eq!(
        (&account["balance"], &account["held"]),
        (&json!(80), &json!(0))
    );
    let item = server.get(&format!("/operations/{}", ids[4])).ok();
    let item = text(&item["result"]["results"][0], "transfer_id");
    assert_eq!(server.get(&format!("/transfers/{item}")).ok()["amount"], 5);
}

#[test]
fn a_refusal_after_acceptance_is_the_operation_s() {
    let server = SERVER.server();
    let (a, b) = (server.account_of(5), server.account());
    let request = Request::post("/transfers", &json!({"from": a, "to": b, "amount": 6}))
        .header("Prefer", "respond-async");
    let id = accepted(&server.send(&request));
    let operation = decided(&server, &id);
    assert_eq!(operation["status"], "failed");
    assert_eq!(operation["error"]["code"], "insufficient_funds");
    // With a wait, the answer is the outcome itself, as for a synchronous command.
    let waiting = Request::post("/transfers", &json!({"from": a, "to": b, "amount": 6}))
        .header("Prefer", "respond-async, wait=20");
    server.send(&waiting).problem(422, "insufficient_funds");
    let waiting = Request::post("/transfers", &json!({"from": a, "to": b, "amount": 5}))
        .header("Prefer", "respond-async, wait=20");
    let answer = server.send(&waiting);
    assert_eq!(answer.ok()["transfer_status"], "posted");
    assert_eq!(
        answer.header("preference-applied"),
        Some("respond-async, wait=20")
    );
}

#[test]
fn a_key_is_one_command_however_its_answer_is_wanted() {
    let mut server = Server::start();
    let account = server.account();
    let first = accepted(&server.send(&async_deposit(&account, 7).key("once")));
    decided(&server, &first);
    for crash in [false, true] {
        if crash {
            server.crash();
        }
        let again = server.send(&async_deposit(&account, 7).key("once"));
        assert_eq!(accepted(&again), first);
        assert!(again.replayed());
        assert_eq!(again.json()["status"], "completed");
        let plain = Request::post(
            &format!("/accounts/{account}/deposit"),
            &json!({"amount": 7}),
        );
        let plain = server.send(&plain.key("once"));
        assert_eq!(plain.ok()["operation_id"], json!(first));
        assert!(plain.replayed());
        server
            .send(&async_deposit(&account, 8).key("once"))
            .problem(422, "idempotency_key_reused");
        assert_eq!(server.balance(&account), 7);
    }
}

#[test]
fn what_was_accepted_is_executed_once_whenever_the_server_is_killed() {
    let mut server = Server::start();
    let account = server.account();
    let mut ids = Vec::new();
    for round in 0..8 {
        // Many requests are sent on one connection, and the server is killed while they are in
        // flight.
        let mut connection = server.client().connect();
        let amount = 1;
        for place in 0..40 {
            let request = async_deposit(&account, amount).key(&format!("{round}-{place}"));
            connection.write(&request.bytes()).unwrap();
            if place >= 20 {
                let answer = connection.read().unwrap();
                ids.push(accepted(&answer));
            }
        }
        server.crash();
    }
    for id in &ids {
        assert_eq!(decided(&server, id)["status"], "completed");
    }
    // A request without an answer was accepted or not. A repeat returns its operation, and executes
    // it if needed.
    let mut all = std::collections::BTreeSet::new();
    for round in 0..8 {
        for place in 0..40 {
            let request = async_deposit(&account, 1).key(&format!("{round}-{place}"));
            all.insert(accepted(&server.send(&request)));
        }
    }
    assert!(ids.iter().all(|id| all.contains(id)));
    for id in &all {
        decided(&server, id);
    }
    assert_eq!((all.len(), server.balance(&account)), (320, 320));
    assert_eq!(
        server.get("/operations?status=pending").ok()["data"],
        json!([])
    );
}

#[test]
fn events_tell_the_state_now_and_end_with_the_last_one() {
    let server = SERVER.server();
    let account = server.account();
    let id = accepted(&server.send(&async_deposit(&account, 7)));
    decided(&server, &id);
    let path = format!("/operations/{id}/events");
    let events = server.get(&path);
    assert_eq!(events.status, 200);
    assert_eq!(events.header("content-type"), Some("text/event-stream"));
    let text = events.text();
    assert!(text.contains("event:operation"), "{text}");
    assert!(text.contains("id:completed"), "{text}");
    let data = text.lines().find_map(|line| line.strip_prefix("data:"));
    let data: Value = serde_json::from_str(data.unwrap()).unwrap();
    assert_eq!(data, server.get(&format!("/operations/{id}")).ok());
    let again = Request::get(&path).header("Last-Event-ID", "completed");
    let over = server.send(&again);
    assert_eq!(over.status, 204);
    let unknown = path.replace(&id, "0197a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b");
    server.get(&unknown).problem(404, "not_found");
}

/// The accepted commands wait for a target that is out of service, because otherwise they would be
/// executed immediately.
#[test]
fn past_the_most_that_may_be_accepted_further_ones_are_refused_early_also_after_a_restart() {
    let settings = [
        ("gateway.accepted_commands_max", "3"),
        ("actors.restarts_max", "0"),
    ];
    let mut faulty = Faulty::start(&settings);
    let (well, sick) = (faulty.server.account_of(10), faulty.server.account());
    infect(faulty.switches(), &sick);
    let fault = faulty.server.send(&deposit(&sick, 1));
    fault.problem(500, "actor_faulted");
    heal(faulty.switches(), &sick);
    let asked = || {
        let body = json!({"from": well, "to": sick, "amount": 1});
        Request::post("/transfers", &body).header("Prefer", "respond-async")
    };
    let ids: Vec<String> = (0..3)
        .map(|_| accepted(&faulty.server.send(&asked())))
        .collect();
    let refused_though_others_go_on = |faulty: &Faulty| {
        let refused = faulty.server.send(&asked());
        refused.problem(503, "overloaded");
        assert!(refused.header("Retry-After").is_some(), "{refused:?}");
        // Synchronous commands and reads need no capacity for accepted commands.
        faulty.server.send(&deposit(&well, 1)).ok();
        let shed = "florin_load_shed_total{reason=\"overloaded\"} 1\n";
        let metrics = faulty.server.get("/metrics").text();
        assert!(metrics.contains(shed), "{metrics}");
    };
    refused_though_others_go_on(&faulty);
    assert_eq!(faulty.server.balance(&well), 11, "nothing is executed yet");
    faulty.server.crash();
    refused_though_others_go_on(&faulty);

    let resume = Request::post(&format!("/admin/actors/account/{sick}/resume"), &json!({}));
    faulty.server.send(&resume).ok();
    for id in &ids {
        assert_eq!(decided(&faulty.server, id)["status"], "completed");
    }
    assert_eq!(faulty.server.balance(&sick), 3);
    let id = accepted(&faulty.server.send(&asked()));
    assert_eq!(decided(&faulty.server, &id)["status"], "completed");
}

/// Accepted batches stay in memory until they are executed. If they were only counted, a few
/// thousand of them could take gigabytes.
#[test]
fn past_the_memory_for_batches_further_ones_are_refused_until_there_is_room_again() {
    let settings = [
        ("gateway.batches_bytes_max", "1048576"),
        ("actors.restarts_max", "0"),
    ];
    let mut faulty = Faulty::start(&settings);
    let (well, sick) = (faulty.server.account_of(100_000), faulty.server.account());
    infect(faulty.switches(), &sick);
    let fault = faulty.server.send(&deposit(&sick, 1));
    fault.problem(500, "actor_faulted");
    heal(faulty.switches(), &sick);
    let batch = |to: &str, count: usize| {
        let item = json!({"from": well, "to": to, "amount": 1});
        let body = json!({"atomic": true, "transfers": vec![item; count]});
        Request::post("/transfers/batch", &body)
    };
    let asked = |count: usize| batch(&sick, count).header("Prefer", "respond-async");
    let other = faulty.server.account();
    // The last batch that is accepted may exceed the limit.
    let small = accepted(&faulty.server.send(&asked(1)));
    let large = accepted(&faulty.server.send(&asked(9_000)));
    for _ in 0..2 {
        let refused = faulty.server.send(&asked(1));
        refused.problem(503, "overloaded");
        assert!(refused.header("Retry-After").is_some(), "{refused:?}");
        // Synchronous batches have their own capacity, and a single transfer is always small
        // enough.
        faulty.server.send(&batch(&other, 10)).ok();
        faulty.server.send(&deposit(&well, 1)).ok();
        faulty.server.crash();
    }
    let resume = Request::post(&format!("/admin/actors/account/{sick}/resume"), &json!({}));
    faulty.server.send(&resume).ok();
    for id in [small, large] {
        assert_eq!(decided(&faulty.server, &id)["status"], "completed");
    }
    assert_eq!(faulty.server.balance(&sick), 9_001);
    let id = accepted(&faulty.server.send(&asked(9_000)));
    assert_eq!(decided(&faulty.server, &id)["status"], "completed");
}

#[test]
fn more_than_may_be_accepted_is_taken_up_by_a_start_and_executed() {
    let settings = [
        ("gateway.accepted_commands_max", "5"),
        ("actors.restarts_max", "0"),
    ];
    let mut faulty = Faulty::start(&settings);
    let (well, sick) = (faulty.server.account_of(10), faulty.server.account());
    infect(faulty.switches(), &sick);
    let fault = faulty.server.send(&deposit(&sick, 1));
    fault.problem(500, "actor_faulted");
    heal(faulty.switches(), &sick);
    let body = json!({"from": well, "to": sick, "amount": 1});
    let asked = || Request::post("/transfers", &body).header("Prefer", "respond-async");
    let ids: Vec<String> = (0..5)
        .map(|_| accepted(&faulty.server.send(&asked())))
        .collect();
    faulty
        .server
        .set("FLORIN__GATEWAY__ACCEPTED_COMMANDS_MAX", "2");
    faulty.server.restart();
    let pending = faulty.server.get("/operations?status=pending").ok();
    assert_eq!(pending["data"].as_array().map(Vec::len), Some(5));
    let refused = faulty.server.send(&asked());
    refused.problem(503, "overloaded");
    let resume = Request::post(&format!("/admin/actors/account/{sick}/resume"), &json!({}));
    faulty.server.send(&resume).ok();
    for id in &ids {
        assert_eq!(decided(&faulty.server, id)["status"], "completed");
    }
    assert_eq!(faulty.server.balance(&sick), 5);
    let id = accepted(&faulty.server.send(&asked()));
    assert_eq!(decided(&faulty.server, &id)["status"], "completed");
}
