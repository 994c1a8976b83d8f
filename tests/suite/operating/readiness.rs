//! `/health/ready` is 503 while every command is refused, and gives the reason.

use florin_tests::executable;
use florin_tests::faulty::Switch;
use florin_tests::health::reason;
use florin_tests::http::Connection;
use florin_tests::poll::eventually;
use florin_tests::server::Server;
use serde_json::Value;

use crate::faults::switched::{Faulty, begin, deposit, under_way};

/// Waits until the server is not ready for this reason.
#[track_caller]
fn not_ready(server: &Server, code: &str) {
    eventually(&format!("it is not ready: {code}"), || {
        let answer = server.get("/health/ready");
        (answer.status == 503).then(|| {
            let detail = answer.json()["detail"].clone();
            let named = format!("{code}: ");
            assert!(detail.as_str().unwrap().contains(&named), "{detail}");
        })
    });
    let reason = reason(server, code);
    assert!(
        reason
            .as_ref()
            .is_some_and(|reason| reason["stops_commands"] == true),
        "{reason:?}"
    );
}

#[track_caller]
fn is_ready(server: &Server) {
    eventually("it is ready again", || {
        (server.get("/health/ready").status == 200).then_some(())
    });
}

#[test]
fn a_disk_without_room_is_not_ready() {
    let faulty = Faulty::start(&[]);
    let id = faulty.server.account();
    Switch::NoRoom.on(faulty.switches());
    not_ready(&faulty.server, "disk_low");
    faulty
        .server
        .send(&deposit(&id, 1))
        .problem(503, "disk_low");
    Switch::NoRoom.off(faulty.switches());
    is_ready(&faulty.server);
    faulty.server.send(&deposit(&id, 1)).ok();
}

#[test]
fn views_too_far_behind_are_not_ready() {
    let settings = [
        ("views.lag_records_max", "5"),
        ("views.flush_records_max", "1"),
    ];
    let faulty = Faulty::start(&settings);
    let id = faulty.server.account();
    Switch::HoldViews.on(faulty.switches());
    eventually("commands are refused", || {
        let answer = faulty.server.send(&deposit(&id, 1));
        (answer.status != 200).then(|| answer.problem(503, "view_behind"))
    });
    not_ready(&faulty.server, "view_behind");
    Switch::HoldViews.off(faulty.switches());
    is_ready(&faulty.server);
}

#[test]
fn an_overload_in_which_nothing_is_finished_is_not_ready_and_told_in_the_log() {
    let faulty = Faulty::start(&[("gateway.in_flight_commands_max", "1")]);
    let id = faulty.server.account();
    Switch::HoldJournal.on(faulty.switches());
    let mut first: Connection = begin(&faulty.server, &deposit(&id, 1));
    under_way(&faulty.server, 1);
    eventually("it is not ready", || {
        let refused = faulty.server.send(&deposit(&id, 1));
        refused.problem(503, "overloaded");
        (faulty.server.get("/health/ready").status == 503).then_some(())
    });
    not_ready(&faulty.server, "overloaded");
    Switch::HoldJournal.off(faulty.switches());
    // The command is confirmed now, or was answered with 504 while it waited.
    let status = first.read().unwrap().status;
    assert!([200, 504].contains(&status), "{status}");
    is_ready(&faulty.server);
    let log = faulty.server.log();
    let shed = log.lines().find(|line| line.contains("load is shed"));
    assert!(
        shed.is_some_and(|line| line.contains("overloaded: ")),
        "{log}"
    );
}

#[test]
fn why_the_process_ends_is_json_where_the_log_is() {
    // The first setting can't be parsed, the second can.
    for (arguments, code) in [
        (&["--port", "none", "--log-format", "json"][..], 2),
        (&["verify", "--head", "none", "--log-format", "json"][..], 2),
        (
            &["export", "--log-format", "json", "--data-dir", "nowhere"][..],
            1,
        ),
    ] {
        let ended = executable::run(arguments, &[]);
        assert_eq!(ended.code(), Some(code), "{}", ended.output());
        let line: Value = serde_json::from_str(ended.stderr.trim_end()).unwrap();
        assert_eq!(
            (&line["level"], &line["exit_code"]),
            (&"ERROR".into(), &code.into())
        );
        assert!(!line["message"].as_str().unwrap().is_empty());
    }
}

#[test]
fn a_new_folder_is_no_recovery_and_accounts_are_no_lines_of_the_log() {
    let server = Server::start();
    let id = server.account();
    florin_tests::cards::card_of(&server, &id);
    let log = server.log();
    assert!(!log.contains("recovery"), "{log}");
    assert!(log.contains("the journal is new"), "{log}");
    assert!(!log.contains(&id), "{log}");
}
