//! Settings: an invalid one stops the start with one line, and the layers override each other in
//! their order.

use std::fs;

use florin_tests::executable::{Finished, run, run_in};
use florin_tests::server::Server;

/// The exit code of invalid settings and flags.
const USAGE: i32 = 2;

#[test]
fn a_wrong_setting_stops_the_start_with_one_line_that_names_it() {
    for (name, wrong) in [
        ("server.host", "0.0.0.0"),
        ("server.host", "192.168.0.1"),
        ("server.host", "::"),
        ("server.host", "example.com"),
        ("server.port", "65536"),
        ("server.port", "-1"),
        ("server.port", "http"),
        ("server.shutdown_seconds_max", "0"),
        ("gateway.lanes", "many"),
        ("gateway.connections_max", "0"),
        ("gateway.header_read_seconds_max", "0"),
        ("gateway.body_bytes_max", "1023"),
        ("gateway.in_flight_commands_max", "0"),
        ("gateway.accepted_commands_max", "0"),
        ("gateway.confirmation_wait_ms", "30001"),
        ("gateway.page_default", "1001"),
        ("gateway.page_max", "0"),
        ("ledger.default_currency", "usd"),
        ("ledger.default_currency", "XYZ"),
        ("ledger.record_bytes_max", "1"),
        ("journal.segment_bytes_max", "1"),
        ("journal.queue_bytes_max", "1.5"),
        ("journal.frame_bytes_max", "9223372036854775808"),
        ("views.flush_seconds_max", "0"),
        ("views.index_segment_entries", "999"),
        ("idempotency.keys_max", "many"),
        ("idempotency.retention_days", "0"),
        ("disk.free_bytes_min", "0"),
        ("log.format", "xml"),
        ("log.level", "loud"),
    ] {
        let variable = format!("FLORIN__{}", name.replace('.', "__").to_uppercase());
        let refused = run(&["serve", "--port", "0"], &[(&variable, wrong)]);
        assert_refused(&refused, &[name, &variable]);
    }
}

#[test]
fn a_wrong_flag_or_variable_of_the_platform_is_named_too() {
    let port = |value| run(&["serve"], &[("PORT", value)]);
    assert_refused(&port("http"), &["server.port", "PORT"]);
    assert_refused(&run(&["serve", "--port", "99999"], &[]), &["--port"]);
    assert_refused(
        &run(&["serve", "--host", "0.0.0.0"], &[]),
        &["--host", "loopback"],
    );
    assert_refused(
        &run(&["serve", "--log-format", "xml"], &[]),
        &["--log-format", "text, json"],
    );
    let unknown = run(&["serve"], &[("FLORIN__SERVER__PROT", "1")]);
    assert_refused(&unknown, &["server.prot", "server.port"]);
    let unknown = run(&["serve"], &[("FLORIN__SREVER__PORT", "1")]);
    assert_refused(&unknown, &["srever", "server"]);
}

#[test]
fn printing_the_settings_makes_the_checks_of_a_start() {
    for (name, wrong) in [
        ("server.port", "65536"),
        ("ledger.default_currency", "XYZ"),
        ("ledger.default_currency", "BGN"),
        ("ledger.assets", "EUR = 2"),
        ("kafka.bindings", "no.such.type = topic"),
        ("kafka.account_topic", "no topic"),
        ("kafka.security", "sasl_plaintext"),
        ("kafka.brokers", "localhost:9092,"),
        ("kafka.brokers", "tcp://localhost:9092"),
        ("services.card_url", "https://localhost"),
    ] {
        let variable = format!("FLORIN__{}", name.replace('.', "__").to_uppercase());
        let variables = [(variable.as_str(), wrong)];
        let started = run(&["serve", "--port", "0"], &variables);
        let printed = run(&["config"], &variables);
        // The missing setting may be another one than the setting that requires it, so only the
        // section is checked.
        let section = name.split('.').next().unwrap();
        assert_refused(&started, &[section]);
        assert_refused(&printed, &[section]);
        assert_eq!(started.stderr, printed.stderr, "{name}");
    }
}

#[test]
fn an_empty_variable_is_as_good_as_none() {
    let variables = [
        ("PORT", ""),
        ("KAFKA_BROKERS", ""),
        ("FLORIN__SERVER__DATA_DIR", ""),
        ("FLORIN__LOG__LEVEL", ""),
    ];
    let printed = run(&["config"], &variables);
    assert_eq!(printed.code(), Some(0), "{}", printed.output());
    assert_eq!(printed.stdout, run(&["config"], &[]).stdout);
}

#[test]
fn a_variable_whose_name_is_almost_a_settings_is_warned_about() {
    let misspelt = [("FLORIN_SERVER_PORT", "9000")];
    let printed = run(&["config"], &misspelt);
    assert_eq!(printed.code(), Some(0));
    assert_eq!(value(&printed.stdout, "server", "port"), "8080");
    for name in ["warning", "FLORIN_SERVER_PORT", "FLORIN__SERVER__PORT"] {
        assert!(printed.stderr.contains(name), "{}", printed.stderr);
    }
    let variables = vec![("FLORIN_SERVER_PORT".to_owned(), "9000".to_owned())];
    let server = Server::of(florin_tests::executable::florin(), variables);
    assert!(
        server.log().contains("FLORIN__SERVER__PORT"),
        "{}",
        server.log()
    );
}

#[test]
fn what_is_printed_has_no_characters_that_hide_or_forge_a_part_of_it() {
    let odd = "a\u{202e}b\u{9b}c\nflorin: all is well";
    let refused = run(&["serve"], &[("FLORIN__LOG__LEVEL", odd)]);
    assert_refused(&refused, &["log.level", "u{202e}"]);
    let missing = run(&["config", "--config", odd], &[]);
    assert_refused(&missing, &["u{202e}"]);
    let printed = run(&["config", "--data-dir", "a\u{202e}b"], &[]);
    assert_eq!(printed.code(), Some(0));
    let nowhere = run(&["verify", "--data-dir", odd], &[]);
    for finished in [&refused, &missing, &printed, &nowhere] {
        let output = finished.output();
        assert!(!output.contains(['\u{202e}', '\u{9b}']), "{output:?}");
        assert!(!output.contains("\nflorin: all is well"), "{output:?}");
    }
}

#[test]
fn health_tells_whether_the_running_server_is_ready() {
    let server = Server::start();
    let port = server.address().port().to_string();
    let asked = run(&["health", "--port", &port], &[]);
    assert_eq!(
        (asked.code(), asked.stdout.as_str()),
        (Some(0), "ready\n"),
        "{}",
        asked.output()
    );
    let by_variable = run(&["health"], &[("PORT", &port)]);
    assert_eq!(by_variable.code(), Some(0), "{}", by_variable.output());
    drop(server);
    let nobody = run(&["health", "--port", &port], &[]);
    assert_eq!(nobody.code(), Some(1));
    assert!(nobody.stderr.contains(&port), "{}", nobody.stderr);
}

#[test]
fn unknown_flags_and_subcommands_are_refused() {
    for arguments in [
        &["serve", "--prot", "1"][..],
        &["srve"],
        &["verify", "--head"],
        &["serve", "extra"],
    ] {
        let refused = run(arguments, &[]);
        assert_eq!(refused.code(), Some(USAGE), "{refused:?}");
        assert!(!refused.output().contains("panicked"), "{refused:?}");
    }
}

#[test]
fn help_and_version_are_answers() {
    let help = run(&["--help"], &[]);
    assert_eq!(help.code(), Some(0));
    for word in ["serve", "verify", "config"] {
        assert!(help.stdout.contains(word), "{}", help.stdout);
    }
    for flag in ["--port", "--host", "--data-dir", "--config", "--log-format"] {
        assert!(
            run(&["serve", "--help"], &[]).stdout.contains(flag),
            "{flag}"
        );
    }
    let version = run(&["--version"], &[]);
    assert_eq!(
        (version.code(), version.stdout.starts_with("florin ")),
        (Some(0), true),
        "{version:?}"
    );
}

#[test]
fn flags_win_over_variables_and_variables_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.toml");
    fs::write(
        &file,
        "[server]\nport = 1001\n[gateway]\npage_max = 77\npage_default = 7\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let config = |arguments: &[&str], variables: &[(&str, &str)]| {
        let all = [&["config", "--config", file][..], arguments].concat();
        let finished = run_in(folder.path(), &all, variables);
        assert_eq!(finished.code(), Some(0), "{finished:?}");
        finished.stdout
    };
    let port = |text: &str| value(text, "server", "port");
    assert_eq!(port(&config(&[], &[])), "1001");
    assert_eq!(value(&config(&[], &[]), "gateway", "page_max"), "77");
    let (platform, own) = (("PORT", "1002"), ("FLORIN__SERVER__PORT", "1003"));
    assert_eq!(port(&config(&[], &[platform])), "1002");
    assert_eq!(port(&config(&[], &[platform, own])), "1003");
    assert_eq!(port(&config(&["--port", "1004"], &[platform, own])), "1004");
}

#[test]
fn a_wrong_file_is_refused_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = run_in(folder.path(), &["serve", "--config", "missing.toml"], &[]);
    assert_refused(&missing, &["missing.toml"]);
    for (text, named) in [
        ("[server\nport = 1", "own.toml"),
        ("[server]\nprot = 1\n", "server.prot"),
        ("[server]\nport = \"many\"\n", "server.port"),
        ("port = 1\n", "port"),
        ("[server]\nport = 1\nport = 2\n", "own.toml"),
    ] {
        fs::write(folder.path().join("own.toml"), text).unwrap();
        let refused = run_in(folder.path(), &["serve", "--config", "own.toml"], &[]);
        assert_refused(&refused, &[named]);
    }
}

#[test]
fn the_settings_printed_are_a_file_that_means_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [
        ("FLORIN__GATEWAY__PAGE_MAX", "321"),
        ("FLORIN__SERVER__DATA_DIR", "a \"b\" \\ c"),
    ];
    let first = run_in(folder.path(), &["config"], &variables);
    assert_eq!(first.code(), Some(0), "{first:?}");
    fs::write(folder.path().join("florin.toml"), &first.stdout).unwrap();
    let second = run_in(folder.path(), &["config"], &[]);
    assert_eq!(second.code(), Some(0), "{second:?}");
    assert_eq!(plain(&second.stdout), plain(&first.stdout));
    assert_eq!(value(&second.stdout, "gateway", "page_max"), "321");
}

#[test]
fn the_least_and_the_most_of_every_setting_serve() {
    let least = [
        ("server.shutdown_seconds_max", "1"),
        ("gateway.lanes", "0"),
        ("gateway.connections_max", "1"),
        ("gateway.header_read_seconds_max", "1"),
        ("gateway.body_read_seconds_max", "1"),
        ("gateway.body_bytes_max", "1024"),
        ("gateway.body_bytes_drained_max", "0"),
        ("gateway.in_flight_commands_max", "1"),
        ("gateway.accepted_commands_max", "1"),
        ("gateway.batches_bytes_max", "1048576"),
        ("gateway.keep_alive_idle_seconds_max", "1"),
        ("gateway.page_default", "1"),
        ("gateway.page_max", "1"),
        ("ledger.record_bytes_max", "65536"),
        ("journal.segment_bytes_max", "1048576"),
        ("journal.queue_bytes_max", "1048576"),
        ("journal.frame_bytes_max", "4096"),
        ("journal.cache_bytes", "1048576"),
        ("views.flush_records_max", "1"),
        ("views.flush_seconds_max", "1"),
        ("views.cache_bytes", "1048576"),
        ("views.index_segment_entries", "1000"),
        ("idempotency.keys_max", "1000"),
        ("idempotency.retention_days", "1"),
        ("disk.free_bytes_min", "16777216"),
    ];
    let most = [
        ("server.shutdown_seconds_max", "600"),
        ("gateway.lanes", "256"),
        ("gateway.connections_max", "1000000"),
        ("gateway.header_read_seconds_max", "300"),
        ("gateway.body_read_seconds_max", "600"),
        ("gateway.body_bytes_max", "16777216"),
        ("gateway.body_bytes_drained_max", "67108864"),
        ("gateway.in_flight_commands_max", "1000000"),
        ("gateway.accepted_commands_max", "10000000"),
        ("gateway.batches_bytes_max", "1099511627776"),
        ("gateway.keep_alive_idle_seconds_max", "3600"),
        ("gateway.confirmation_wait_ms", "30000"),
        ("gateway.page_default", "1000"),
        ("gateway.page_max", "1000"),
        ("gateway.list_wait_ms_max", "30000"),
        ("ledger.record_bytes_max", "16777216"),
        ("journal.segment_bytes_max", "1073741824"),
        ("journal.queue_bytes_max", "4294967296"),
        ("journal.frame_bytes_max", "65472"),
        ("journal.cache_bytes", "4294967296"),
        ("views.flush_records_max", "10000000"),
        ("views.flush_seconds_max", "3600"),
        ("views.cache_bytes", "17179869184"),
        ("views.lag_records_max", "100000000"),
        ("views.index_segment_entries", "14680064"),
        ("idempotency.keys_max", "1000000000"),
        ("idempotency.retention_days", "3650"),
    ];
    for settings in [&least[..], &most] {
        let mut server = Server::with(settings);
        let id = server.account_of(100);
        for _ in 0..50 {
            server.withdraw(&id, 1).ok();
        }
        server.restart();
        server.crash();
        assert_eq!(
            server.list(&format!("/accounts/{id}/transactions")).len(),
            51
        );
        assert_eq!(server.list("/accounts"), [server.read(&id)]);
    }
}

#[test]
fn the_default_currency_is_a_setting() {
    let server = Server::with(&[("ledger.default_currency", "KES")]);
    assert_eq!(server.open(&serde_json::json!({}))["currency"], "KES");
}

#[test]
fn the_page_size_is_a_setting() {
    let server = Server::with(&[("gateway.page_default", "3"), ("gateway.page_max", "5")]);
    for _ in 0..7 {
        server.account();
    }
    let length = |query: &str| {
        server.get(&format!("/accounts{query}")).ok()["data"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!((length(""), length("?limit=5")), (3, 5));
    server
        .get("/accounts?limit=6")
        .problem(400, "invalid_request");
}

/// Returns the text of a setting in the output of `florin config`, without its comment.
fn value(text: &str, section: &str, key: &str) -> String {
    let rest = text
        .split(&format!("[{section}]"))
        .nth(1)
        .expect("its section");
    let mut lines = rest.lines().filter_map(|line| line.split_once(" = "));
    let (_, value) = lines.find(|(name, _)| *name == key).expect("its key");
    value.split(" # ").next().unwrap().to_owned()
}

/// Returns the settings without the comments that give the source of each.
fn plain(text: &str) -> Vec<&str> {
    text.lines()
        .map(|line| line.split(" # ").next().unwrap())
        .collect()
}

#[track_caller]
fn assert_refused(finished: &Finished, named: &[&str]) {
    assert_eq!(finished.code(), Some(USAGE), "{finished:?}");
    assert_eq!(finished.stdout, "", "{finished:?}");
    let lines: Vec<&str> = finished.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{finished:?}");
    for name in named {
        assert!(lines[0].contains(name), "{name} is not named: {}", lines[0]);
    }
}
