//! From the settings to the bridge to Kafka.

use std::time::Duration;

use florin_actors::bus::Bindings;
use florin_actors::kafka::{KafkaOptions, Retries};
use florin_config::{ConfigError, SaslMechanism, Security, Settings, Switch};

/// Whether events travel over Kafka.
pub fn is_on(settings: &Settings) -> bool {
    !settings.kafka.brokers.trim().is_empty()
}

/// What the bridge starts with. `journal_id` names the identity where the settings don't.
///
/// # Errors
/// A setting that only Florin's tables can judge.
pub fn options(settings: &Settings, journal_id: &str) -> Result<KafkaOptions, ConfigError> {
    let kafka = &settings.kafka;
    let transactional_id = match kafka.transactional_id.as_str() {
        "" => format!("florin-{journal_id}"),
        given => given.to_owned(),
    };
    Ok(KafkaOptions {
        brokers: kafka.brokers.clone(),
        security: security(settings)?,
        bindings: bindings(settings)?,
        partitions: kafka.partitions,
        replication: kafka.replication,
        retention: Duration::from_secs(kafka.retention_hours.unsigned_abs() * 3_600),
        compression: kafka.compression.as_str(),
        transactional_id,
        transaction_events_max: kafka.transaction_events_max,
        transaction_timeout: Duration::from_millis(kafka.transaction_timeout_ms as u64),
        session_timeout: Duration::from_millis(kafka.session_timeout_ms as u64),
    })
}

/// When what failed is tried again.
pub fn retries(settings: &Settings) -> Retries {
    let kafka = &settings.kafka;
    let pause_min = Duration::from_millis(kafka.retry_ms_min);
    Retries {
        attempts_max: kafka.attempts_max,
        pause_min,
        pause_max: Duration::from_millis(kafka.retry_ms_max).max(pause_min),
    }
}

/// A service's consumer group: its own, or the settings'.
pub fn group(settings: &Settings, own: &str) -> String {
    match settings.kafka.group_id.as_str() {
        "" => own.to_owned(),
        given => given.to_owned(),
    }
}

/// Whether commands are taken from topics; where they aren't, it is said why.
pub fn takes_commands(settings: &Settings) -> bool {
    let kafka = &settings.kafka;
    let takes = match kafka.commands {
        Switch::On => true,
        Switch::Off => return false,
        Switch::Auto => {
            let proves = matches!(kafka.security, Security::SaslPlaintext | Security::SaslSsl)
                || kafka.security == Security::Ssl && !kafka.tls_certificate_file.is_empty();
            proves || kafka.brokers.split(',').all(is_loopback)
        }
    };
    if !takes {
        tracing::warn!(
            brokers = kafka.brokers,
            setting = "kafka.commands",
            "no commands are taken from topics: the brokers are not on loopback, and the connection \
             is secured neither by SASL nor by a client's certificate; kafka.commands = \"on\" takes \
             them all the same"
        );
    }
    takes
}

/// Whether a broker's address is on this machine alone.
fn is_loopback(broker: &str) -> bool {
    let broker = broker.trim();
    let host = broker.rsplit_once(':').map_or(broker, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<std::net::IpAddr>();
    address.map_or(host.eq_ignore_ascii_case("localhost"), |address| {
        address.is_loopback()
    })
}

/// Which topics each type of event goes to.
///
/// # Errors
/// An unknown type, or a name that is no topic.
pub fn bindings(settings: &Settings) -> Result<Bindings, ConfigError> {
    let kafka = &settings.kafka;
    let mut bindings = Bindings::parse(&kafka.bindings)
        .map_err(|error| settings.refuse("kafka.bindings", &kafka.bindings, &error.to_string()))?;
    bindings
        .rename("account-events", &kafka.account_topic)
        .map_err(|error| {
            settings.refuse(
                "kafka.account_topic",
                &kafka.account_topic,
                &error.to_string(),
            )
        })?;
    Ok(bindings)
}

/// What secures the connection, by librdkafka's names.
fn security(settings: &Settings) -> Result<Vec<(&'static str, String)>, ConfigError> {
    let kafka = &settings.kafka;
    let by_tls = matches!(kafka.security, Security::Ssl | Security::SaslSsl);
    let by_sasl = matches!(kafka.security, Security::SaslPlaintext | Security::SaslSsl);
    if !cfg!(feature = "tls") {
        let lacks = "what an executable built without `--features tls` can do";
        if by_tls {
            return Err(settings.refuse("kafka.security", kafka.security.as_str(), lacks));
        }
        if by_sasl && kafka.sasl_mechanism != SaslMechanism::Plain {
            let mechanism = kafka.sasl_mechanism.as_str();
            return Err(settings.refuse("kafka.sasl_mechanism", mechanism, lacks));
        }
    }
    let mut all = vec![("security.protocol", kafka.security.as_str().to_owned())];
    if by_sasl {
        for (name, value) in [
            ("kafka.sasl_username", kafka.sasl_username.as_str()),
            ("kafka.sasl_password", kafka.sasl_password.reveal()),
        ] {
            if value.is_empty() {
                let allowed = format!("a text, as kafka.security is {}", kafka.security.as_str());
                return Err(settings.refuse(name, "", &allowed));
            }
        }
        all.push(("sasl.mechanism", kafka.sasl_mechanism.as_str().to_owned()));
        all.push(("sasl.username", kafka.sasl_username.clone()));
        all.push(("sasl.password", kafka.sasl_password.reveal().to_owned()));
    }
    if by_tls {
        for (name, value) in [
            ("ssl.ca.location", kafka.tls_ca_file.as_str()),
            ("ssl.certificate.location", &kafka.tls_certificate_file),
            ("ssl.key.location", &kafka.tls_key_file),
            ("ssl.key.password", kafka.tls_key_password.reveal()),
        ] {
            if !value.is_empty() {
                all.push((name, value.to_owned()));
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_are_loopback() {
        for broker in [
            "127.0.0.1:9092",
            " localhost:9092",
            "[::1]:9092",
            "127.9.9.9",
        ] {
            assert!(is_loopback(broker), "{broker}");
        }
        for broker in [
            "10.0.0.1:9092",
            "kafka:9092",
            "localhost.example.com:1",
            "0.0.0.0:1",
            "",
        ] {
            assert!(!is_loopback(broker), "{broker}");
        }
    }
}
