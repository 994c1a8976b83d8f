//! The topics to which each event type is bound: the defaults of the event type table, or those of
//! the settings.

use std::collections::BTreeMap;

use crate::events::EventType;

/// The topics of every event type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bindings {
    topics: BTreeMap<EventType, Vec<String>>,
}

/// The reason why a text of bindings is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindingsError {
    /// An entry has no `=`.
    #[error("`{0}` is not of the form `type = topic`")]
    Form(String),
    /// An entry names an unknown event type.
    #[error("there is no event type `{0}`")]
    Type(String),
    /// An event type is named twice.
    #[error("the event type `{0}` is bound twice")]
    Twice(String),
    /// A topic name is not valid in Kafka.
    #[error(
        "`{0}` is not a topic name: 1 to 249 of a-z, A-Z, 0-9, `.`, `_` and `-`, not `.` or `..`"
    )]
    Topic(String),
}

impl Default for Bindings {
    fn default() -> Self {
        let all = EventType::ALL.iter();
        let topics = all.map(|event_type| {
            let topics = event_type.default_topics().iter();
            (
                *event_type,
                topics.map(|topic| (*topic).to_owned()).collect(),
            )
        });
        Self {
            topics: topics.collect(),
        }
    }
}

impl Bindings {
    /// Parses bindings of the form `type = topic topic; type = topic`. Types that `text` doesn't
    /// name keep their default topics. Events of a type that is bound to nothing (`type =`) are not
    /// published.
    ///
    /// # Errors
    /// Returns the fault of the first invalid entry.
    pub fn parse(text: &str) -> Result<Self, BindingsError> {
        let mut bindings = Self::default();
        let mut bound = Vec::new();
        let entries = text.split(';').map(str::trim);
        for entry in entries.filter(|entry| !entry.is_empty()) {
            let (name, topics) = entry
                .split_once('=')
                .ok_or_else(|| BindingsError::Form(entry.to_owned()))?;
            let name = name.trim();
            let event_type: EventType = name
                .parse()
                .map_err(|_| BindingsError::Type(name.to_owned()))?;
            if bound.contains(&event_type) {
                return Err(BindingsError::Twice(name.to_owned()));
            }
            bound.push(event_type);
            let topics = topics
                .split([' ', ',', '\t'])
                .filter(|topic| !topic.is_empty());
            let topics: Result<Vec<String>, BindingsError> = topics.map(topic).collect();
            bindings.topics.insert(event_type, topics?);
        }
        Ok(bindings)
    }

    /// Returns the topics to which events of a type are published; may be empty.
    pub fn topics(&self, event_type: EventType) -> &[String] {
        self.topics.get(&event_type).map_or(&[], Vec::as_slice)
    }

    /// Replaces the topic `from` by `to` in all bindings.
    ///
    /// # Errors
    /// Returns an error if `to` is not a valid topic name.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), BindingsError> {
        let to = topic(to)?;
        for topics in self.topics.values_mut() {
            for bound in topics.iter_mut().filter(|bound| *bound == from) {
                bound.clone_from(&to);
            }
        }
        Ok(())
    }

    /// Returns every topic to which some event type is bound, sorted and without duplicates.
    pub fn all_topics(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.topics.values().flatten().map(String::as_str).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

fn topic(name: &str) -> Result<String, BindingsError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let is_topic =
        (1..=249).contains(&name.len()) && name.bytes().all(fits) && !matches!(name, "." | "..");
    if is_topic {
        Ok(name.to_owned())
    } else {
        Err(BindingsError::Topic(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_bound_goes_where_the_table_says() {
        let bindings = Bindings::parse("wallet.created = a b; transaction.initiated=").unwrap();
        assert_eq!(bindings.topics(EventType::WalletCreated), ["a", "b"]);
        assert!(bindings.topics(EventType::TransactionInitiated).is_empty());
        assert_eq!(
            bindings.topics(EventType::AccountCreated),
            ["account-events"]
        );
        assert!(bindings.all_topics().contains(&"b"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let of = |text: &str| Bindings::parse(text).unwrap_err();
        assert_eq!(
            of("wallet.created"),
            BindingsError::Form("wallet.created".into())
        );
        assert_eq!(of("x = y"), BindingsError::Type("x".into()));
        let twice = "wallet.created = a; wallet.created = b";
        assert_eq!(of(twice), BindingsError::Twice("wallet.created".into()));
        assert_eq!(
            of("wallet.created = a/b"),
            BindingsError::Topic("a/b".into())
        );
    }

    #[test]
    fn a_topic_can_be_renamed() {
        let mut bindings = Bindings::default();
        bindings.rename("account-events", "other").unwrap();
        assert_eq!(bindings.topics(EventType::AccountCreated), ["other"]);
        assert_eq!(
            bindings.rename("other", ".."),
            Err(BindingsError::Topic("..".into()))
        );
    }
}
