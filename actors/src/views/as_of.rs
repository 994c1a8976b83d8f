//! What an entity's money was at a time: the last record at or before it, and what that left. Found
//! by a walk back from the first milestone after the time, or from the entity's last record.

use florin_storage::Reader;

use super::Views;
use super::history::read_change;
use super::milestones::Standing;
use crate::messages::{
    AccountEvent, EntityId, Event, ExternalEvent, Overdraft, Record, Timestamp, WalletEvent,
};

/// What an entity's money was right after its last record at `time` or earlier; `head` is its last
/// record now. `None`: it came into being later. Blocks on the disk.
///
/// # Errors
/// What can't be read, as a sentence.
pub fn as_of(
    views: &Views,
    reader: &Reader,
    entity: EntityId,
    head: u64,
    time: Timestamp,
) -> Result<Option<Standing>, String> {
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
            // It moved no money: what was there before counts, up to a milestone at most.
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
        for event in &change.events {
            apply(&mut standing, event);
        }
        standing.version = change.version;
    }
    Ok(Some(standing))
}

/// An entity's money before its first record.
const NOTHING: Standing = Standing {
    balance: 0,
    held: 0,
    overdraft: Overdraft::Limit(0),
    version: 0,
};

/// What a record's posting says of the entity of the change at `place`.
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

/// What an event does to money.
fn apply(standing: &mut Standing, event: &Event) {
    match event {
        Event::Account(AccountEvent::Opened(opened)) => standing.overdraft = opened.overdraft,
        Event::Account(AccountEvent::OverdraftChanged(overdraft)) => {
            standing.overdraft = *overdraft;
        }
        Event::Wallet(WalletEvent::Opened(opened)) => standing.overdraft = opened.overdraft,
        Event::Wallet(WalletEvent::OverdraftChanged(overdraft)) => standing.overdraft = *overdraft,
        Event::External(ExternalEvent::Opened(_)) => standing.overdraft = Overdraft::Unlimited,
        // Whatever moves money has a posting, which says what was then.
        Event::Account(
            AccountEvent::StatusChanged(_)
            | AccountEvent::PersonalErased(_)
            | AccountEvent::Money(_),
        )
        | Event::External(ExternalEvent::Debited(_) | ExternalEvent::Credited(_))
        | Event::Wallet(
            WalletEvent::StatusChanged(_) | WalletEvent::LimitsChanged(_) | WalletEvent::Money(_),
        )
        | Event::Numbering(_)
        | Event::Transfer(_)
        | Event::Card(_)
        | Event::CardNumber(_) => {}
    }
}
