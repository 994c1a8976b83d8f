//! Proof that a consumer with its own positions reads on without a gap. It keeps a fingerprint of
//! the last message it read from each partition, and compares it with the log before it resumes.

use std::collections::BTreeMap;

use super::message::Message;

/// The log name of an embedded bus. Its log is the process's own journal, which keeps every event
/// for ever.
pub(crate) const JOURNAL: &str = "journal";

/// The header of a replayed message that contains the id of the replay.
pub(crate) const REPLAY: &str = "x-florin-replay";
/// The header that contains the number of the message among all messages of the replay to this
/// topic, for example `17/1200`.
pub(crate) const REPLAY_PART: &str = "x-florin-replay-part";
/// The header that says whether the replay contains every event of the topic: `true` or `false`.
pub(crate) const REPLAY_WHOLE: &str = "x-florin-replay-whole";

/// The fingerprint of a message, which distinguishes it from any other message at the same offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Print {
    /// The message's offset.
    pub offset: i64,
    /// The time at which the message was written, in milliseconds since 1970, if known.
    pub timestamp_millis: Option<i64>,
    /// A hash of the message's key and value.
    pub hash: [u8; 16],
}

impl Print {
    /// Returns the fingerprint of a message.
    pub fn of(message: &Message) -> Self {
        Self::new(
            message.offset,
            message.timestamp_millis,
            message.key.as_deref(),
            message.value.as_deref(),
        )
    }

    /// Returns the fingerprint of a message with the given key and value.
    pub fn new(
        offset: i64,
        timestamp_millis: Option<i64>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in [key, value] {
            let length = part.map_or(u64::MAX, |part| part.len() as u64);
            hasher.update(&length.to_le_bytes());
            hasher.update(part.unwrap_or_default());
        }
        let mut hash = [0; 16];
        hasher.finalize_xof().fill(&mut hash);
        Self {
            offset,
            timestamp_millis,
            hash,
        }
    }
}

/// The read position of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// The offset at which to resume.
    pub next: i64,
    /// The last message that was read; `None` before the first one.
    pub last: Option<Print>,
}

/// A consumer's knowledge of a topic's log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownLog {
    /// The name of the log: this process's journal, or a topic in a cluster. `None` if the topic
    /// was never read.
    pub log: Option<String>,
    /// The read position of each partition.
    pub partitions: BTreeMap<i32, Position>,
}

/// The present state of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The first offset.
    pub low: i64,
    /// The offset after the last message.
    pub high: i64,
    /// The message at the offset of the last read message; `None` if there is none at that offset.
    pub last: Option<Print>,
}

/// The decision where to resume a topic, and whether events are missing before that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begin {
    /// The position from which each partition is read.
    pub partitions: BTreeMap<i32, Position>,
    /// True if the positions belong to another log than the known ones, or to another incarnation
    /// of it.
    pub is_anew: bool,
    /// A phrase that says why events may be missing; `None` if reading resumes without a gap.
    pub gap: Option<String>,
}

/// Decides where to resume a topic, and whether that leaves a gap.
pub fn begin(topic: &str, known: &KnownLog, log: &str, seen: &BTreeMap<i32, Seen>) -> Begin {
    match known.log.as_deref() {
        // The journal is complete. A first-time reader of a topic misses nothing if the topic still
        // has its first messages.
        None => from_low(seen, cut_off(topic, seen)),
        Some(before) if before == log => go_on(topic, known, seen),
        Some(before) if before == JOURNAL || log == JOURNAL => from_low(seen, cut_off(topic, seen)),
        Some(before) => {
            let gap = format!("{topic} was read from {before} before, and is now read from {log}");
            from_low(seen, Some(gap))
        }
    }
}

fn from_low(seen: &BTreeMap<i32, Seen>, gap: Option<String>) -> Begin {
    let at_low = |(partition, seen): (&i32, &Seen)| {
        let next = seen.low;
        (*partition, Position { next, last: None })
    };
    Begin {
        partitions: seen.iter().map(at_low).collect(),
        is_anew: true,
        gap,
    }
}

/// Describes the gap if a partition that was never read doesn't begin at offset 0.
fn cut_off<'s>(topic: &str, seen: impl IntoIterator<Item = (&'s i32, &'s Seen)>) -> Option<String> {
    let mut cut = seen.into_iter().filter(|(_, seen)| seen.low > 0);
    let (partition, seen) = cut.next()?;
    let low = seen.low;
    Some(format!(
        "{topic}:{partition} begins at offset {low}: the earlier messages were removed before they were read"
    ))
}

fn go_on(topic: &str, known: &KnownLog, seen: &BTreeMap<i32, Seen>) -> Begin {
    if let Some(reason) = other_life(topic, known, seen) {
        return from_low(seen, Some(reason));
    }
    let (mut partitions, mut gap) = (BTreeMap::new(), None);
    for (partition, seen) in seen {
        let low = seen.low;
        let position = match known.partitions.get(partition) {
            // New partitions may contain keys that were on other partitions before, so they are
            // read from their beginning.
            None => {
                gap = gap.or_else(|| cut_off(topic, [(partition, seen)]));
                Position {
                    next: low,
                    last: None,
                }
            }
            // The end marker of a transaction takes an offset, but is not a message. A first offset
            // one past the position is therefore no gap.
            Some(known) if low <= known.next + 1 => Position {
                next: known.next.max(low),
                ..*known
            },
            Some(known) => {
                let (first, last) = (known.next, low - 1);
                gap = gap.or_else(|| {
                    Some(format!(
                        "offsets {first} to {last} of {topic}:{partition} were removed before they were read"
                    ))
                });
                Position {
                    next: low,
                    last: None,
                }
            }
        };
        partitions.insert(*partition, position);
    }
    Begin {
        partitions,
        is_anew: false,
        gap,
    }
}

/// Returns the reason why the topic is not the incarnation that was read; `None` if it is.
fn other_life(topic: &str, known: &KnownLog, seen: &BTreeMap<i32, Seen>) -> Option<String> {
    known.partitions.iter().find_map(|(partition, known)| {
        let next = known.next;
        let made_anew =
            |what: String| format!("{topic} was recreated: partition {partition} {what}");
        let Some(seen) = seen.get(partition) else {
            return Some(made_anew("is missing".to_owned()));
        };
        if seen.high < next {
            let high = seen.high;
            return Some(made_anew(format!(
                "ends at offset {high}, but was read up to {next}"
            )));
        }
        let last = known.last.filter(|last| last.offset >= seen.low)?;
        (seen.last != Some(last)).then(|| {
            let offset = last.offset;
            made_anew(format!(
                "holds another message at offset {offset} than the one that was read there"
            ))
        })
    })
}

/// A consumer's own positions, stored together with the results of the messages.
pub trait Continuity: Send + Sync {
    /// Returns what is known of a topic's log.
    fn known(&self, topic: &str) -> KnownLog;

    /// Stores the positions at which a topic is resumed. A gap is stored until it is closed.
    ///
    /// # Errors
    /// Returns an error if the disk fails.
    fn begin(&self, topic: &str, log: &str, begin: &Begin) -> Result<(), String>;
}

/// The replay part that a message carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayPart {
    /// The id of the replay.
    pub replay: String,
    /// The number of the message among the replay's messages to this topic, from 1.
    pub number: u64,
    /// The total number of the replay's messages to this topic.
    pub total: u64,
}

impl ReplayPart {
    /// Returns the replay part that a message carries, if its replay contains every event of the
    /// topic.
    pub fn of_whole(message: &Message) -> Option<Self> {
        let replay = message.header(REPLAY)?;
        if message.header(REPLAY_WHOLE) != Some("true") {
            return None;
        }
        let (number, total) = message.header(REPLAY_PART)?.split_once('/')?;
        Some(Self {
            replay: replay.to_owned(),
            number: number.parse().ok()?,
            total: total.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: &str = "the cluster a";

    fn print(offset: i64) -> Print {
        Print::new(offset, Some(7), Some(b"key"), Some(b"value"))
    }

    /// Returns the position after the message at offset `last`.
    fn read_to(last: i64) -> Position {
        Position {
            next: last + 1,
            last: Some(print(last)),
        }
    }

    fn known(partitions: &[Position]) -> KnownLog {
        KnownLog {
            log: Some(CLUSTER.to_owned()),
            partitions: (0..).zip(partitions.iter().copied()).collect(),
        }
    }

    fn seen(low: i64, high: i64, last: Option<i64>) -> Seen {
        let last = last.map(print);
        Seen { low, high, last }
    }

    fn begun(known: &KnownLog, log: &str, partitions: &[Seen]) -> Begin {
        let seen = (0..).zip(partitions.iter().copied()).collect();
        begin("t", known, log, &seen)
    }

    fn nexts(begin: &Begin) -> Vec<i64> {
        begin.partitions.values().map(|one| one.next).collect()
    }

    #[test]
    fn reading_goes_on_where_the_last_message_is_the_one_that_was_read() {
        let begin = begun(
            &known(&[read_to(4), read_to(9)]),
            CLUSTER,
            &[seen(0, 8, Some(4)), seen(3, 11, Some(9))],
        );
        assert_eq!((nexts(&begin), begin.gap), (vec![5, 10], None));
        assert_eq!(begin.partitions[&1].last, Some(print(9)));
    }

    #[test]
    fn a_topic_made_anew_leaves_a_gap_and_is_read_from_its_beginning() {
        let known = known(&[read_to(4)]);
        for now in [
            // The topic is shorter than what was read, is empty, or has a different message or none
            // at the last read offset.
            seen(0, 3, None),
            seen(0, 0, None),
            Seen {
                last: Some(Print::new(4, Some(8), Some(b"key"), Some(b"value"))),
                ..seen(0, 9, None)
            },
            seen(0, 9, None),
        ] {
            let begin = begun(&known, CLUSTER, &[now]);
            assert_eq!(nexts(&begin), [0]);
            assert!(begin.is_anew);
            assert!(begin.gap.unwrap().contains("recreated"));
        }
        assert!(begun(&known, CLUSTER, &[]).gap.is_some());
        let elsewhere = begun(&known, "the cluster b", &[seen(0, 9, Some(4))]);
        assert!(elsewhere.gap.unwrap().contains("the cluster b"));
    }

    #[test]
    fn messages_that_were_removed_before_they_were_read_are_a_gap() {
        let known = known(&[read_to(4)]);
        let begin = begun(&known, CLUSTER, &[seen(8, 9, None)]);
        assert_eq!(nexts(&begin), [8]);
        assert!(begin.gap.unwrap().contains("offsets 5 to 7"));
        // All messages that were read are gone, and at most the end marker of the last transaction
        // with them.
        for low in [5, 6] {
            let begin = begun(&known, CLUSTER, &[seen(low, 9, None)]);
            assert_eq!((nexts(&begin), begin.gap), (vec![low], None));
        }
    }

    #[test]
    fn a_new_partition_is_read_from_its_beginning() {
        let known = known(&[read_to(4)]);
        let begin = begun(&known, CLUSTER, &[seen(0, 9, Some(4)), seen(0, 3, None)]);
        assert_eq!((nexts(&begin), begin.gap), (vec![5, 0], None));
        let begin = begun(&known, CLUSTER, &[seen(0, 9, Some(4)), seen(2, 3, None)]);
        assert_eq!(nexts(&begin), [5, 2]);
        assert!(begin.gap.is_some());
    }

    #[test]
    fn who_reads_for_the_first_time_misses_what_the_topic_has_no_more() {
        let fresh = KnownLog::default();
        let begin = begun(&fresh, CLUSTER, &[seen(0, 9, None)]);
        assert_eq!((nexts(&begin), begin.gap), (vec![0], None));
        let begin = begun(&fresh, CLUSTER, &[seen(0, 9, None), seen(3, 9, None)]);
        assert_eq!(nexts(&begin), [0, 3]);
        assert!(begin.gap.is_some());
    }

    #[test]
    fn offsets_of_the_journal_and_of_a_cluster_are_never_mixed() {
        let of_journal = KnownLog {
            log: Some(JOURNAL.to_owned()),
            ..known(&[read_to(70_000)])
        };
        let begin = begun(&of_journal, CLUSTER, &[seen(0, 9, None)]);
        assert_eq!((nexts(&begin), begin.gap), (vec![0], None));
        let begin = begun(&known(&[read_to(4)]), JOURNAL, &[seen(0, i64::MAX, None)]);
        assert_eq!((nexts(&begin), begin.gap), (vec![0], None));
        assert!(begin.is_anew);
    }
}
