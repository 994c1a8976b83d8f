//! Compares a record with the model's verdict: outcome, changes, postings, and the state shown.

use florin_actors::messages::{
    AccountEvent, Code, EntityId, Event, ItemResult, MerchantEvent, Outcome, Record, Shown,
    WalletEvent,
};

use super::model::{Became, Place, Shows, Verdict, plain};

/// Returns the place of a record.
pub fn place_of(record: &Record) -> Place {
    let opened = record.changes.iter().find(|change| {
        matches!(
            change.events.first(),
            Some(
                Event::Account(AccountEvent::Opened(_))
                    | Event::Wallet(WalletEvent::Opened(_))
                    | Event::Merchant(MerchantEvent::Opened(_))
            )
        )
    });
    Place {
        sequence: record.sequence,
        time: record.time,
        operation: record.operation_id,
        fresh: opened.map(|change| change.entity),
    }
}

type Changed = (EntityId, u64, u32, u64);
type Posted = (EntityId, u32, i128, String, i128, i64, String);

/// Checks that a record says the same as the model.
///
/// # Errors
/// Returns the difference.
pub fn check_record(record: &Record, verdict: &Verdict) -> Result<(), String> {
    let effect = match (verdict, &record.outcome) {
        (Verdict::Refused(right), Outcome::Refused(rejection)) if rejection.code == *right => {
            return Ok(());
        }
        (Verdict::Rejected { index, code }, Outcome::Refused(rejection))
            if rejection.code == Code::BatchRejected
                && rejection
                    .item
                    .is_some_and(|item| (item.index, item.code) == (*index, *code)) =>
        {
            return Ok(());
        }
        (Verdict::Accepted, Outcome::Accepted) => {
            let changes = record.changes.len() + record.postings.len();
            return match changes {
                0 => Ok(()),
                _ => Err("it is accepted and changes something".to_owned()),
            };
        }
        (Verdict::Done(effect), Outcome::Done(_)) => effect,
        (Verdict::Rejected { .. } | Verdict::Accepted | Verdict::Open, outcome) => {
            return Err(format!("it is {outcome:?}, the model says {verdict:?}"));
        }
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
        .map(|change| {
            (
                change.entity,
                change.version,
                change.raised,
                change.previous,
            )
        })
        .collect();
    let mut right: Vec<Changed> = touched
        .iter()
        .map(|touch| {
            (
                touch.entity,
                touch.after.version,
                touch.raised,
                touch.previous,
            )
        })
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
                posting.item,
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
        .flat_map(|touch| touch.postings.iter().map(|post| (touch.entity, post)))
        .map(|(entity, post)| {
            (
                entity,
                post.item,
                post.amount,
                post.currency.to_string(),
                post.balance,
                i64::try_from(post.held).unwrap(),
                format!("{:?}", plain(post.overdraft)),
            )
        })
        .collect();
    posted.sort_unstable();
    right.sort_unstable();
    if posted != right {
        return Err(format!("it posts {posted:?}, the model {right:?}"));
    }
    check_shown(record, &effect.shown)
}

/// Checks that a record's answer shows exactly what the model shows.
fn check_shown(record: &Record, right: &Shows) -> Result<(), String> {
    let (account, wallet, ends) = match right {
        Shows::Nothing => (None, None, None),
        Shows::Entity(id, kept) => (kept.view(*id), kept.wallet(*id), None),
        Shows::Ends(ends) => (None, None, Some(ends)),
        Shows::Items(_) => (None, None, None),
    };
    check_items(record, right)?;
    let shown = record.account();
    if shown != account {
        return Err(format!("it shows {shown:?}, the model {account:?}"));
    }
    let shown = record.wallet();
    if shown != wallet.as_ref() {
        return Err(format!("it shows {shown:?}, the model {wallet:?}"));
    }
    let shown = match record.shown() {
        Some(Shown::Merchant(view)) => Some(view.clone()),
        _ => None,
    };
    let merchant = match right {
        Shows::Entity(id, kept) => kept.merchant(*id),
        _ => None,
    };
    if shown != merchant {
        return Err(format!("it shows {shown:?}, the model {merchant:?}"));
    }
    let shown = record.ends();
    if shown != ends {
        return Err(format!("it shows {shown:?}, the model {ends:?}"));
    }
    Ok(())
}

/// Checks that a record reports the same outcomes of a batch's items as the model.
fn check_items(record: &Record, right: &Shows) -> Result<(), String> {
    let shown = match &record.outcome {
        Outcome::Done(Some(shown)) => match &**shown {
            Shown::Batch(others, _) => Some(others),
            _ => None,
        },
        _ => None,
    };
    let right = match right {
        Shows::Items(others) => Some(others),
        _ => None,
    };
    let is_right = |(place, result): &(u32, ItemResult), (right, became): &(u32, Became)| {
        place == right
            && match (result, became) {
                (ItemResult::Refused(rejection), Became::Refused(code))
                | (ItemResult::RefusedBefore(rejection), Became::RefusedBefore(code)) => {
                    rejection.code == *code
                }
                (ItemResult::Replayed(id, status), Became::Made(right, as_what)) => {
                    (id, status) == (right, as_what)
                }
                _ => false,
            }
    };
    let fits = match (shown, right) {
        (None, None) => true,
        (Some(shown), Some(right)) => {
            let mut both = shown.iter().zip(right);
            shown.len() == right.len() && both.all(|(shown, right)| is_right(shown, right))
        }
        _ => false,
    };
    if fits {
        return Ok(());
    }
    Err(format!(
        "of its items it says {shown:?}, the model {right:?}"
    ))
}
