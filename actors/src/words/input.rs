//! The message that brought a command, and the journal's knowledge of how far its partition was
//! read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::OperationId;

/// The identity of a topic between its creation and its deletion. A topic that is deleted and
/// created again has another incarnation, and so has a topic of the same name in another cluster.
/// The offsets of two incarnations are not comparable.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation([u8; 16]);

impl Incarnation {
    /// Returns the incarnation of the topic with this id in the cluster with this id.
    pub fn of(cluster: &str, topic_id: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"florin topic incarnation");
        hasher.update(&(cluster.len() as u64).to_le_bytes());
        hasher.update(cluster.as_bytes());
        hasher.update(topic_id.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(bytes)
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Incarnation {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(|number| Self(number.to_be_bytes()))
    }
}

/// The message that brought a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// The message's topic.
    pub topic: Arc<str>,
    /// The message's partition.
    pub partition: i32,
    /// The message's offset.
    pub offset: i64,
    /// The operation id under which the sender looks for the operation: the id that the request
    /// names, or one derived from the message's topic, partition and offset.
    pub operation_id: OperationId,
    /// The incarnation of the topic to which the offset belongs.
    pub incarnation: Incarnation,
    /// Every message of the partition before this offset is settled: its effect, its answer or its
    /// dead letter exists.
    pub settled_before: i64,
}

impl Input {
    /// Creates the input of a message that names no operation id. The id is derived from the
    /// message's topic, partition and offset.
    pub fn unnamed(topic: Arc<str>, incarnation: Incarnation, partition: i32, offset: i64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"florin input");
        hasher.update(&incarnation.0);
        hasher.update(topic.as_bytes());
        hasher.update(&partition.to_le_bytes());
        hasher.update(&offset.to_le_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        let id = uuid::Builder::from_custom_bytes(bytes).into_uuid();
        let operation_id = OperationId::from_bytes(id.into_bytes());
        Self {
            topic,
            partition,
            offset,
            operation_id,
            incarnation,
            settled_before: 0,
        }
    }

    /// Returns whether both inputs are the same message with the same operation id, delivered
    /// twice.
    pub fn is_same_message(&self, other: &Self) -> bool {
        let place = |input: &Self| (input.incarnation, input.partition, input.offset);
        place(self) == place(other)
            && self.topic == other.topic
            && self.operation_id == other.operation_id
    }
}

/// A partition in one incarnation of its topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InputPlace {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The topic's incarnation.
    pub incarnation: Incarnation,
}

/// The position up to which a partition was read, according to the journal's records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputPosition {
    /// Every message before this offset is settled.
    before: i64,
    /// The offsets at or after `before` whose messages have records.
    recorded: BTreeSet<i64>,
}

/// The positions of all partitions that records name.
pub type InputPositions = BTreeMap<InputPlace, InputPosition>;

impl InputPosition {
    /// Advances the position by the input of a record.
    pub fn note(&mut self, input: &Input) {
        self.before = self.before.max(input.settled_before);
        self.recorded.insert(input.offset);
        while self.recorded.remove(&self.before) {
            self.before += 1;
        }
        self.recorded = self.recorded.split_off(&self.before);
    }

    /// Returns the first offset whose message may not be settled.
    pub const fn next(&self) -> i64 {
        self.before
    }

    /// Returns the offsets after [`Self::next`] whose messages are settled.
    pub const fn recorded(&self) -> &BTreeSet<i64> {
        &self.recorded
    }
}

/// Advances the position of the partition that a record's input names, and returns that partition.
pub fn note_input(positions: &mut InputPositions, input: &Input) -> InputPlace {
    let place = InputPlace {
        topic: Arc::clone(&input.topic),
        partition: input.partition,
        incarnation: input.incarnation,
    };
    positions.entry(place.clone()).or_default().note(input);
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(topic_id: &str, offset: i64, settled_before: i64) -> Input {
        let incarnation = Incarnation::of("cluster", topic_id);
        Input {
            settled_before,
            ..Input::unnamed("t".into(), incarnation, 0, offset)
        }
    }

    #[test]
    fn the_position_is_the_prefix_and_the_set_above_it() {
        let mut position = InputPosition::default();
        for (offset, settled_before, next, recorded) in [
            (2, 0, 0, vec![2]),
            (0, 0, 1, vec![2]),
            (1, 0, 3, vec![]),
            // The messages from 3 to 6 were settled without a record.
            (9, 7, 7, vec![9]),
            (8, 7, 7, vec![8, 9]),
            (7, 7, 10, vec![]),
            // A dead letter that is handled later has an offset before the position.
            (4, 0, 10, vec![]),
        ] {
            position.note(&input("a", offset, settled_before));
            let known: Vec<i64> = position.recorded().iter().copied().collect();
            assert_eq!((position.next(), known), (next, recorded), "{offset}");
        }
    }

    #[test]
    fn a_topic_made_anew_has_positions_and_ids_of_its_own() {
        let (old, new) = (input("a", 5, 5), input("b", 5, 0));
        assert_ne!(old.operation_id, new.operation_id);
        let other_cluster = Incarnation::of("elsewhere", "a");
        let elsewhere = Input::unnamed("t".into(), other_cluster, 0, 5);
        assert_ne!(old.operation_id, elsewhere.operation_id);
        let mut positions = InputPositions::new();
        note_input(&mut positions, &old);
        note_input(&mut positions, &new);
        assert_eq!(positions.len(), 2);
    }

    #[test]
    fn an_incarnation_is_read_as_it_is_written() {
        let incarnation = Incarnation::of("c", "t");
        assert_eq!(incarnation.to_string().parse(), Ok(incarnation));
        assert!("x".parse::<Incarnation>().is_err());
        assert_ne!(Incarnation::of("ab", "c"), Incarnation::of("a", "bc"));
    }
}
