//! Brokers that require a password, TLS, or both.

use std::sync::OnceLock;

use florin_tests::broker::{Broker, Names};
use florin_tests::executable;
use florin_tests::server::Server;
use florin_tests::traffic::published_once;

use crate::support::bus_is;

fn secured() -> &'static Broker {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    BROKER.get_or_init(|| Broker::with(1, &["--sasl"]))
}

/// Returns the variables that make Florin use one of the broker's listeners.
fn variables(names: &Names, listener: &str, settings: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut variables = names.variables(secured());
    variables.retain(|(name, _)| name != "KAFKA_BROKERS");
    variables.push(("KAFKA_BROKERS".into(), secured().told(listener).into()));
    variables.extend(Server::variables(settings));
    variables
}

fn publishes(test: &str, listener: &str, settings: &[(&str, &str)]) {
    let names = Names::new(test);
    let mut server = Server::of(executable::florin(), variables(&names, listener, settings));
    server.account_of(5);
    published_once(&mut server, secured(), &names);
    let password = secured().told("KAFKA_SASL_PASSWORD");
    assert!(!server.log().contains(password), "{}", server.log());
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn events_are_published_with_a_password() {
    let broker = secured();
    let user = ("kafka.sasl_username", broker.told("KAFKA_SASL_USER"));
    let password = ("kafka.sasl_password", broker.told("KAFKA_SASL_PASSWORD"));
    let plain = ("kafka.sasl_mechanism", "PLAIN");
    let by_sasl = ("kafka.security", "sasl_plaintext");
    let settings = [by_sasl, plain, user, password];
    publishes("plain", "KAFKA_SASL_BROKERS", &settings);
}

#[test]
#[cfg(feature = "tls")]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn events_are_published_by_scram_and_by_tls() {
    let broker = secured();
    let user = ("kafka.sasl_username", broker.told("KAFKA_SASL_USER"));
    let password = ("kafka.sasl_password", broker.told("KAFKA_SASL_PASSWORD"));
    let ca = ("kafka.tls_ca_file", broker.told("KAFKA_CA"));
    let scram = ("kafka.sasl_mechanism", "SCRAM-SHA-256");
    let by_sasl = ("kafka.security", "sasl_plaintext");
    let settings = [by_sasl, scram, user, password];
    publishes("scram", "KAFKA_SASL_BROKERS", &settings);
    let by_both = ("kafka.security", "sasl_ssl");
    let settings = [by_both, scram, user, password, ca];
    publishes("scram-tls", "KAFKA_SASL_TLS_BROKERS", &settings);
    let settings = [("kafka.security", "ssl"), ca];
    publishes("tls", "KAFKA_TLS_BROKERS", &settings);
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_wrong_password_is_told_and_tried_again_while_florin_serves() {
    let broker = secured();
    let user = ("kafka.sasl_username", broker.told("KAFKA_SASL_USER"));
    let wrong = ("kafka.sasl_password", "not-the-password");
    let by_sasl = ("kafka.security", "sasl_plaintext");
    let mechanisms: &[&str] = if cfg!(feature = "tls") {
        &["PLAIN", "SCRAM-SHA-256"]
    } else {
        &["PLAIN"]
    };
    for mechanism in mechanisms {
        let mechanism = ("kafka.sasl_mechanism", *mechanism);
        let settings = [by_sasl, mechanism, user, wrong];
        let listener = "KAFKA_SASL_BROKERS";
        let names = Names::new("wrong");
        let mut server = Server::of(executable::florin(), variables(&names, listener, &settings));
        server.account_of(5);
        let health = bus_is(&server, "away");
        let reason = health["bus"]["reason"].as_str().unwrap().to_lowercase();
        assert!(reason.contains("authentication"), "{reason}");
        server.account_of(6);
        assert_eq!(server.stop().code(), Some(0), "{}", server.log());
        assert!(
            !server.log().contains("not-the-password"),
            "{}",
            server.log()
        );
    }
}

#[test]
#[cfg(feature = "tls")]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_broker_whose_certificate_nobody_vouches_for_is_told() {
    let names = Names::new("unvouched");
    let settings = [("kafka.security", "ssl")];
    let variables = variables(&names, "KAFKA_TLS_BROKERS", &settings);
    let server = Server::of(executable::florin(), variables);
    server.account();
    let health = bus_is(&server, "away");
    let reason = health["bus"]["reason"].as_str().unwrap().to_lowercase();
    assert!(
        reason.contains("ssl") && reason.contains("certificate"),
        "{reason}"
    );
}
