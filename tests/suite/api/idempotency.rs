//! One key, one effect, one answer: immediately, in parallel, after a stop and after a crash.

use std::sync::Barrier;
use std::thread;

use florin_tests::bank::{AMOUNT_MAX, UNKNOWN_ID, opening, text, with};
use florin_tests::http::{Request, Response};
use florin_tests::server::{Server, Shared};
use serde_json::{Value, json};

// HTTP runs on other threads than the ledger, so that requests with one key really meet.
static SERVER: Shared = Shared::with(&[("gateway.lanes", "2")]);

#[test]
fn a_repeat_gets_the_first_answer_and_has_no_effect() {
    let server = SERVER.server();
    let id = server.account();
    let request = deposit(&id, 10).key("repeat");
    let first = server.send(&request);
    assert_eq!(first.ok()["balance"], 10);
    assert!(!first.replayed());
    server.deposit(&id, 5).ok();
    for _ in 0..3 {
        let again = server.send(&request);
        assert!(again.replayed());
        assert_eq!(again.ok(), first.ok());
        assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
    }
    assert_eq!(server.balance(&id), 15);
}

#[test]
fn the_same_key_with_another_request_is_refused_and_stays_the_first_ones() {
    let server = SERVER.alone();
    let (id, other) = (server.account_of(100), server.account_of(100));
    let first = server.send(&deposit(&id, 10).key("reused"));
    let noted = |body: Value| Request::post(&format!("/accounts/{id}/deposit"), &body);
    for different in [
        deposit(&id, 11),
        deposit(&other, 10),
        noted(json!({"amount": 10, "reference": "r"})),
        noted(json!({"amount": 10, "metadata": {"a": "b"}})),
        Request::post(&format!("/accounts/{id}/withdraw"), &json!({"amount": 10})),
        Request::post(
            "/transfers",
            &json!({"from": id, "to": other, "amount": 10}),
        ),
        Request::post("/accounts", &opening()),
        Request::patch(&format!("/accounts/{id}"), &json!({"status": "FROZEN"})),
        Request::delete(&format!("/accounts/{id}")),
    ] {
        server.refused(&different.key("reused"), 422, "idempotency_key_reused");
    }
    let again = server.send(&deposit(&id, 10).key("reused"));
    assert!(again.replayed());
    assert_eq!(again.ok(), first.ok());
}

#[test]
fn a_default_written_out_is_a_default_left_away() {
    let server = SERVER.server();
    let id = server.account();
    let bodies = [
        json!({"amount": 10}),
        json!({"amount": 10, "currency": "USD"}),
        json!({"currency": "USD", "metadata": {}, "amount": 10}),
    ];
    for (number, body) in bodies.iter().enumerate() {
        let request = Request::post(&format!("/accounts/{id}/deposit"), body).key("defaults");
        let answer = server.send(&request);
        assert_eq!(
            (answer.ok()["balance"].clone(), answer.replayed()),
            (json!(10), number > 0),
            "{body}"
        );
    }
    let spaced = "\n{ \"amount\" :\t10 }\r\n";
    let request = Request::new("POST", &format!("/accounts/{id}/deposit"))
        .text(spaced)
        .key("defaults");
    assert!(server.send(&request).replayed());
}

#[test]
fn a_keyed_opening_makes_one_account() {
    let server = SERVER.server();
    let first = server.send(&Request::post("/accounts", &opening()).key("opening"));
    let account = first.with(201);
    for more in [
        json!({}),
        json!({"currency": "USD"}),
        json!({"overdraft_limit": 0, "metadata": {}}),
    ] {
        let again =
            server.send(&Request::post("/accounts", &with(opening(), &more)).key("opening"));
        assert!(again.replayed(), "{more}");
        assert_eq!(again.with(201), account);
        assert_eq!(again.header("location"), first.header("location"));
    }
    for more in [
        json!({"holder_name": "Grace"}),
        json!({"country_code": "US"}),
        json!({"reference": "x"}),
    ] {
        let other = Request::post("/accounts", &with(opening(), &more)).key("opening");
        server.send(&other).problem(422, "idempotency_key_reused");
    }
}

#[test]
fn a_repeat_shows_the_account_as_it_was_then() {
    let server = SERVER.server();
    let open = Request::post("/accounts", &opening()).key("as-it-was");
    let account = server.send(&open).with(201);
    let id = text(&account, "id");
    let path = format!("/accounts/{id}");
    let freeze = Request::patch(&path, &json!({"status": "FROZEN"})).key("as-it-was-frozen");
    let frozen = server.send(&freeze).ok();
    server
        .patch(&path, &json!({"status": "ACTIVE", "overdraft_limit": 9}))
        .ok();
    let delete = Request::delete(&path).key("as-it-was-deleted");
    let deleted = server.send(&delete).ok();
    assert_eq!(server.send(&open).with(201), account);
    for (request, first) in [(freeze, frozen), (delete, deleted)] {
        let again = server.send(&request);
        assert!(again.replayed());
        assert_eq!(again.ok(), first);
    }
}

#[test]
fn a_rules_refusal_is_stored_and_replayed() {
    let server = SERVER.server();
    let id = server.account();
    let withdraw = Request::post(&format!("/accounts/{id}/withdraw"), &json!({"amount": 5}));
    let first = server
        .send(&withdraw.clone().key("poor"))
        .problem(422, "insufficient_funds");
    server.deposit(&id, 100).ok();
    let again = server.send(&withdraw.clone().key("poor"));
    assert_same_problem(&again, &first);
    server.freeze(&id);
    let first = server
        .send(&withdraw.clone().key("frozen"))
        .problem(409, "account_frozen");
    server
        .patch(&format!("/accounts/{id}"), &json!({"status": "ACTIVE"}))
        .ok();
    assert_same_problem(&server.send(&withdraw.clone().key("frozen")), &first);
    let first = server
        .send(&withdraw.clone().key("stale").if_match(1))
        .problem(412, "version_mismatch");
    let version = server.read(&id)["version"].as_u64().unwrap();
    assert_same_problem(
        &server.send(&withdraw.clone().key("stale").if_match(version)),
        &first,
    );
    assert_same_problem(&server.send(&withdraw.clone().key("stale")), &first);
    assert_eq!(server.balance(&id), 100);
    assert_eq!(server.send(&withdraw.key("fresh")).ok()["balance"], 95);
}

#[test]
fn what_was_not_decided_claims_no_key() {
    let server = SERVER.alone();
    let id = server.account();
    let malformed = |request: Request, code: &str, status: u16| {
        server.refused(&request.key("unclaimed"), status, code);
    };
    malformed(deposit(&id, 0), "invalid_request", 400);
    malformed(deposit("7", 1), "invalid_id", 400);
    malformed(deposit(UNKNOWN_ID, 1), "not_found", 404);
    malformed(Request::new("PUT", "/accounts"), "method_not_allowed", 405);
    let untyped = Request::new("POST", &format!("/accounts/{id}/deposit")).body("{}");
    malformed(untyped, "unsupported_media_type", 415);
    let dry = Request::post(
        &format!("/accounts/{id}/deposit?dry_run=true"),
        &json!({"amount": 9}),
    );
    let sequence = server.sequence();
    assert_eq!(server.send(&dry.key("unclaimed")).ok()["dry_run"], true);
    assert_eq!(server.sequence(), sequence);
    let taken = server.send(&deposit(&id, 10).key("unclaimed"));
    assert_eq!(
        (taken.ok()["balance"].clone(), taken.replayed()),
        (json!(10), false)
    );
    assert!(server.send(&deposit(&id, 10).key("unclaimed")).replayed());
}

#[test]
fn a_stored_answer_wins_over_a_precondition() {
    let server = SERVER.server();
    let id = server.account();
    let request = deposit(&id, 10).key("precondition");
    let first = server.send(&request.clone().if_match(1)).ok();
    for version in [1, 2, 99] {
        let again = server.send(&request.clone().if_match(version));
        assert!(again.replayed());
        assert_eq!(again.ok(), first);
    }
    assert_eq!(server.balance(&id), 10);
}

#[test]
fn a_key_sent_by_a_hundred_at_once_has_one_effect_and_one_answer() {
    let server = SERVER.server();
    let server: &Server = &server;
    let (from, to) = (server.account_of(1_000), server.account());
    let transfer = json!({"from": from, "to": to, "amount": 10});
    let requests = [
        Request::post("/transfers", &transfer).key("hundred-transfer"),
        Request::post(
            "/accounts",
            &with(opening(), &json!({"reference": "hundred"})),
        )
        .key("hundred-open"),
        Request::post(
            &format!("/accounts/{to}/withdraw"),
            &json!({"amount": AMOUNT_MAX}),
        )
        .key("hundred-refused"),
    ];
    for request in &requests {
        let answers = at_once(server, 100, |_| request.clone());
        let fresh = answers.iter().filter(|answer| !answer.replayed()).count();
        assert_eq!(fresh, 1, "answers that are the first");
        for answer in &answers {
            assert_eq!(answer.status, answers[0].status);
            assert_eq!(body(answer), body(&answers[0]));
        }
    }
    assert_eq!((server.balance(&from), server.balance(&to)), (990, 10));
    assert_eq!(server.list("/accounts?reference=hundred").len(), 1);
}

#[test]
fn of_two_requests_with_one_key_at_once_one_wins() {
    let server = SERVER.server();
    let server: &Server = &server;
    for round in 0..20 {
        let key = format!("duel-{round}");
        let id = server.account();
        let answers = at_once(server, 8, |n| deposit(&id, 1 + n % 2).key(&key));
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert_eq!((won.len(), lost.len()), (4, 4));
        assert!(won.iter().all(|answer| answer.ok() == won[0].ok()));
        for answer in lost {
            answer.problem(422, "idempotency_key_reused");
        }
        assert_eq!(server.balance(&id), won[0].ok()["balance"]);
    }
}

#[test]
fn keys_outlive_a_stop_and_a_crash() {
    let mut server = Server::start();
    let (id, other) = (server.account_of(100), server.account());
    let path = format!("/accounts/{id}");
    let requests = [
        Request::post("/accounts", &with(opening(), &json!({"currency": "EUR"}))).key("open"),
        deposit(&id, 10).key("deposit"),
        Request::post(
            &format!("{path}/withdraw"),
            &json!({"amount": 3, "reference": "r"}),
        )
        .key("withdraw"),
        Request::post("/transfers", &json!({"from": id, "to": other, "amount": 7})).key("transfer"),
        Request::post(&format!("{path}/withdraw"), &json!({"amount": 1_000})).key("poor"),
        deposit(&id, 1).if_match(1).key("stale"),
        Request::patch(&path, &json!({"status": "FROZEN"})).key("freeze"),
        Request::post(&format!("{path}/withdraw"), &json!({"amount": 1})).key("frozen"),
        Request::patch(&path, &json!({"status": "FROZEN"})).key("nothing"),
        Request::delete(&path).key("delete"),
    ];
    let statuses = [201, 200, 200, 201, 422, 412, 200, 409, 200, 409];
    let first: Vec<Response> = requests
        .iter()
        .map(|request| server.send(request))
        .collect();
    let answered: Vec<u16> = first.iter().map(|answer| answer.status).collect();
    assert_eq!(answered, statuses);
    server.patch(&path, &json!({"status": "ACTIVE"})).ok();
    server.deposit(&id, 1_000).ok();
    let after = server.read(&id);
    let check = |server: &Server, when: &str| {
        for (request, first) in requests.iter().zip(&first) {
            let again = server.send(request);
            assert_eq!(
                (again.status, body(&again)),
                (first.status, body(first)),
                "{when}"
            );
            assert!(again.replayed(), "{when}: {}", again.text());
        }
        let other = deposit(&id, 11).key("deposit");
        server.send(&other).problem(422, "idempotency_key_reused");
        assert_eq!(server.read(&id), after, "{when}");
    };
    check(&server, "at once");
    server.restart();
    check(&server, "after a stop");
    server.crash();
    check(&server, "after a crash");
}

#[test]
fn keys_past_memory_are_found_on_the_disk() {
    let mut server = Server::with(&[
        ("views.index_segment_entries", "1000"),
        ("views.flush_records_max", "500"),
    ]);
    let id = server.account();
    let count = 3_000;
    let answers: Vec<Response> = (0..count)
        .map(|n| server.send(&deposit(&id, 1).key(&format!("many-{n}"))))
        .collect();
    let check = |server: &Server| {
        for (n, first) in answers.iter().enumerate().step_by(7) {
            let again = server.send(&deposit(&id, 1).key(&format!("many-{n}")));
            assert!(again.replayed(), "key {n}");
            assert_eq!(again.ok(), first.ok(), "key {n}");
        }
        assert_eq!(server.balance(&id), count);
    };
    check(&server);
    server.crash();
    check(&server);
}

#[test]
fn when_the_oldest_keys_go_the_newest_stay() {
    let mut server = Server::with(&[
        ("idempotency.keys_max", "1000"),
        ("views.index_segment_entries", "1000"),
        ("views.flush_records_max", "200"),
    ]);
    let id = server.account();
    let request = |n: i64| deposit(&id, 1).key(&format!("kept-{n}"));
    let (count, kept) = (6_000, 900);
    for n in 0..count {
        assert!(!server.send(&request(n)).replayed());
    }
    let check = |server: &Server| {
        for n in count - kept..count {
            let again = server.send(&request(n));
            assert!(again.replayed(), "key {n} of {count} went");
            assert_eq!(again.ok()["balance"], n + 1);
        }
        assert_eq!(server.balance(&id), count);
    };
    check(&server);
    server.restart();
    check(&server);
    server.crash();
    check(&server);
}

/// Sends `count` requests at the same moment, each over its own connection.
fn at_once(server: &Server, count: i64, request: impl Fn(i64) -> Request + Sync) -> Vec<Response> {
    let barrier = Barrier::new(usize::try_from(count).unwrap());
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|n| {
                let (barrier, request) = (&barrier, &request);
                scope.spawn(move || {
                    let mut connection = server.connect();
                    barrier.wait();
                    connection.send(&request(n)).expect("an answer")
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}

/// Returns the body without the id of its request.
fn body(answer: &Response) -> Value {
    let mut body = answer.json();
    if let Some(fields) = body.as_object_mut() {
        fields.remove("request_id");
    }
    body
}

#[track_caller]
fn assert_same_problem(answer: &Response, first: &Value) {
    let code = text(first, "code");
    let problem = answer.problem(
        u16::try_from(first["status"].as_u64().unwrap()).unwrap(),
        &code,
    );
    assert!(answer.replayed(), "{problem}");
    for field in ["operation_id", "detail"] {
        assert_eq!(problem[field], first[field], "{field}");
    }
    assert!(problem["operation_id"].is_string(), "{problem}");
}

pub fn deposit(id: &str, amount: i64) -> Request {
    Request::post(
        &format!("/accounts/{id}/deposit"),
        &json!({"amount": amount}),
    )
}
