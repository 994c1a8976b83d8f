//! Tests of loading: the precedence of the layers, and that a wrong setting gives one line that
//! names it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed test is what they are for"
)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, process};

use florin_config::{ConfigError, Lanes, LogFormat, Origin, Overrides, Settings, reference};

const NO_ENVIRONMENT: [(&str, &str); 0] = [];

/// A settings file in a folder of its own, which is removed with the value.
struct Toml(PathBuf);

impl Toml {
    fn new(name: &str, text: &str) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let folder = format!("{}-{}", process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
        fs::create_dir(&folder).unwrap();
        let path = folder.join(format!("{name}.toml"));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn overrides(&self) -> Overrides {
        Overrides {
            config_file: Some(self.0.clone()),
            ..Overrides::default()
        }
    }
}

impl Drop for Toml {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0.parent().unwrap());
    }
}

fn refusal(result: Result<Settings, ConfigError>) -> String {
    let line = result
        .expect_err("the settings should be refused")
        .to_string();
    assert_eq!(line.lines().count(), 1, "more than one line: {line}");
    line
}

fn assert_names(line: &str, words: &[&str]) {
    for word in words {
        assert!(line.contains(word), "`{word}` is missing in: {line}");
    }
}

#[test]
fn without_any_layer_the_defaults_hold() {
    let settings = Settings::load(&Overrides::default(), NO_ENVIRONMENT).unwrap();
    assert_eq!(settings, Settings::default());
    assert_eq!(settings.server.port, 8080);
    assert_eq!(settings.gateway.lanes, Lanes::Auto);
    assert_eq!(settings.origin("server.port"), Origin::Default);
}

#[test]
fn flags_win_over_the_environment_that_wins_over_the_file() {
    let file = Toml::new(
        "precedence",
        "[server]\nport = 1001\nhost = \"localhost\"\nshutdown_seconds_max = 11\n[log]\nformat = \"json\"",
    );
    let mut overrides = file.overrides();
    let environment = [
        ("FLORIN__SERVER__PORT", "1003"),
        ("PORT", "1002"),
        ("HOME", "/"),
    ];

    let from_file = Settings::load(&overrides, NO_ENVIRONMENT).unwrap();
    assert_eq!(from_file.server.port, 1001);
    assert_eq!(
        from_file.origin("server.port"),
        Origin::File(file.0.clone())
    );

    let from_platform = Settings::load(&overrides, [("PORT", "1002")]).unwrap();
    assert_eq!(from_platform.server.port, 1002);

    let from_environment = Settings::load(&overrides, environment).unwrap();
    assert_eq!(from_environment.server.port, 1003);

    overrides.port = Some("1004".into());
    let from_flag = Settings::load(&overrides, environment).unwrap();
    assert_eq!(from_flag.server.port, 1004);
    assert_eq!(from_flag.origin("server.port"), Origin::Flag("--port"));
    assert_eq!(from_flag.server.host.to_string(), "127.0.0.1");
    assert_eq!(from_flag.server.shutdown_seconds_max, 11);
    assert_eq!(from_flag.log.format, LogFormat::Json);
    assert_eq!(from_flag.gateway, Settings::default().gateway);
}

#[test]
fn every_flag_sets_its_setting() {
    let overrides = Overrides {
        config_file: None,
        host: Some("::1".into()),
        port: Some("0".into()),
        data_dir: Some("/tmp/a b".into()),
        services: Some("card".into()),
        kafka_brokers: Some("127.0.0.1:9092".into()),
        log_format: Some("json".into()),
        log_level: Some("debug".into()),
    };
    let settings = Settings::load(&overrides, NO_ENVIRONMENT).unwrap();
    assert_eq!(settings.server.host.to_string(), "::1");
    assert_eq!(settings.server.port, 0);
    assert_eq!(settings.server.data_dir, Path::new("/tmp/a b"));
    assert_eq!(settings.services.run, "card");
    assert_eq!(settings.kafka.brokers, "127.0.0.1:9092");
    assert_eq!(settings.log.format, LogFormat::Json);
    assert_eq!(settings.log.level.as_str(), "debug");
}

#[test]
fn the_documents_variables_set_their_settings() {
    let environment = [
        ("KAFKA_BROKERS", "localhost:9092"),
        ("KAFKA_TOPIC", "accounts"),
        ("KAFKA_GROUP_ID", "cards"),
        ("FLORIN__KAFKA__GROUP_ID", "other"),
    ];
    let kafka = Settings::load(&Overrides::default(), environment)
        .unwrap()
        .kafka;
    assert_eq!(kafka.brokers, "localhost:9092");
    assert_eq!(kafka.account_topic, "accounts");
    assert_eq!(kafka.group_id, "other");
}

#[test]
fn services_are_named_once_each_and_have_a_folder_of_their_own() {
    let load = |services: &str| {
        let overrides = Overrides {
            services: Some(services.to_owned()),
            ..Overrides::default()
        };
        Settings::load(&overrides, NO_ENVIRONMENT)
    };
    let settings = load("card, account,core").unwrap();
    assert_eq!(settings.services.run, "core,card");
    assert_eq!(
        settings.server.data_dir,
        Path::new("./florin-data/core-card")
    );
    let error = load("cards").unwrap_err().to_string();
    assert!(error.contains("core, account, card"), "{error}");
}

#[test]
fn a_secret_is_not_shown() {
    let environment = [("FLORIN__KAFKA__SASL_PASSWORD", "hunter2")];
    let settings = Settings::load(&Overrides::default(), environment).unwrap();
    assert_eq!(settings.kafka.sasl_password.reveal(), "hunter2");
    assert!(!format!("{settings:?}").contains("hunter2"));
    let shown = settings.effective();
    assert!(shown.contains("sasl_password = \"***\""), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("tls_key_password = \"\"\n"), "{shown}");
}

#[test]
fn every_setting_takes_its_own_default_from_the_environment() {
    for doc in reference() {
        let text = doc.default.trim_matches('"').to_owned();
        let settings = Settings::load(&Overrides::default(), [(doc.env.clone(), text)]);
        let settings = settings.unwrap_or_else(|error| panic!("{}: {error}", doc.name));
        if doc.default.trim_matches('"').is_empty() {
            // An empty variable counts as not given.
            assert_eq!(settings.origin(doc.name), Origin::Default);
            continue;
        }
        assert_eq!(settings.origin(doc.name), Origin::Environment(doc.env));
        assert_eq!(
            settings
                .effective()
                .lines()
                .filter(|line| line.contains(" # "))
                .count(),
            1
        );
    }
}

#[test]
fn every_bound_is_reached_and_one_past_it_is_refused() {
    for doc in reference() {
        let Some((_, bounds)) = doc.bounds.rsplit_once("integer from ") else {
            continue;
        };
        let (min, max) = bounds.split_once(" to ").unwrap();
        let (min, max): (i64, i64) = (min.parse().unwrap(), max.parse().unwrap());
        let load = |value: i64| {
            // The other setting of a pair must not be in the way.
            let environment = [
                ("FLORIN__GATEWAY__PAGE_DEFAULT".to_owned(), "1".to_owned()),
                (
                    "FLORIN__VIEWS__FLUSH_RECORDS_MAX".to_owned(),
                    "1".to_owned(),
                ),
                (
                    "FLORIN__VIEWS__LAG_RECORDS_MAX".to_owned(),
                    "10000000".to_owned(),
                ),
                (
                    "FLORIN__LEDGER__RECORD_BYTES_MAX".to_owned(),
                    "65536".to_owned(),
                ),
                (doc.env.clone(), value.to_string()),
            ];
            Settings::load(&Overrides::default(), environment)
        };
        for value in [min, max] {
            load(value).unwrap_or_else(|error| panic!("{} = {value}: {error}", doc.name));
        }
        for value in [min - 1, max + 1] {
            let line = refusal(load(value));
            assert_names(
                &line,
                &[doc.name, &doc.env, &value.to_string(), &doc.bounds],
            );
        }
    }
}

#[test]
fn a_wrong_value_is_one_line_with_its_name_its_origin_and_what_is_allowed() {
    for doc in reference() {
        // An empty variable counts as not given.
        for value in [
            "no\nsense",
            "-1",
            "1.5",
            "0x10",
            "99999999999999999999",
            "🦀",
        ] {
            let is_allowed = match doc.name {
                "server.data_dir" => true,
                "ledger.assets" => false,
                _ => doc.bounds.starts_with("a text") && value != "no\nsense",
            };
            if is_allowed {
                continue;
            }
            let line = refusal(Settings::load(
                &Overrides::default(),
                [(doc.env.as_str(), value)],
            ));
            assert_names(&line, &[doc.name, &doc.env, &doc.bounds]);
        }
    }
}

#[test]
fn a_wrong_value_in_the_file_names_the_file() {
    for (name, text, words) in [
        (
            "text-port",
            "[server]\nport = \"8080\"",
            ["server.port", "\"8080\"", "from 0 to 65535"],
        ),
        (
            "large-port",
            "[server]\nport = 70000",
            ["server.port", "70000", "from 0 to 65535"],
        ),
        (
            "table-port",
            "[server.port]\nx = 1",
            ["server.port", "a table", "from 0 to 65535"],
        ),
        (
            "array",
            "log.level = [\"info\"]",
            ["log.level", "an array", "error, warn, info"],
        ),
        (
            "lanes",
            "gateway.lanes = \"many\"",
            ["gateway.lanes", "\"many\"", "`auto`"],
        ),
        (
            "currency",
            "ledger.default_currency = \"usd\"",
            ["ledger.default_currency", "usd", "ISO 4217"],
        ),
        (
            "asset",
            "ledger.assets = \"usdc = 6\"",
            ["ledger.assets", "usdc = 6", "USDC = 6, BTC8 = 8"],
        ),
        (
            "scale",
            "ledger.assets = \"USDC = 19\"",
            ["ledger.assets", "USDC = 19", "from 0 to 18"],
        ),
        (
            "sign",
            "ledger.assets = \"USDC = +6\"",
            ["ledger.assets", "USDC = +6", "from 0 to 18"],
        ),
        (
            "twice",
            "ledger.assets = \"USDC = 6, USDC = 6\"",
            ["ledger.assets", "USDC = 6, USDC = 6", "each once"],
        ),
        (
            "expiry",
            "ledger.hold_expiry_seconds = 315360001",
            [
                "ledger.hold_expiry_seconds",
                "315360001",
                "from 0 to 315360000",
            ],
        ),
    ] {
        let file = Toml::new(name, text);
        let line = refusal(Settings::load(&file.overrides(), NO_ENVIRONMENT));
        assert_names(&line, &words);
        assert_names(&line, &[&file.0.display().to_string()]);
    }
}

#[test]
fn a_wrong_value_stops_the_start_also_where_a_later_layer_wins() {
    let file = Toml::new("shadowed", "[server]\nport = 70000");
    let overrides = Overrides {
        port: Some("8080".into()),
        ..file.overrides()
    };
    assert_names(
        &refusal(Settings::load(&overrides, NO_ENVIRONMENT)),
        &["server.port", "70000"],
    );
}

#[test]
fn a_host_beyond_loopback_is_refused_and_the_line_says_why() {
    for host in [
        "0.0.0.0",
        "192.168.1.10",
        "::",
        "example.com",
        "127.0.0.1:80",
    ] {
        let overrides = Overrides {
            host: Some(host.into()),
            ..Overrides::default()
        };
        let line = refusal(Settings::load(&overrides, NO_ENVIRONMENT));
        assert_names(
            &line,
            &["server.host", host, "flag --host", "no authentication yet"],
        );
    }
}

#[test]
fn an_unknown_key_in_the_file_is_refused_with_the_names_there_are() {
    for (name, text, words) in [
        (
            "key",
            "[server]\nprot = 1",
            ["`server.prot`", "server.port, server.data_dir"],
        ),
        (
            "section",
            "[kafak]\nbrokers = \"x\"",
            ["`kafak.brokers`", "the sections server, services, gateway"],
        ),
        (
            "empty-section",
            "[sever]",
            ["`sever`", "the sections server, services, gateway"],
        ),
        (
            "top",
            "port = 1",
            ["`port`", "the sections server, services, gateway"],
        ),
        (
            "quoted",
            "\"server.port\" = 1",
            ["`server.port`", "allowed: "],
        ),
        (
            "case",
            "[server]\nPort = 1",
            ["`server.Port`", "server.port"],
        ),
    ] {
        let file = Toml::new(name, text);
        let line = refusal(Settings::load(&file.overrides(), NO_ENVIRONMENT));
        assert_names(&line, &["unknown setting", &file.0.display().to_string()]);
        assert_names(&line, &words);
    }
}

#[test]
fn an_unknown_variable_of_ours_is_refused_and_others_are_left_alone() {
    for name in [
        "FLORIN__SERVER__PROT",
        "FLORIN__KAFAK__BROKERS",
        "FLORIN__",
        "FLORIN__PORT",
    ] {
        let line = refusal(Settings::load(&Overrides::default(), [(name, "1")]));
        assert_names(
            &line,
            &["unknown setting", &format!("environment variable {name})")],
        );
    }
    let others = [("FLORIN_HOME", "x"), ("PORTAL", "x"), ("PATH", "x")];
    assert!(Settings::load(&Overrides::default(), others).is_ok());
}

#[test]
fn an_empty_variable_counts_as_not_given() {
    let names = ["PORT", "KAFKA_BROKERS", "KAFKA_TOPIC", "KAFKA_GROUP_ID"];
    let ours = [
        "FLORIN__SERVER__PORT",
        "FLORIN__LOG__FORMAT",
        "FLORIN__SERVER__DATA_DIR",
    ];
    for name in names.into_iter().chain(ours) {
        let settings = Settings::load(&Overrides::default(), [(name, "")]).unwrap();
        assert_eq!(
            settings,
            Settings::load(&Overrides::default(), NO_ENVIRONMENT).unwrap()
        );
    }
    let both = [("PORT", "9000"), ("FLORIN__SERVER__PORT", "")];
    let settings = Settings::load(&Overrides::default(), both).unwrap();
    assert_eq!(settings.server.port, 9000);
    let line = refusal(Settings::load(
        &Overrides::default(),
        [("FLORIN__SERVER__PROT", "")],
    ));
    assert_names(&line, &["unknown setting", "FLORIN__SERVER__PROT"]);
}

#[test]
fn brokers_that_are_no_addresses_are_told_with_the_setting_and_its_source() {
    for brokers in [
        "kafka:9092",
        "kafka-1.example.com:1,kafka_2:65535",
        "127.0.0.1:9092,[::1]:9092",
    ] {
        let settings = Settings::load(&Overrides::default(), [("KAFKA_BROKERS", brokers)]);
        assert_eq!(settings.unwrap().kafka.brokers, brokers);
    }
    for brokers in [
        "kafka:9092,",
        ",kafka:9092",
        "a:1,,b:2",
        "a:1, b:2",
        " kafka:9092",
        "kafka:9092 ",
        "kafka",
        "kafka:",
        ":9092",
        "kafka:0",
        "kafka:65536",
        "kafka:-1",
        "tcp://kafka:9092",
        "PLAINTEXT://kafka:9092",
        "::1:9092",
        "[::1:9092",
        "kafka:9092/",
        ",",
        " ",
    ] {
        let line = refusal(Settings::load(
            &Overrides::default(),
            [("KAFKA_BROKERS", brokers)],
        ));
        assert_names(
            &line,
            &[
                "kafka.brokers",
                "environment variable KAFKA_BROKERS",
                "host:port",
            ],
        );
        let overrides = Overrides {
            kafka_brokers: Some(brokers.into()),
            ..Overrides::default()
        };
        let line = refusal(Settings::load(&overrides, NO_ENVIRONMENT));
        assert_names(&line, &["kafka.brokers", "flag --kafka-brokers"]);
    }
}

#[test]
fn a_variable_whose_name_is_almost_a_settings_is_warned_about() {
    for (name, meant) in [
        ("FLORIN_SERVER_PORT", "FLORIN__SERVER__PORT"),
        ("FLORIN_SERVER__PORT", "FLORIN__SERVER__PORT"),
        ("FLORIN__server__port", ""),
        ("florin__server__port", "FLORIN__SERVER__PORT"),
        ("FLORIN_KAFKA_BROKERS", "FLORIN__KAFKA__BROKERS"),
        ("FLORIN_KAFKA_BROKER", "FLORIN__KAFKA__BROKERS"),
        ("FLORIN.SERVER.PORT", "FLORIN__SERVER__PORT"),
        ("FLORIN_PORT", "FLORIN__SERVER__PORT"),
        ("FLORIN_DATA_DIR", "FLORIN__SERVER__DATA_DIR"),
        ("FLORIN_LOG_LEVL", "FLORIN__LOG__LEVEL"),
        ("KAFKA_BROKER", "KAFKA_BROKERS"),
        ("FLORIN_HOME", ""),
        ("FLORIN_SERVICE_HOST", ""),
        ("FLORIN_PORT_8080_TCP", ""),
        ("KAFKA_HEAP_OPTS", ""),
        ("KAFKA_HOME", ""),
        ("SUPPORT", ""),
        ("PATH", ""),
    ] {
        let settings = Settings::load(&Overrides::default(), [(name, "9000")]);
        // Loading succeeds, whether the variable is a setting or not.
        let Ok(settings) = settings else {
            panic!("{name}: {settings:?}");
        };
        match meant {
            "" => assert!(settings.warnings().is_empty(), "{:?}", settings.warnings()),
            meant => {
                let [warning] = settings.warnings() else {
                    panic!("{name}: {:?}", settings.warnings());
                };
                assert_names(warning, &[name, meant]);
            }
        }
    }
}

#[test]
fn a_file_that_is_not_toml_or_not_there_is_one_line() {
    let file = Toml::new("syntax", "[server]\nport = = 1\n");
    let line = refusal(Settings::load(&file.overrides(), NO_ENVIRONMENT));
    assert_names(
        &line,
        &["syntax.toml", "not valid TOML", "line 2, column 8"],
    );

    let file = Toml::new("twice", "[server]\nport = 1\nport = 2\n");
    let line = refusal(Settings::load(&file.overrides(), NO_ENVIRONMENT));
    assert_names(&line, &["twice.toml", "not valid TOML", "duplicate key"]);

    let missing = Overrides {
        config_file: Some("no/such.toml".into()),
        ..Overrides::default()
    };
    let line = refusal(Settings::load(&missing, NO_ENVIRONMENT));
    assert_names(&line, &["no/such.toml", "can't be read", "No such file"]);
}

#[test]
fn two_settings_that_do_not_fit_each_other_are_refused() {
    let line = refusal(Settings::load(
        &Overrides::default(),
        [
            ("FLORIN__GATEWAY__PAGE_MAX", "10"),
            ("FLORIN__GATEWAY__PAGE_DEFAULT", "20"),
        ],
    ));
    assert_names(
        &line,
        &[
            "gateway.page_default",
            "20",
            "PAGE_DEFAULT",
            "at most gateway.page_max, which is 10",
        ],
    );
}

#[test]
fn what_only_its_user_can_refuse_is_one_line_of_the_same_form() {
    let environment = [("FLORIN__LEDGER__DEFAULT_CURRENCY", "ZZZ")];
    let settings = Settings::load(&Overrides::default(), environment).unwrap();
    let error = settings.refuse("ledger.default_currency", "ZZZ", "a currency of ISO 4217");
    assert_names(
        &refusal(Err(error)),
        &[
            "ledger.default_currency",
            "ZZZ",
            "DEFAULT_CURRENCY",
            "a currency of ISO 4217",
        ],
    );
}

#[test]
fn the_effective_settings_are_a_file_that_gives_the_same_settings() {
    let overrides = Overrides {
        data_dir: Some("a\"\\ \u{7f}é".into()),
        ..Overrides::default()
    };
    let environment = [("PORT", "9000"), ("FLORIN__GATEWAY__LANES", "3")];
    let first = Settings::load(&overrides, environment).unwrap();
    let text = first.effective();
    assert!(
        text.contains("port = 9000 # environment variable PORT\n"),
        "{text}"
    );

    let file = Toml::new("effective", &text);
    let second = Settings::load(&file.overrides(), NO_ENVIRONMENT).unwrap();
    assert_eq!(second.server, first.server);
    assert_eq!(second.gateway, first.gateway);
}

#[cfg(unix)]
#[test]
fn text_that_is_not_unicode_is_no_panic() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;
    let odd = || OsString::from_vec(vec![b'x', 0xff]);
    let port = OsString::from("PORT");
    assert_names(
        &refusal(Settings::load(&Overrides::default(), [(port, odd())])),
        &["server.port", "PORT"],
    );
    assert!(Settings::load(&Overrides::default(), [(odd(), odd())]).is_ok());
    let overrides = Overrides {
        data_dir: Some(odd().into()),
        ..Overrides::default()
    };
    assert_names(
        &refusal(Settings::load(&overrides, NO_ENVIRONMENT)),
        &["server.data_dir", "flag --data-dir", "UTF-8"],
    );
}
