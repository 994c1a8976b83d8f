//! The positions up to which a read model has read its topics, and the gaps before them. The model
//! proves that it reads its topics without a gap (`docs/adr/0010`). A gap lasts until the model has
//! read a complete replay of the topic.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use florin_storage::{ViewError, ViewRead, ViewWrite, decode, encode};
use serde::Serialize;

use super::replay_count;
use crate::bus::{Begin, JOURNAL, KnownLog, Position, Print, ReplayPart};

/// The table with the read position of each partition.
const POSITIONS: &str = "places";
/// The table with the name of each topic's log.
const LOGS: &str = "logs";
/// The table with the reasons why events of a topic may be missing.
const GAPS: &str = "gaps";

/// A topic and one of its partitions.
pub(super) type Partition = (String, i32);

/// A row: its table, its key and its value.
type Row = (&'static str, Vec<u8>, Vec<u8>);

/// The durable positions of a read model.
#[derive(Debug)]
pub(super) struct Positions {
    partitions: DashMap<Partition, Position>,
    /// The log from which each topic was read.
    logs: DashMap<String, String>,
    /// The reason why events of a topic may be missing, by topic.
    gaps: DashMap<String, String>,
    /// The generation of the positions, incremented each time a topic's positions are reset.
    /// Messages that were read in an earlier generation don't move the new positions.
    generation: AtomicU64,
}

impl Positions {
    /// Reads the positions from the file.
    pub(super) fn read(read: &ViewRead) -> Result<Self, ViewError> {
        let (partitions, logs, gaps) = (DashMap::new(), DashMap::new(), DashMap::new());
        for row in read.range(POSITIONS, ..)? {
            let (key, value) = row?;
            partitions.insert(decode::<Partition>(&key)?, decode::<Position>(&value)?);
        }
        for (table, all) in [(LOGS, &logs), (GAPS, &gaps)] {
            for row in read.range(table, ..)? {
                let (topic, value) = row?;
                all.insert(decode::<String>(&topic)?, decode::<String>(&value)?);
            }
        }
        Ok(Self {
            partitions,
            logs,
            gaps,
            generation: AtomicU64::new(0),
        })
    }

    /// Returns everything as rows.
    pub(super) fn rows(&self) -> Result<Vec<Row>, ViewError> {
        let mut rows = Vec::new();
        for partition in &self.partitions {
            let (key, value) = partition.pair();
            rows.push((POSITIONS, encoded(key)?, encoded(value)?));
        }
        for (table, all) in [(LOGS, &self.logs), (GAPS, &self.gaps)] {
            for text in all {
                rows.push((table, encoded(text.key())?, encoded(text.value())?));
            }
        }
        Ok(rows)
    }

    /// Returns the offset at which to resume a partition; 0 if nothing was read from it yet.
    pub(super) fn next(&self, topic: &str, partition: i32) -> i64 {
        let position = self.partitions.get(&(topic.to_owned(), partition));
        position.map_or(0, |position| position.next)
    }

    /// Returns the current generation of the positions.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Begins a new generation of the positions.
    pub(super) fn begin_generation(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Returns whether events of a topic may be missing.
    pub(super) fn has_gap(&self) -> bool {
        !self.gaps.is_empty()
    }

    /// Returns the reason why events may be missing, and how to repair that.
    pub(super) fn gap(&self) -> Option<String> {
        let gap = self.gaps.iter().min_by(|a, b| a.key().cmp(b.key()))?;
        let (topic, reason) = gap.pair();
        Some(format!(
            "florin replay --topic {topic}, on the process that publishes the topic, brings back what was \
             missed: {reason}"
        ))
    }

    /// Returns what is known of a topic's log.
    pub(super) fn known(&self, topic: &str) -> KnownLog {
        let partitions = self.partitions.iter();
        let of_topic = partitions.filter(|partition| partition.key().0 == topic);
        KnownLog {
            log: self.logs.get(topic).map(|log| log.clone()),
            partitions: of_topic
                .map(|partition| (partition.key().1, *partition.value()))
                .collect(),
        }
    }

    /// Sets in memory what [`write_begin`] has written.
    pub(super) fn begin(&self, topic: &str, log: &str, begin: &Begin) {
        // Messages that are still in flight were read from the previous positions.
        self.begin_generation();
        self.partitions.retain(|partition, _| partition.0 != topic);
        for (partition, position) in &begin.partitions {
            let partition = (topic.to_owned(), *partition);
            self.partitions.insert(partition, *position);
        }
        self.logs.insert(topic.to_owned(), log.to_owned());
        if let Some(gap) = &begin.gap {
            self.gaps.insert(topic.to_owned(), gap.clone());
        } else if closes_gaps(log, begin) {
            self.gaps.remove(topic);
        }
    }

    /// Sets in memory what was written for messages. Returns the topics whose gaps are closed now.
    pub(super) fn advance(&self, advanced: Advanced) -> Vec<String> {
        for (partition, position) in advanced.partitions {
            self.partitions.insert(partition, position);
        }
        let closed = advanced.closed.into_iter();
        closed
            .filter(|topic| self.gaps.remove(topic).is_some())
            .collect()
    }
}

/// Writes the positions at which a topic is resumed, and its gap. `known` is what was known before.
pub(super) fn write_begin(
    write: &mut ViewWrite<'_>,
    topic: &str,
    log: &str,
    begin: &Begin,
    known: &KnownLog,
) -> Result<(), ViewError> {
    for partition in known.partitions.keys() {
        write.remove(POSITIONS, &encoded(&(topic, *partition))?)?;
    }
    for (partition, position) in &begin.partitions {
        let key = encoded(&(topic, *partition))?;
        write.put(POSITIONS, &key, &encoded(position)?)?;
    }
    write.put(LOGS, &encoded(&topic)?, &encoded(&log)?)?;
    if let Some(gap) = &begin.gap {
        write.put(GAPS, &encoded(&topic)?, &encoded(gap)?)?;
        replay_count::forget(write, topic)?;
    } else if closes_gaps(log, begin) {
        write.remove(GAPS, &encoded(&topic)?)?;
        replay_count::forget(write, topic)?;
    }
    Ok(())
}

/// Returns whether a resumption closes every gap: the journal is complete, and is read from its
/// beginning.
fn closes_gaps(log: &str, begin: &Begin) -> bool {
    begin.is_anew && log == JOURNAL
}

/// The changes of positions and gaps that were written for messages.
#[derive(Default)]
pub(super) struct Advanced {
    partitions: BTreeMap<Partition, Position>,
    closed: BTreeSet<String>,
}

impl Advanced {
    /// Moves the position of a partition past a message, and counts the replay part that the
    /// message carries.
    pub(super) fn write(
        &mut self,
        write: &mut ViewWrite<'_>,
        partition: &Partition,
        print: Print,
        part: Option<&ReplayPart>,
    ) -> Result<(), ViewError> {
        let key = encoded(partition)?;
        let known = match write.get(POSITIONS, &key)? {
            Some(known) => decode::<Position>(&known)?.next,
            None => 0,
        };
        // A dead letter that is handled later has an offset before the position.
        if print.offset < known {
            return Ok(());
        }
        let position = Position {
            next: print.offset + 1,
            last: Some(print),
        };
        write.put(POSITIONS, &key, &encoded(&position)?)?;
        self.partitions.insert(partition.clone(), position);
        let (topic, number) = partition;
        if let Some(part) = part
            && replay_count::count(write, (topic, *number), part)?
        {
            write.remove(GAPS, &encoded(topic)?)?;
            replay_count::forget(write, topic)?;
            self.closed.insert(topic.clone());
        }
        Ok(())
    }
}

fn encoded<T: Serialize>(value: &T) -> Result<Vec<u8>, ViewError> {
    let mut bytes = Vec::new();
    encode(value, &mut bytes)?;
    Ok(bytes)
}
