//! Requests about pending transfers: repeats, dry runs, preconditions, concurrent requests, and
//! requests cut off by a crash.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use florin_tests::bank::{money, result_of, text};
use florin_tests::http::{Client, Request, Response};
use florin_tests::poll::eventually;
use florin_tests::server::{Server, Shared};
use rustix::process::Signal;
use serde_json::{Value, json};

static SERVER: Shared = Shared::new();

#[test]
fn a_repeat_of_a_hold_and_of_what_ends_it_gets_the_first_answer() {
    let mut server = Server::start();
    let (from, to) = (server.account_of(1_000), server.account());
    let hold = |key: &str| {
        let ends = json!({"from": from, "to": to, "amount": 10, "pending": true});
        Request::post("/transfers", &ends).key(key)
    };
    let settle = |transfer: &str, how: &str, body: Value| {
        Request::post(&format!("/transfers/{transfer}/{how}"), &body).key(&format!("{how}-1"))
    };
    let mut asked = vec![hold("hold-1"), hold("hold-2")];
    let made: Vec<Response> = asked.iter().map(|request| server.send(request)).collect();
    let ids: Vec<String> = made
        .iter()
        .map(|answer| text(&answer.ok(), "transfer_id"))
        .collect();
    asked.push(settle(&ids[0], "post", json!({"amount": 4})));
    asked.push(settle(&ids[1], "void", json!({})));
    asked.push(settle(&ids[0], "reverse", json!({})));
    // A stored refusal is an answer too.
    asked.push(Request::post(&format!("/transfers/{}/post", ids[1]), &json!({})).key("late"));
    let more: Vec<Response> = asked[2..].iter().map(|one| server.send(one)).collect();
    let first: Vec<Response> = made.into_iter().chain(more).collect();
    for answer in &first[..5] {
        answer.ok();
    }
    first[5].problem(409, "already_voided");
    let before = (server.read(&from), server.read(&to));
    let check = |server: &Server| {
        for (request, first) in asked.iter().zip(&first) {
            let again = server.send(request);
            assert!(again.replayed(), "{}", again.text());
            assert_eq!(again.status, first.status);
            assert_eq!(stripped(&again), stripped(first));
        }
        assert_eq!((server.read(&from), server.read(&to)), before);
    };
    check(&server);
    server.restart();
    check(&server);
    server.crash();
    check(&server);
    // A request with its defaults written out is the same. Any other difference makes it another
    // request.
    let same = [
        (
            "hold-1",
            "/transfers".to_owned(),
            json!({
                "from": from, "to": to, "amount": 10, "pending": true, "currency": "USD",
                "expires_in_seconds": null, "metadata": {},
            }),
        ),
        (
            "post-1",
            format!("/transfers/{}/post", ids[0]),
            json!({"amount": 4, "final": true}),
        ),
    ];
    for (key, path, body) in same {
        let again = server.send(&Request::post(&path, &body).key(key));
        assert!(again.replayed(), "{}", again.text());
    }
    let other = [
        (
            "hold-1",
            "/transfers".to_owned(),
            json!({"from": from, "to": to, "amount": 10}),
        ),
        (
            "hold-1",
            "/transfers".to_owned(),
            json!({"from": from, "to": to, "amount": 10, "pending": true, "expires_in_seconds": 9}),
        ),
        (
            "post-1",
            format!("/transfers/{}/post", ids[0]),
            json!({"amount": 5}),
        ),
        (
            "post-1",
            format!("/transfers/{}/post", ids[0]),
            json!({"amount": 4, "final": false}),
        ),
        (
            "post-1",
            format!("/transfers/{}/post", ids[1]),
            json!({"amount": 4}),
        ),
        (
            "void-1",
            format!("/transfers/{}/reverse", ids[1]),
            json!({}),
        ),
    ];
    for (key, path, body) in other {
        let request = Request::post(&path, &body).key(key);
        server.refused(&request, 422, "idempotency_key_reused");
    }
}

#[test]
fn a_dry_run_of_a_hold_and_of_what_ends_it_leaves_no_trace() {
    let server = SERVER.alone();
    let (from, to) = (server.account_of(100), server.account());
    let pending = server.held(&from, &to, 10);
    let posted = text(&server.transfer(&from, &to, 20).created(), "transfer_id");
    let seen = || {
        let transfers = [&pending, &posted].map(|transfer| server.transfer_of(transfer));
        (
            transfers,
            server.read(&from),
            server.read(&to),
            server.sequence(),
        )
    };
    let before = seen();
    let hold = json!({"from": from, "to": to, "amount": 30, "pending": true});
    let runs = [
        ("/transfers".to_owned(), hold, "pending", [80, 40, 40, 5]),
        (
            format!("/transfers/{pending}/post"),
            json!({"amount": 4, "final": false}),
            "pending",
            [76, 6, 70, 5],
        ),
        (
            format!("/transfers/{pending}/post"),
            json!({}),
            "posted",
            [70, 0, 70, 5],
        ),
        (
            format!("/transfers/{pending}/void"),
            json!({}),
            "voided",
            [80, 0, 80, 5],
        ),
        (
            format!("/transfers/{posted}/reverse"),
            json!({}),
            "posted",
            [0, 0, 0, 3],
        ),
    ];
    for (path, body, status, source) in runs {
        let request = Request::post(&format!("{path}?dry_run=true"), &body).key("dry");
        let answer = server.send(&request);
        let body = answer.ok();
        assert_eq!(
            (&body["dry_run"], &body["transfer_status"]),
            (&json!(true), &json!(status)),
            "{body}"
        );
        let operation = text(&body, "operation_id");
        let looked_up = server.get(&format!("/operations/{operation}"));
        looked_up.problem(404, "not_found");
        assert_eq!(money(&body["from"]), json!(source), "{path}: {body}");
        assert_eq!(answer.header("etag"), None);
        assert_eq!(seen(), before, "{path}");
    }
    // A dry run gets the same refusal as the real request.
    let refused = [
        (
            "/transfers".to_owned(),
            json!({"from": from, "to": to, "amount": 71, "pending": true}),
            422,
            "insufficient_funds",
        ),
        (
            format!("/transfers/{pending}/post"),
            json!({"amount": 11}),
            422,
            "amount_exceeds_hold",
        ),
        (
            format!("/transfers/{posted}/void"),
            json!({}),
            409,
            "not_pending",
        ),
        (
            format!("/transfers/{pending}/reverse"),
            json!({}),
            409,
            "not_posted",
        ),
    ];
    for (path, body, status, code) in refused {
        let request = Request::post(&format!("{path}?dry_run=true"), &body).key("dry");
        server.refused(&request, status, code);
    }
    assert_eq!(seen(), before);
    // The key of the dry runs is still free.
    let void = Request::post(&format!("/transfers/{pending}/void"), &json!({})).key("dry");
    assert!(!server.send(&void).replayed());
}

#[test]
fn a_precondition_of_a_transfer_is_about_its_source() {
    let server = SERVER.alone();
    let (from, to) = (server.account_of(100), server.account());
    let ends = json!({"from": from, "to": to, "amount": 10, "pending": true});
    let hold = Request::post("/transfers", &ends);
    server.refused(&hold.clone().if_match(1), 412, "version_mismatch");
    let made = server.send(&hold.if_match(2)).ok();
    let transfer = text(&made, "transfer_id");
    let path = |how: &str| format!("/transfers/{transfer}/{how}");
    let part = Request::post(&path("post"), &json!({"amount": 1, "final": false}));
    let void = Request::post(&path("void"), &json!({}));
    // The versions of the transfer and of the target don't count.
    for request in [&part, &void] {
        for version in [0, 1, 2, 4] {
            server.refused(&request.clone().if_match(version), 412, "version_mismatch");
        }
    }
    assert_eq!(server.send(&part.if_match(3)).header("etag"), Some("\"4\""));
    server.refused(&void.clone().if_match(3), 412, "version_mismatch");
    assert_eq!(
        server.send(&void.clone().if_match(4)).header("etag"),
        Some("\"5\"")
    );
    // Errors of the precondition come before errors of the hold's state.
    server.refused(&void.clone().if_match(4), 412, "version_mismatch");
    server.refused(&void.if_match(5), 409, "already_posted");
}

#[test]
fn a_precondition_counts_for_a_transfer_that_was_made_at_once() {
    let server = SERVER.alone();
    let (from, to) = (server.account_of(100), server.account());
    let transfer = text(&server.transfer(&from, &to, 10).created(), "transfer_id");
    let reverse = Request::post(&format!("/transfers/{transfer}/reverse"), &json!({}));
    // The precondition is about the transfer's own source. The answer's tag is the version of the
    // reversal's source.
    for version in [0, 1, 2] {
        server.refused(&reverse.clone().if_match(version), 412, "version_mismatch");
    }
    let reversed = server.send(&reverse.if_match(3));
    assert_eq!(money(&reversed.ok()["from"]), json!([0, 0, 0, 3]));
    assert_eq!(reversed.header("etag"), Some("\"3\""));
}

#[test]
fn the_operations_of_a_hold_tell_what_their_answers_told() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    let hold = server.hold(&from, &to, 10);
    let transfer = text(&hold.ok(), "transfer_id");
    let part = json!({"amount": 1, "final": false});
    let post = server.settle(&transfer, "post", &part);
    let void = server.settle(&transfer, "void", &json!({}));
    let reverse = server.settle(&transfer, "reverse", &json!({}));
    for (kind, answer) in [
        ("hold", hold),
        ("post", post),
        ("void", void),
        ("reversal", reverse),
    ] {
        let id = text(&answer.ok(), "operation_id");
        let operation = server.get(&format!("/operations/{id}")).ok();
        assert_eq!(
            (&operation["kind"], &operation["status"]),
            (&json!(kind), &json!("completed"))
        );
        assert_eq!(result_of(&operation), answer.ok());
    }
}

#[test]
fn a_hold_ends_once_however_many_try() {
    const TRIES: usize = 6;
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    for round in 1..=10 {
        let transfer = server.held(&from, &to, 1);
        let barrier = Barrier::new(TRIES);
        let ends: Vec<Response> = thread::scope(|scope| {
            let one = |place: usize| {
                let (server, transfer, barrier) = (&server, &transfer, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let how = if place.is_multiple_of(2) {
                        "post"
                    } else {
                        "void"
                    };
                    server.settle(transfer, how, &json!({}))
                })
            };
            let tries: Vec<_> = (0..TRIES).map(one).collect();
            tries.into_iter().map(|end| end.join().unwrap()).collect()
        });
        let done: Vec<&Response> = ends.iter().filter(|end| end.status == 200).collect();
        assert_eq!(done.len(), 1, "round {round}");
        let status = text(&done[0].json(), "transfer_status");
        for end in ends.iter().filter(|end| end.status != 200) {
            end.problem(409, &format!("already_{status}"));
        }
        assert_eq!(server.read(&from)["held"], 0);
    }
    assert_eq!(server.balance(&from) + server.balance(&to), 100);
}

#[test]
fn a_hold_is_listed_among_the_actors() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    let transfer = server.held(&from, &to, 1);
    let listed = server.list("/admin/actors?kind=transfer&limit=1000");
    assert!(
        listed.iter().all(|actor| actor["kind"] == "transfer"),
        "{listed:?}"
    );
    assert!(
        listed.iter().any(|actor| actor["id"] == transfer.as_str()),
        "{transfer} is not in {listed:?}"
    );
}

#[test]
fn kills_amid_holds_leave_each_of_them_whole() {
    const ROUNDS: usize = 5;
    const CLIENTS: usize = 3;
    let mut server = Server::with(&[("views.flush_records_max", "300"), ("gateway.lanes", "2")]);
    let (from, to) = (server.account_of(1_000_000), server.account());
    let mut holds = Vec::new();
    let (mut released, mut posted) = (0, 0);
    for round in 0..ROUNDS {
        let answered = AtomicUsize::new(0);
        let kill = server.signaller();
        let sent: Vec<(Request, Option<Response>)> = thread::scope(|scope| {
            let client = |name: usize| {
                let (server, from, to, answered) = (&server, &from, &to, &answered);
                scope.spawn(move || {
                    let name = format!("{round}-{name}");
                    until_it_ends(server, from, to, &name, answered)
                })
            };
            let clients: Vec<_> = (0..CLIENTS).map(client).collect();
            eventually("holds are made and ended", || {
                (answered.load(Ordering::Relaxed) >= 40 * (round + 1)).then_some(())
            });
            kill(Signal::KILL);
            clients
                .into_iter()
                .flat_map(|client| client.join().unwrap())
                .collect()
        });
        server.ended();
        server.start_again();
        for (request, first) in sent {
            // An answered request gets the same answer. An unanswered one is executed now, or was
            // before.
            let again = server.send(&request);
            if let Some(first) = first {
                assert!(again.replayed(), "{}", again.text());
                assert_eq!(stripped(&again), stripped(&first));
            }
            let done = again.ok();
            match text(&done, "transfer_status").as_str() {
                "pending" => holds.push(text(&done, "transfer_id")),
                "posted" => posted += 1,
                "voided" => released += 1,
                other => panic!("{other}"),
            }
        }
    }
    let mut pending = 0;
    for transfer in &holds {
        let transfer = server.transfer_of(transfer);
        let whole = match transfer["status"].as_str() {
            Some("pending") => {
                pending += 1;
                0
            }
            Some("posted") => 10,
            _ => 0,
        };
        assert_eq!(transfer["posted_amount"], whole, "{transfer}");
    }
    assert_eq!(holds.len(), pending + posted + released);
    let account = server.read(&from);
    assert_eq!(
        (&account["held"], &account["balance"]),
        (&json!(10 * pending), &json!(1_000_000 - 10 * posted))
    );
    assert_eq!(account["version"], 2 + holds.len() + posted + released);
    server.verified();
}

/// Makes holds and ends them alternately by post and void until the server stops answering. Returns
/// every request with its answer. Each request has a key.
fn until_it_ends(
    server: &Client,
    from: &str,
    to: &str,
    name: &str,
    answered: &AtomicUsize,
) -> Vec<(Request, Option<Response>)> {
    let mut sent = Vec::new();
    let hold = json!({"from": from, "to": to, "amount": 10, "pending": true});
    for n in 0.. {
        let made = Request::post("/transfers", &hold).key(&format!("{name}-{n}"));
        let answer = server.try_send(&made).ok();
        let held = answer.as_ref().map(|made| text(&made.ok(), "transfer_id"));
        sent.push((made, answer));
        answered.fetch_add(1, Ordering::Relaxed);
        let Some(held) = held else { break };
        let how = ["post", "void", "leave"][n % 3];
        if how == "leave" {
            continue;
        }
        let end = Request::post(&format!("/transfers/{held}/{how}"), &json!({}));
        let end = end.key(&format!("{name}-{n}-{how}"));
        let answer = server.try_send(&end).ok();
        let last = answer.is_none();
        sent.push((end, answer));
        answered.fetch_add(1, Ordering::Relaxed);
        if last {
            break;
        }
    }
    sent
}

/// Returns the answer without the id of its request.
fn stripped(answer: &Response) -> Value {
    let mut body = answer.json();
    body.as_object_mut().unwrap().remove("request_id");
    body
}
