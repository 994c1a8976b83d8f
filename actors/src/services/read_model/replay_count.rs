//! Counts the parts of replays that a read model has read, until one replay is complete.

use std::collections::BTreeMap;

use florin_storage::{ViewError, ViewWrite, decode, encode};
use serde::{Deserialize, Serialize};

use crate::bus::{Message, ReplayPart};

/// The table with one row for each topic that has a gap.
const REPLAYS: &str = "replays";

/// The progress in reading one replay to a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    total: u64,
    read: u64,
    /// The number of the last part that was read, by partition. The numbers rise within a
    /// partition, so no part is counted twice.
    last: BTreeMap<i32, u64>,
}

/// The progress of each replay to a topic, by replay id.
type Counts = BTreeMap<String, Count>;

/// Counts a part. Returns true once every part of its replay was read.
pub(super) fn count(
    write: &mut ViewWrite<'_>,
    message: (&str, i32),
    part: &ReplayPart,
) -> Result<bool, ViewError> {
    let (topic, partition) = message;
    let known = write.get(REPLAYS, topic.as_bytes())?;
    let mut counts: Counts = match known {
        Some(known) => decode(&known)?,
        None => Counts::new(),
    };
    let count = counts.entry(part.replay.clone()).or_default();
    count.total = part.total;
    let last = count.last.entry(partition).or_default();
    if part.number <= *last {
        return Ok(false);
    }
    *last = part.number;
    count.read += 1;
    let is_whole = count.read >= count.total;
    let mut row = Vec::new();
    encode(&counts, &mut row)?;
    write.put(REPLAYS, topic.as_bytes(), &row)?;
    Ok(is_whole)
}

/// Deletes the progress of all replays to a topic.
pub(super) fn forget(write: &mut ViewWrite<'_>, topic: &str) -> Result<(), ViewError> {
    write.remove(REPLAYS, topic.as_bytes())
}

/// Returns the replay part that a message carries. Only parts of replays that contain every event
/// of their topic count.
pub(super) fn part_of(message: &Message) -> Option<ReplayPart> {
    ReplayPart::of_whole(message)
}
