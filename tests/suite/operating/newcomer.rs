//! The first minute with Florin: the text that a start prints, and a check that its commands work.

use std::process::Command;

use florin_tests::executable::run;
use florin_tests::poll::eventually;
use florin_tests::server::Server;
use serde_json::Value;

#[test]
fn a_start_tells_where_it_listens_where_its_data_is_and_what_to_try() {
    let server = Server::start();
    let curl = eventually("a curl to paste", || {
        let log = server.log();
        let line = log.lines().find(|line| line.contains("curl "))?;
        Some(line[line.find("curl ").unwrap()..].to_owned())
    });
    let log = server.log();
    let address = format!("http://{}", server.address());
    assert!(log.contains(&address), "{log}");
    assert!(log.contains("/docs"), "{log}");
    let data_dir = server.data_dir();
    assert!(log.contains(data_dir.to_str().unwrap()), "{log}");
    assert!(curl.contains(&address), "{curl}");
    let pasted = Command::new("sh")
        .args(["-c", &curl])
        .output()
        .expect("a shell");
    assert!(pasted.status.success(), "{curl}: {pasted:?}");
    let answer: Value = serde_json::from_slice(&pasted.stdout)
        .unwrap_or_else(|error| panic!("{error}: {curl}: {pasted:?}"));
    let id = answer["id"]
        .as_str()
        .unwrap_or_else(|| panic!("no account: {answer}"));
    assert_eq!(server.read(id), answer);
}

#[test]
fn a_start_in_an_empty_folder_needs_nothing_but_its_data_folder() {
    let server = Server::start();
    let entries = std::fs::read_dir(server.folder()).unwrap();
    let names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, ["data"]);
}

#[test]
fn json_logs_are_one_object_a_line_with_level_time_and_message() {
    let mut server = Server::with(&[("log.format", "json"), ("log.level", "debug")]);
    let id = server.account_of(5);
    server.withdraw(&id, 6).problem(422, "insufficient_funds");
    assert_eq!(server.stop().code(), Some(0));
    let log = server.log();
    let lines: Vec<&str> = log.lines().collect();
    assert!(!lines.is_empty());
    for line in &lines {
        let entry: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for field in ["level", "timestamp"] {
            assert!(entry[field].is_string(), "{field}: {line}");
        }
    }
    assert!(log.contains(&server.address().to_string()), "{log}");
    assert!(log.contains(server.data_dir().to_str().unwrap()), "{log}");
}

#[test]
fn logs_hold_no_name_no_key_and_no_body() {
    let mut server = Server::with(&[("log.level", "trace")]);
    let secrets = ["Secretname", "secret-key", "secret-reference"];
    let open = serde_json::json!({
        "holder_name": secrets[0], "country_code": "GB", "reference": secrets[2],
    });
    let request = florin_tests::http::Request::post("/accounts", &open).key(secrets[1]);
    server.send(&request).with(201);
    server.send(&request).with(201);
    assert_eq!(server.stop().code(), Some(0));
    for secret in secrets {
        let log = server.log();
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
    }
}

#[test]
fn a_quiet_run_logs_neither_warning_nor_error() {
    let mut server = Server::with(&[("log.format", "json")]);
    let id = server.account_of(5);
    server.withdraw(&id, 6).problem(422, "insufficient_funds");
    server.get("/nothing").problem(404, "route_not_found");
    server.restart();
    server.crash();
    server.read(&id);
    assert_eq!(server.stop().code(), Some(0));
    for line in server.log().lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        let level = entry["level"].as_str().unwrap().to_lowercase();
        assert!(!["warn", "error"].contains(&level.as_str()), "{line}");
    }
}

#[test]
fn a_data_folder_that_cannot_be_made_is_named() {
    let refused = run(
        &["serve", "--port", "0", "--data-dir", "/dev/null/florin"],
        &[],
    );
    assert!(refused.code().is_some_and(|code| code != 0), "{refused:?}");
    assert!(refused.output().contains("/dev/null/florin"), "{refused:?}");
    assert!(!refused.output().contains("panicked"), "{refused:?}");
}
