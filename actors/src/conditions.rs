//! Conditions: everything that is wrong with this node and that an operator should know.
//!
//! A component raises a condition when it detects a problem and clears it when the problem is over.
//! `/health` lists the conditions as its reasons, `/health/ready` fails while a condition that
//! stops commands lasts, and the metric `florin_conditions` counts the conditions by code.

use std::fmt;

use dashmap::DashMap;

macro_rules! condition_codes {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal, $stops:literal;)*) => {
        /// The kind of a condition. Codes are stable: alerts and runbooks refer to them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ConditionCode {
            $($(#[doc = $doc])* $variant,)*
        }

        impl ConditionCode {
            /// All codes, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the code's external name, for example `journal_damaged`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Returns whether the node refuses all commands while the condition lasts.
            /// `/health/ready` answers 503 then.
            pub const fn stops_commands(self) -> bool {
                match self {
                    $(Self::$variant => $stops,)*
                }
            }
        }
    };
}

condition_codes! {
    /// A thread that the node needs ended because of a fault. If it is restarted, the condition
    /// lasts until the thread works again.
    ThreadEnded = "thread_ended", false;
    /// Some bytes of the journal differ from what was written.
    JournalDamaged = "journal_damaged", false;
    /// A read model can't prove that it has read its topic without a gap.
    ReadModelIncomplete = "read_model_incomplete", false;
    /// A file of a read model, of the bus or of the publisher can't be written. Writing is retried.
    FileNotWritable = "file_not_writable", false;
    /// Messages of a command topic were removed, or may have been removed, before they were read.
    MessagesLost = "messages_lost", false;
    /// The offset at which to resume a command partition can't be determined. The partition is not
    /// read.
    PositionUnknown = "position_unknown", false;
    /// Messages that are not valid requests can't be written to their dead-letter topic. Their
    /// partitions are paused.
    DeadLetterNotWritten = "dead_letter_not_written", false;
    /// The node has refused commands for some seconds without finishing any.
    Overloaded = "overloaded", true;
    /// An event is larger than the maximum message size of its topic.
    EventTooLarge = "event_too_large", false;
}

/// A condition that currently lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The kind of the condition.
    pub code: ConditionCode,
    /// The subject of the condition: for example a thread's name, a file's name, a topic and
    /// partition, or an entity.
    pub subject: String,
    /// A sentence for the operator.
    pub detail: String,
}

/// The registry of a node's conditions. At most one condition lasts for each code and subject.
#[derive(Default)]
pub struct Conditions(DashMap<(ConditionCode, String), String>);

impl Conditions {
    /// Raises a condition, or replaces its detail. Returns true if it did not last before, so that
    /// the caller logs it once.
    pub fn raise(&self, code: ConditionCode, subject: &str, detail: impl Into<String>) -> bool {
        let key = (code, subject.to_owned());
        self.0.insert(key, detail.into()).is_none()
    }

    /// Clears a condition. Returns true if it lasted.
    pub fn clear(&self, code: ConditionCode, subject: &str) -> bool {
        self.0.remove(&(code, subject.to_owned())).is_some()
    }

    /// Records whether the last write of the file `name` succeeded: the condition
    /// [`ConditionCode::FileNotWritable`] lasts from the first failure to the next success. Both
    /// the failure and the success are logged once.
    pub fn note_file<T>(&self, name: &str, written: &Result<T, impl fmt::Display>) {
        let code = ConditionCode::FileNotWritable;
        match written {
            Ok(_) => {
                if self.clear(code, name) {
                    tracing::info!(file = name, "a file can be written again");
                }
            }
            Err(error) => {
                let detail = format!("{name} can't be written; the write is retried: {error}");
                if self.raise(code, name, detail) {
                    tracing::error!(file = name, %error, "a file can't be written; the write is retried");
                }
            }
        }
    }

    /// Returns the conditions that currently last, sorted by code and subject.
    pub fn lasting(&self) -> Vec<Condition> {
        let mut all: Vec<Condition> = self
            .0
            .iter()
            .map(|entry| Condition {
                code: entry.key().0,
                subject: entry.key().1.clone(),
                detail: entry.value().clone(),
            })
            .collect();
        all.sort_by(|a, b| (a.code, &a.subject).cmp(&(b.code, &b.subject)));
        all
    }
}

impl fmt::Debug for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lasting()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_lasts_from_its_raising_to_its_clearing() {
        let conditions = Conditions::default();
        assert!(conditions.raise(ConditionCode::ThreadEnded, "projector", "first"));
        assert!(!conditions.raise(ConditionCode::ThreadEnded, "projector", "second"));
        assert!(conditions.raise(ConditionCode::ThreadEnded, "eraser", "third"));
        let lasting = conditions.lasting();
        let details: Vec<_> = lasting.iter().map(|one| one.detail.as_str()).collect();
        assert_eq!(details, ["third", "second"]);
        assert!(conditions.clear(ConditionCode::ThreadEnded, "eraser"));
        assert!(!conditions.clear(ConditionCode::ThreadEnded, "eraser"));
        assert_eq!(conditions.lasting().len(), 1);
    }
}
