//! A record held against what the model says: outcome, changes, postings, the account shown.

use florin_actors::messages::{AccountEvent, EntityId, Event, Outcome, Record, WalletEvent};

use super::model::{Place, Shows, Verdict, plain};

/// The place of a record.
pub fn place_of(record: &Record) -> Place {
    let opened = record.changes.iter().find(|change| {
        matches!(
            change.events.first(),
            Some(Event::Account(AccountEvent::Opened(_)) | Event::Wallet(WalletEvent::Opened(_)))
        )
    });
    Place {
        sequence: record.sequence,
        time: record.time,
        operation: record.operation_id,
        fresh: opened.map(|change| change.entity),
    }
}

type Changed = (EntityId, u64, u64);
type Posted = (EntityId, i128, String, i128, i64, String);

/// Whether a record says what the model says.
///
/// # Errors
/// The difference.
pub fn check_record(record: &Record, verdict: &Verdict) -> Result<(), String> {
    let effect = match (verdict, &record.outcome) {
        (Verdict::Refused(right), Outcome::Refused(rejection)) if rejection.code == *right => {
            return Ok(());
        }
        (Verdict::Done(effect), Outcome::Done(_)) => effect,
        (Verdict::Refused(right), outcome) => {
            return Err(format!("it is {outcome:?}, the model refuses: {right:?}"));
        }
        (Verdict::Done(_), outcome) => {
            return Err(format!("it is {outcome:?}, the model has it done"));
        }
    };
    let touched = &effect.touched;
    let mut changed: Vec<Changed> = record
        .changes
        .iter()
        .map(|change| (change.entity, change.version, change.previous))
        .collect();
    let mut right: Vec<Changed> = touched
        .iter()
        .map(|touch| (touch.entity, touch.after.version, touch.previous))
        .collect();
    changed.sort_unstable();
    right.sort_unstable();
    if changed != right {
        return Err(format!("it changes {changed:?}, the model {right:?}"));
    }
    let mut posted: Vec<Posted> = record
        .postings
        .iter()
        .map(|posting| {
            (
                record.changes[posting.change as usize].entity,
                i128::from(posting.amount),
                posting.currency.to_string(),
                posting.balance,
                posting.held,
                format!("{:?}", posting.overdraft),
            )
        })
        .collect();
    let mut right: Vec<Posted> = touched
        .iter()
        .filter_map(|touch| {
            let post = touch.posting.as_ref()?;
            Some((
                touch.entity,
                post.amount,
                post.currency.to_string(),
                post.balance,
                i64::try_from(post.held).unwrap(),
                format!("{:?}", plain(post.overdraft)),
            ))
        })
        .collect();
    posted.sort_unstable();
    right.sort_unstable();
    if posted != right {
        return Err(format!("it posts {posted:?}, the model {right:?}"));
    }
    check_shown(record, &effect.shown)
}

/// Whether a record's answer shows what the model does, and nothing else.
fn check_shown(record: &Record, right: &Shows) -> Result<(), String> {
    let (account, wallet, ends) = match right {
        Shows::Nothing => (None, None, None),
        Shows::Entity(id, kept) => (kept.view(*id), kept.wallet(*id), None),
        Shows::Ends(ends) => (None, None, Some(ends)),
    };
    let shown = record.account();
    if shown != account {
        return Err(format!("it shows {shown:?}, the model {account:?}"));
    }
    let shown = record.wallet();
    if shown != wallet.as_ref() {
        return Err(format!("it shows {shown:?}, the model {wallet:?}"));
    }
    let shown = record.ends();
    if shown != ends {
        return Err(format!("it shows {shown:?}, the model {ends:?}"));
    }
    Ok(())
}
