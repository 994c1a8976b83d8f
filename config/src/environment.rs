//! The names of environment variables that are settings.

/// The prefix of a variable that is a setting: `FLORIN__SECTION__KEY`.
pub(crate) const ENV_PREFIX: &str = "FLORIN__";

/// Variables with the names that platforms and the documentation use. `FLORIN__SECTION__KEY` takes
/// precedence over them.
pub(crate) const ENV_ALIASES: &[(&str, &str, &str)] = &[
    ("PORT", "server", "port"),
    ("KAFKA_BROKERS", "kafka", "brokers"),
    ("KAFKA_TOPIC", "kafka", "account_topic"),
    ("KAFKA_GROUP_ID", "kafka", "group_id"),
];

/// Returns the name of the variable that sets a setting.
pub(crate) fn env_name(name: &str) -> String {
    format!(
        "{ENV_PREFIX}{}",
        name.replace('.', "__").to_ascii_uppercase()
    )
}
