//! No answer is sent before everything that it depends on is durable. The tests use a disk that
//! they can block and break.

use florin_tests::bank::{result_of, text};
use florin_tests::executable::STOP_BOUND;
use florin_tests::faulty::Switch;
use florin_tests::http::{Connection, Request, Response};
use florin_tests::poll::eventually;
use florin_tests::server::Server;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::faults::switched::{Faulty, JOURNAL_FAILED, begin, deposit, under_way, withdraw};

#[test]
fn many_commands_of_one_account_wait_for_one_sync_and_are_answered_in_order() {
    let faulty = Faulty::start(&[]);
    let id = faulty.server.account();
    let before = commits(&faulty.server);
    Switch::HoldJournal.on(faulty.switches());
    let count = 100;
    let mut waiting: Vec<Connection> = (0..count)
        .map(|_| begin(&faulty.server, &deposit(&id, 1)))
        .collect();
    under_way(&faulty.server, count);
    for connection in &mut waiting {
        assert!(!connection.is_stale(), "answered before it was durable");
    }
    assert_eq!(faulty.server.get("/health/live").status, 200);
    Switch::HoldJournal.off(faulty.switches());
    let answers: Vec<Value> = waiting
        .iter_mut()
        .map(|connection| connection.read().unwrap().ok())
        .collect();
    let mut balances: Vec<i64> = answers
        .iter()
        .map(|answer| answer["balance"].as_i64().unwrap())
        .collect();
    balances.sort_unstable();
    assert_eq!(balances, (1..=count).collect::<Vec<_>>());
    // One commit may have been in progress when the sync was blocked.
    let commits = commits(&faulty.server) - before;
    assert!(
        (1.0..=3.0).contains(&commits),
        "{commits} commits for {count} commands"
    );
}

#[test]
fn a_read_waits_for_what_it_would_show() {
    let faulty = Faulty::start(&[]);
    let (id, other) = (faulty.server.account_of(10), faulty.server.account_of(3));
    Switch::HoldJournal.on(faulty.switches());
    let mut change = begin(&faulty.server, &deposit(&id, 5));
    under_way(&faulty.server, 1);
    // Entities without a pending change can be read meanwhile.
    assert_eq!(faulty.server.balance(&other), 3);
    let mut read = begin(&faulty.server, &Request::get(&format!("/accounts/{id}")));
    let mut refused = begin(&faulty.server, &withdraw(&id, 100));
    under_way(&faulty.server, 2);
    assert_eq!(faulty.server.balance(&other), 3);
    for connection in [&mut change, &mut read, &mut refused] {
        assert!(!connection.is_stale(), "answered before it was durable");
    }
    Switch::HoldJournal.off(faulty.switches());
    assert_eq!(change.read().unwrap().ok()["balance"], 15);
    assert_eq!(read.read().unwrap().ok()["balance"], 15);
    let problem = refused.read().unwrap().problem(422, "insufficient_funds");
    assert!(text(&problem, "detail").contains("15"), "{problem}");
}

#[test]
fn the_reuse_of_a_key_is_told_once_its_first_request_is_durable() {
    let mut faulty = Faulty::start(&[]);
    let id = faulty.server.account();
    Switch::HoldJournal.on(faulty.switches());
    let mut first = begin(&faulty.server, &deposit(&id, 1).key("one"));
    under_way(&faulty.server, 1);
    let mut same = begin(&faulty.server, &deposit(&id, 1).key("one"));
    let mut other = begin(&faulty.server, &deposit(&id, 2).key("one"));
    under_way(&faulty.server, 3);
    for connection in [&mut first, &mut same, &mut other] {
        assert!(!connection.is_stale(), "answered before it was durable");
    }
    Switch::HoldJournal.off(faulty.switches());
    let answer = first.read().unwrap().ok();
    let again = same.read().unwrap();
    assert!(again.replayed());
    assert_eq!(again.ok(), answer);
    other.read().unwrap().problem(422, "idempotency_key_reused");
    // If the first request of a key is lost, the key is free again.
    Switch::HoldJournal.on(faulty.switches());
    let lost = begin(&faulty.server, &deposit(&id, 1).key("two"));
    under_way(&faulty.server, 1);
    let reused = begin(&faulty.server, &deposit(&id, 2).key("two"));
    under_way(&faulty.server, 2);
    faulty.server.kill();
    drop((lost, reused));
    Switch::HoldJournal.off(faulty.switches());
    faulty.server.start_again();
    let found = faulty.server.send(&deposit(&id, 1).key("two"));
    assert_eq!(faulty.server.balance(&id), 2, "{}", found.text());
    faulty
        .server
        .send(&deposit(&id, 2).key("two"))
        .problem(422, "idempotency_key_reused");
}

#[test]
fn a_stop_with_a_disk_that_hangs_ends_in_time_and_acknowledges_nothing() {
    let mut faulty = Faulty::start(&[("server.shutdown_seconds_max", "2")]);
    let id = faulty.server.account_of(5);
    Switch::HoldJournal.on(faulty.switches());
    let request = deposit(&id, 1).key("hanging");
    let mut waiting = begin(&faulty.server, &request);
    under_way(&faulty.server, 1);
    faulty.server.signal(Signal::TERM);
    faulty
        .server
        .ended_within(STOP_BOUND)
        .expect("it ends within its bound");
    if let Ok(answer) = waiting.read() {
        assert!(matches!(answer.status, 503 | 504), "{}", answer.text());
    }
    Switch::HoldJournal.off(faulty.switches());
    faulty.server.start_again();
    faulty.server.send(&request).ok();
    assert_eq!(faulty.server.balance(&id), 6);
}

#[test]
fn a_command_not_confirmed_in_time_is_told_by_its_operation() {
    let faulty = Faulty::start(&[("gateway.confirmation_wait_ms", "300")]);
    let id = faulty.server.account();
    Switch::HoldJournal.on(faulty.switches());
    let request = deposit(&id, 5).key("late");
    let answer = faulty.server.send(&request);
    let problem = answer.problem(504, "confirmation_timeout");
    let operation = text(&problem, "operation_id");
    let path = format!("/operations/{operation}");
    assert_eq!(answer.header("location"), Some(path.as_str()));
    assert_eq!(faulty.server.get(&path).ok()["status"], "pending");
    // The same request joins its operation, and times out too.
    let again = faulty
        .server
        .send(&request)
        .problem(504, "confirmation_timeout");
    assert_eq!(again["operation_id"], operation.as_str());
    Switch::HoldJournal.off(faulty.switches());
    let result = eventually("the deposit completes", || {
        let operation = faulty.server.get(&path).ok();
        (operation["status"] == "completed").then(|| result_of(&operation))
    });
    assert_eq!(result["balance"], 5);
    let answer = faulty.server.send(&request);
    assert!(answer.replayed());
    assert_eq!(answer.ok(), result);
    assert_eq!(faulty.server.balance(&id), 5);
}

#[test]
fn the_wait_is_the_callers_to_choose() {
    let faulty = Faulty::start(&[]);
    let id = faulty.server.account();
    Switch::HoldJournal.on(faulty.switches());
    let answer = faulty
        .server
        .send(&deposit(&id, 5).header("Prefer", "wait=1"));
    answer.problem(504, "confirmation_timeout");
    assert_eq!(answer.header("preference-applied"), Some("wait=1"));
    let both = deposit(&id, 5)
        .key("both")
        .header("Prefer", "respond-async, wait=1");
    let mut pending = begin(&faulty.server, &both);
    Switch::HoldJournal.off(faulty.switches());
    let answer = pending.read().unwrap();
    assert!(matches!(answer.status, 200 | 202), "{}", answer.text());
    eventually("both are done", || {
        (faulty.server.balance(&id) == 10).then_some(())
    });
}

#[test]
fn a_crash_before_the_sync_leaves_nothing_of_what_was_not_acknowledged() {
    let mut faulty = Faulty::start(&[]);
    let id = faulty.server.account_of(10);
    Switch::HoldJournal.on(faulty.switches());
    let requests: Vec<Request> = (0..20)
        .map(|n| deposit(&id, 1).key(&format!("lost-{n}")))
        .collect();
    let waiting: Vec<Connection> = requests
        .iter()
        .map(|request| begin(&faulty.server, request))
        .collect();
    under_way(&faulty.server, 20);
    let timed_out = deposit(&id, 1).header("Prefer", "wait=1");
    let problem = faulty
        .server
        .send(&timed_out)
        .problem(504, "confirmation_timeout");
    let operation = text(&problem, "operation_id");
    faulty.server.kill();
    drop(waiting);
    Switch::HoldJournal.off(faulty.switches());
    faulty.server.start_again();
    // The command was blocked either before its first byte reached the page cache, or after that.
    // So it is whole or absent.
    let told = faulty.server.get(&format!("/operations/{operation}"));
    let found = match told.status {
        404 => 0,
        _ => i64::from(told.ok()["status"] == "completed"),
    };
    let replayed = requests
        .iter()
        .filter(|request| faulty.server.send(request).replayed())
        .count();
    assert!(
        found == 0 || replayed == 20,
        "a later command outlived earlier ones"
    );
    assert_eq!(faulty.server.balance(&id), 30 + found);
}

#[test]
fn a_failing_sync_ends_the_process_and_loses_nothing_acknowledged() {
    let mut faulty = Faulty::start(&[]);
    let id = faulty.server.account();
    let kept: Vec<(Request, Value)> = (0..20)
        .map(|n| {
            let request = deposit(&id, 1).key(&format!("kept-{n}"));
            let answer = faulty.server.send(&request).ok();
            (request, answer)
        })
        .collect();
    Switch::HoldJournal.on(faulty.switches());
    let unknown: Vec<Request> = (0..10)
        .map(|n| deposit(&id, 1).key(&format!("unknown-{n}")))
        .collect();
    let mut waiting: Vec<Connection> = unknown
        .iter()
        .map(|request| begin(&faulty.server, request))
        .collect();
    under_way(&faulty.server, 10);
    Switch::FailJournal.on(faulty.switches());
    Switch::HoldJournal.off(faulty.switches());
    for connection in &mut waiting {
        // The process may end before an answer is sent, but it never answers with a refusal or a
        // success.
        if let Ok(answer) = connection.read() {
            let problem = answer.problem(503, "outcome_unknown");
            assert!(problem["operation_id"].is_string(), "{problem}");
        }
    }
    let status = faulty.server.ended();
    assert_eq!(
        status.code(),
        Some(JOURNAL_FAILED),
        "{}",
        faulty.server.log()
    );
    let log = faulty.server.log();
    assert!(
        log.contains("the disk is broken") && !log.contains("panicked"),
        "{log}"
    );
    Switch::FailJournal.off(faulty.switches());
    faulty.server.start_again();
    for (request, first) in &kept {
        let again = faulty.server.send(request);
        assert!(again.replayed(), "acknowledged and lost: {}", again.text());
        assert_eq!(&again.ok(), first);
    }
    for request in &unknown {
        faulty.server.send(request).ok();
    }
    assert_eq!(faulty.server.balance(&id), 30);
    assert_eq!(faulty.server.read(&id)["version"], 31);
}

#[test]
fn balances_are_right_while_nothing_is_projected() {
    let faulty = Faulty::start(&[
        ("views.flush_records_max", "1"),
        ("gateway.list_wait_ms_max", "200"),
    ]);
    let (id, other) = (faulty.server.account_of(100), faulty.server.account());
    Switch::HoldViews.on(faulty.switches());
    for n in 1..=50 {
        let body = faulty.server.transfer(&id, &other, 1).created();
        assert_eq!(
            (&body["from"]["balance"], &body["to"]["balance"]),
            (&json!(100 - n), &json!(n))
        );
        assert_eq!(
            (faulty.server.balance(&id), faulty.server.balance(&other)),
            (100 - n, n)
        );
    }
    let keyed = deposit(&id, 1).key("unprojected");
    let first = faulty.server.send(&keyed).ok();
    let again = faulty.server.send(&keyed);
    assert!(again.replayed());
    assert_eq!(again.ok(), first);
    let operation = text(&first, "operation_id");
    assert_eq!(
        faulty.server.get(&format!("/operations/{operation}")).ok()["status"],
        "completed"
    );
    // A list shows everything that was acknowledged, or answers that it can't.
    let list = faulty.server.get("/accounts");
    match list.status {
        200 => assert!(list.text().contains("\"balance\":51"), "{}", list.text()),
        _ => {
            list.problem(503, "view_behind");
            assert!(list.header("retry-after").is_some(), "{list:?}");
        }
    }
    Switch::HoldViews.off(faulty.switches());
    eventually("lists show all again", || {
        let list = faulty.server.get("/accounts");
        (list.status == 200 && list.text().contains("\"balance\":51")).then_some(())
    });
}

#[test]
fn balances_are_right_after_a_crash_while_nothing_was_projected() {
    let mut faulty = Faulty::start(&[("views.flush_records_max", "1")]);
    let id = faulty.server.account_of(100);
    Switch::HoldViews.on(faulty.switches());
    for _ in 0..50 {
        faulty.server.withdraw(&id, 1).ok();
    }
    faulty.server.kill();
    Switch::HoldViews.off(faulty.switches());
    faulty.server.start_again();
    assert_eq!(faulty.server.balance(&id), 50);
    assert_eq!(
        faulty
            .server
            .list(&format!("/accounts/{id}/transactions"))
            .len(),
        51
    );
    assert_eq!(faulty.server.list("/accounts"), [faulty.server.read(&id)]);
}

#[test]
fn a_disk_without_room_refuses_commands_and_answers_reads() {
    let faulty = Faulty::start(&[]);
    let id = faulty.server.account_of(10);
    Switch::NoRoom.on(faulty.switches());
    let refused = eventually("commands are refused", || {
        let answer = faulty.server.deposit(&id, 1);
        (answer.status != 200).then_some(answer)
    });
    refused.problem(503, "disk_low");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    let balance = faulty.server.balance(&id);
    assert_eq!(faulty.server.get("/health").ok()["status"], "degraded");
    Switch::NoRoom.off(faulty.switches());
    eventually("commands are taken again", || {
        (faulty.server.deposit(&id, 1).status == 200).then_some(())
    });
    assert_eq!(faulty.server.balance(&id), balance + 1);
}

#[test]
fn past_the_commands_in_flight_further_ones_are_refused_early() {
    let faulty = Faulty::start(&[("gateway.in_flight_commands_max", "10")]);
    let id = faulty.server.account();
    Switch::HoldJournal.on(faulty.switches());
    let mut waiting: Vec<Connection> = (0..10)
        .map(|_| begin(&faulty.server, &deposit(&id, 1)))
        .collect();
    under_way(&faulty.server, 10);
    let refused = faulty.server.deposit(&id, 1);
    refused.problem(503, "overloaded");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    let metrics = faulty.server.get("/metrics").text();
    assert!(
        metrics.contains("florin_load_shed_total{reason=\"overloaded\"} 1\n"),
        "{metrics}"
    );
    assert_eq!(faulty.server.get("/health/live").status, 200);
    assert_eq!(faulty.server.get("/health/ready").status, 200);
    Switch::HoldJournal.off(faulty.switches());
    for connection in &mut waiting {
        connection.read().unwrap().ok();
    }
    assert_eq!(faulty.server.balance(&id), 10);
    assert_eq!(faulty.server.deposit(&id, 1).ok()["balance"], 11);
}

#[test]
fn a_process_that_was_stopped_and_goes_on_answers_what_it_took() {
    let server = Server::start();
    let id = server.account();
    server.signal(Signal::STOP);
    let requests: Vec<Request> = (0..20)
        .map(|n| deposit(&id, 1).key(&format!("stopped-{n}")))
        .collect();
    let mut waiting: Vec<Connection> = requests
        .iter()
        .map(|request| begin(&server, request))
        .collect();
    server.signal(Signal::CONT);
    let answers: Vec<Response> = waiting
        .iter_mut()
        .map(|connection| connection.read().unwrap())
        .collect();
    for (request, answer) in requests.iter().zip(&answers) {
        assert_eq!(server.send(request).ok(), answer.ok());
    }
    assert_eq!(server.balance(&id), 20);
}

/// Returns the number of commits that the journal has made.
fn commits(server: &Server) -> f64 {
    let metrics = server.get("/metrics").text();
    let mut lines = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("florin_journal_commit_records_count "));
    lines.next().expect("a histogram").parse().unwrap()
}
