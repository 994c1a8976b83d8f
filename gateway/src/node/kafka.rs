//! Converts the settings to the options of the bridge to Kafka.

use std::collections::BTreeMap;
use std::time::Duration;

use florin_actors::bus::{Bindings, DeliveryPolicy};
use florin_actors::kafka::{KafkaOptions, StartFrom};
use florin_config::{
    ConfigError, CursorLost, KafkaStart, SaslMechanism, Security, Settings, Switch,
};

/// Returns whether events go over Kafka.
pub fn is_on(settings: &Settings) -> bool {
    !settings.kafka.brokers.trim().is_empty()
}

/// Returns the options of the bridge. If the settings give no transactional id, the id is made from
/// `journal_id`.
///
/// # Errors
/// Returns an error if a setting is not valid for the bridge, such as a binding to an unknown type
/// of event.
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
        continues_from_mark: kafka.cursor_lost == CursorLost::Continue,
        transaction_events_max: kafka.transaction_events_max,
        transaction_timeout: Duration::from_millis(kafka.transaction_timeout_ms as u64),
        session_timeout: Duration::from_millis(kafka.session_timeout_ms as u64),
        start_from: match kafka.start_from {
            KafkaStart::Own => StartFrom::Own,
            KafkaStart::Group => StartFrom::Group,
            KafkaStart::Earliest => StartFrom::Earliest,
        },
        topic_partitions: topic_partitions(settings)?,
    })
}

/// Parses the numbers of partitions of single topics: `topic = number; topic = number`.
fn topic_partitions(settings: &Settings) -> Result<BTreeMap<String, i32>, ConfigError> {
    let given = settings.kafka.topic_partitions.as_str();
    let pairs = given
        .split(';')
        .map(str::trim)
        .filter(|pair| !pair.is_empty());
    let parsed = pairs.map(|pair| {
        let (topic, number) = pair.split_once('=')?;
        let number = number.trim().parse::<i32>().ok();
        let number = number.filter(|number| (1..=10_000).contains(number))?;
        let topic = topic.trim();
        (!topic.is_empty()).then(|| (topic.to_owned(), number))
    });
    parsed.collect::<Option<_>>().ok_or_else(|| {
        let allowed = "`topic = number; topic = number` with numbers from 1 to 10000";
        settings.refuse("kafka.topic_partitions", given, allowed)
    })
}

/// Returns the policy for messages that can't be handled, with Kafka and without.
pub fn delivery_policy(settings: &Settings) -> DeliveryPolicy {
    let kafka = &settings.kafka;
    let backoff_min = Duration::from_millis(kafka.retry_ms_min);
    DeliveryPolicy {
        attempts_max: kafka.attempts_max,
        backoff_min,
        backoff_max: Duration::from_millis(kafka.retry_ms_max).max(backoff_min),
        redrives_max: kafka.redrives_max,
    }
}

/// Returns whether commands are taken from topics. If they are not because of the brokers, the
/// reason is logged.
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
            "commands are not read from topics: the brokers are not on loopback, and the \
             connection is secured neither by SASL nor by a client certificate; kafka.commands = \
             \"on\" reads them anyway"
        );
    }
    takes
}

/// Returns whether a broker's address is a loopback address.
fn is_loopback(broker: &str) -> bool {
    let broker = broker.trim();
    let host = broker.rsplit_once(':').map_or(broker, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<std::net::IpAddr>();
    address.map_or(host.eq_ignore_ascii_case("localhost"), |address| {
        address.is_loopback()
    })
}

/// Returns the bindings, which say to which topics each type of event goes.
///
/// # Errors
/// Returns an error if a binding names an unknown type, or if a topic's name is not valid.
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

/// Returns the settings that secure the connection, under the names of librdkafka.
fn security(settings: &Settings) -> Result<Vec<(&'static str, String)>, ConfigError> {
    let kafka = &settings.kafka;
    let by_tls = matches!(kafka.security, Security::Ssl | Security::SaslSsl);
    let by_sasl = matches!(kafka.security, Security::SaslPlaintext | Security::SaslSsl);
    if !cfg!(feature = "tls") {
        let lacks = "values that an executable built without `--features tls` supports";
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
                let allowed = format!(
                    "a text that is not empty, because kafka.security is {}",
                    kafka.security.as_str()
                );
                return Err(settings.refuse(name, "", &allowed));
            }
        }
        all.push(("sasl.mechanism", kafka.sasl_mechanism.as_str().to_owned()));
        all.push(("sasl.username", kafka.sasl_username.clone()));
        all.push(("sasl.password", kafka.sasl_password.reveal().to_owned()));
    }
    if by_tls {
        // OpenSSL is built into the executable and does not know the system's folder of
        // certificates. With `probe`, librdkafka looks for it.
        let ca = match kafka.tls_ca_file.as_str() {
            "" => "probe",
            file => file,
        };
        for (name, value) in [
            ("ssl.ca.location", ca),
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
