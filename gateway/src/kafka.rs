//! From the settings to the bridge to Kafka.

use std::time::Duration;

use florin_actors::bus::Bindings;
use florin_actors::kafka::KafkaOptions;
use florin_config::{ConfigError, SaslMechanism, Security, Settings};

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
