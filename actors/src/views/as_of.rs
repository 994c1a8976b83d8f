//! The balance of an entity at a time, as the entity's last record before that time left it. It is
//! found by a walk back along the entity's records, from the first milestone at or after that time,
//! or from the entity's last record.

use florin_storage::Reader;

use super::Views;
use super::history::read_change;
use super::milestones::Standing;
use crate::base::ReadFault;
use crate::entities::Event;
use crate::record::Record;
use crate::words::{EntityId, Overdraft, Timestamp};

/// Returns an entity's balance at `at`, which is the balance right after its last record before
/// that time. As with the half-open periods, a record at exactly `at` doesn't count, so the balance
/// at the end of a period is the balance at the beginning of the next. `head` is the entity's last
/// record now. Returns `None` if the entity was created at that time or later. Blocks on the disk.
///
/// # Errors
/// Returns an error if something can't be read.
pub fn as_of(
    views: &Views,
    reader: &Reader,
    entity: EntityId,
    head: u64,
    at: Timestamp,
) -> Result<Option<Standing>, ReadFault> {
    let time = at.just_before();
    let after = views.milestone_after(entity, time)?;
    let mut next = after.map_or(head, |milestone| milestone.min(head));
    let mut line: Vec<(Record, usize)> = Vec::new();
    let mut base = None;
    let mut until = None;
    while next > 0 {
        let (record, place) = read_change(reader, entity, next)?;
        let previous = record.changes[place].previous;
        if record.time <= time {
            if let Some(standing) = posted(&record, place) {
                base = Some(standing);
                break;
            }
            // The record has no posting of the entity, so an earlier record counts. The walk ends
            // at a milestone at the latest.
            let known = match until {
                Some(known) => known,
                None => views.milestone_until(entity, time)?,
            };
            until = Some(known);
            if let Some((sequence, standing)) = known
                && sequence == next
            {
                base = Some(standing);
                break;
            }
            line.push((record, place));
        }
        next = previous;
    }
    if base.is_none() && line.is_empty() {
        return Ok(None);
    }
    let mut standing = base.unwrap_or(NOTHING);
    for (record, place) in line.into_iter().rev() {
        let change = &record.changes[place];
        // Events that move or hold money have a posting, which contains the balance, so the events
        // here change the overdraft limit at most.
        let mut limits = change.events.iter().filter_map(Event::overdraft);
        standing.overdraft = limits.next_back().unwrap_or(standing.overdraft);
        standing.version = change.version;
    }
    Ok(Some(standing))
}

/// The balance of an entity before its first record.
const NOTHING: Standing = Standing {
    balance: 0,
    held: 0,
    overdraft: Overdraft::Limit(0),
    version: 0,
};

/// Returns the balance after a record's last posting of the entity of the change at `place`.
fn posted(record: &Record, place: usize) -> Option<Standing> {
    let posting = record
        .postings
        .iter()
        .rfind(|posting| posting.change as usize == place)?;
    Some(Standing {
        balance: posting.balance,
        held: posting.held,
        overdraft: posting.overdraft,
        version: record.changes[place].version,
    })
}
