//! Compares what was shown with the model. Each observation must fit a state between what was
//! durable when it was asked for and what was durable when it arrived.

use florin_actors::messages::{
    AccountView, Code, Command, EntityId, MerchantView, Outcome, Shown, Timestamp, WalletView,
};
use florin_actors::runtime::{Decided, Operation, Page, TrialBalance, WithPersonal};
use florin_actors::views::{AccountFilter, Mark, Standing};

use super::history::{Fate, History, Observation, Request, Seen};
use super::judge::Judge;
use super::model::{Kept, Ledger, What, plain};

impl Judge {
    pub(super) fn observed(
        &self,
        observation: &Observation,
        history: &History,
    ) -> Result<(), String> {
        let Observation { from, to, seen } = observation;
        let judged = match seen {
            Seen::Answer { asked, decided } => {
                self.answered(*asked, decided, (*from, *to), history)
            }
            Seen::Operation {
                asked,
                recorded,
                found,
            } => self.looked_up(*asked, *recorded, found.as_ref(), (*from, *to), history),
            Seen::TrialBalance(shown) => self.totalled(shown, (*from, *to)),
            Seen::Account { id, shown } => self.some_state((*from, *to), |ledger, _| {
                let right = ledger.account(*id).map(|_| show(ledger, *id));
                equal(&shown.as_ref(), &right.flatten().as_ref())
            }),
            Seen::Accounts {
                filter,
                after,
                limit,
                page,
            } => self.some_state((*from, *to), |ledger, _| {
                let mut right = list(ledger, filter, *after, *limit);
                // Names are read last, so a name may be erased shortly before the list reads it.
                for (shown, right) in page.entries.iter().zip(&mut right.entries) {
                    if shown.personal.is_none() && self.is_erased(right.view.opened, *to) {
                        right.personal = None;
                    }
                }
                equal(page, &right)
            }),
            Seen::Wallet { id, shown } => self.some_state((*from, *to), |ledger, _| {
                let right = ledger.entity(*id).and_then(|kept| kept.wallet(*id));
                equal(shown, &right)
            }),
            Seen::Merchant { id, shown } => self.some_state((*from, *to), |ledger, _| {
                equal(&shown.as_ref(), &show_merchant(ledger, *id).as_ref())
            }),
            Seen::Merchants { after, limit, page } => self.some_state((*from, *to), |ledger, _| {
                let mut right = merchants(ledger, *after, *limit);
                // Names are read last, so a name may be erased shortly before the list reads it.
                for (shown, right) in page.entries.iter().zip(&mut right.entries) {
                    if shown.personal.is_none() && self.is_erased(right.view.opened, *to) {
                        right.personal = None;
                    }
                }
                equal(page, &right)
            }),
            Seen::Wallets {
                customer,
                after,
                limit,
                page,
            } => self.some_state((*from, *to), |ledger, _| {
                equal(page, &wallets(ledger, *customer, *after, *limit))
            }),
            Seen::Balances { id, kind, shown } => self.some_state((*from, *to), |ledger, _| {
                let kept = ledger.entity(*id).filter(|kept| kept.kind() == *kind);
                let right = kept.and_then(|kept| Some((kept.money()?.currency, kept.balances()?)));
                equal(shown, &right)
            }),
            Seen::Transfer { id, shown } => self.some_state((*from, *to), |ledger, _| {
                equal(shown, &ledger.transfer_view(*id))
            }),
            Seen::BalanceAt {
                id,
                kind,
                time,
                shown,
            } => self.some_state((*from, *to), |ledger, sequence| {
                let known = ledger.entity(*id).is_some_and(|kept| kept.kind() == *kind);
                let right = known.then(|| self.standing(*id, *time, sequence)).flatten();
                equal(shown, &right)
            }),
            Seen::Movements {
                id,
                kind,
                before,
                limit,
                page,
            } => self.some_state((*from, *to), |ledger, sequence| {
                let kept = ledger.entity(*id).filter(|kept| kept.kind() == *kind);
                match (page, kept) {
                    (None, None) => Ok(()),
                    (Some(page), Some(_)) => {
                        let last = Mark {
                            record: sequence,
                            shown: 0,
                        };
                        let from = before.filter(|from| from.record <= sequence);
                        self.paged(*id, from.unwrap_or(last), *limit, page)
                    }
                    (page, _) => Err(format!("{page:?} at {sequence}")),
                }
            }),
        };
        judged.map_err(|fault| {
            format!("shown between records {from} and {to}: {fault}\n  it was {seen:?}")
        })
    }

    fn some_state(
        &self,
        (from, to): (u64, u64),
        fits: impl Fn(&Ledger, u64) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut last = format!("no state from {from} to {to}");
        for sequence in (from..=to).rev() {
            match fits(&self.states[sequence as usize], sequence) {
                Ok(()) => return Ok(()),
                Err(fault) => last = fault,
            }
        }
        Err(last)
    }

    /// Returns an entity's money after the last record before `time`, among the records up to
    /// `sequence`.
    fn standing(&self, id: EntityId, time: Timestamp, sequence: u64) -> Option<Standing> {
        let known = &self.records[..sequence as usize];
        let last = known.partition_point(|record| record.time < time);
        let kept = self.states[last].entity(id)?;
        let money = kept.money()?;
        Some(Standing {
            balance: money.balance,
            held: i64::try_from(money.held).unwrap(),
            overdraft: plain(money.overdraft),
            version: kept.version,
        })
    }

    fn answered(
        &self,
        number: usize,
        decided: &Decided,
        window: (u64, u64),
        history: &History,
    ) -> Result<(), String> {
        let asked = &history.asked[number];
        let (request, record) = (&asked.request, &decided.record);
        if decided.dry_run != request.dry_run {
            return Err("a dry run is not answered as one".to_owned());
        }
        let code = match &record.outcome {
            Outcome::Refused(rejection) => Some(rejection.code),
            _ => None,
        };
        if decided.replayed || code == Some(Code::IdempotencyKeyReused) {
            return self.repeated(request, decided, window, history);
        }
        if record.operation_id != asked.operation {
            return Err("it is the answer to another request".to_owned());
        }
        if decided.stored {
            if !self.is_recorded(record) {
                return Err("it is not what the journal has".to_owned());
            }
            return self.named(decided, (record.sequence, record.sequence));
        }
        self.named(decided, window)?;
        if code == Some(Code::DeadlineExceeded) && request.dry_run {
            return Ok(());
        }
        if code == Some(Code::ActorFaulted) && request.dry_run && self.faults {
            return Ok(());
        }
        self.check_unstored(window.0..window.1 + 1, request, record)
    }

    /// Checks a repeat of a key. The same request gets the first answer, and another request a
    /// refusal. Once the name of an opening is erased, the two can't be told apart any more, so the
    /// repeat is refused.
    fn repeated(
        &self,
        request: &Request,
        decided: &Decided,
        window: (u64, u64),
        history: &History,
    ) -> Result<(), String> {
        let (sequence, same) = self
            .first_of(request, history)
            .ok_or("its key was never settled")?;
        if sequence > window.1 {
            return Err("it rests on a record that was not durable".to_owned());
        }
        let may_differ = !same || self.is_erased(sequence, window.1);
        let same = same && !self.is_erased(sequence, window.0);
        let sequence_shown = decided.record.sequence;
        if decided.replayed && same {
            // For an accepted command, the answer is its outcome, or its acceptance if the repeat
            // is asynchronous too and the execution isn't known to be durable.
            let executed = self.executed_by(sequence);
            let stands = decided.record.outcome == Outcome::Accepted;
            let is_early = executed.is_none_or(|executed| executed > window.0);
            let right = match stands {
                true => request.is_accepted_first() && is_early && sequence_shown == sequence,
                false => sequence_shown == executed.unwrap_or(sequence),
            };
            if !right || sequence_shown > window.1 {
                return Err(format!("it is settled by {sequence} and {executed:?}"));
            }
        }
        match (decided.replayed, same) {
            (true, true) if self.is_first_answer(&decided.record) && decided.stored => {
                self.named(decided, window)
            }
            (true, true) => Err("the replay is not the first answer".to_owned()),
            (true, false) => Err("another request's answer is replayed".to_owned()),
            (false, true) if !may_differ => Err("the same request is refused its key".to_owned()),
            (false, _) if decided.stored => Err("the refusal of a key is stored".to_owned()),
            (false, _) if !decided.record.changes.is_empty() || decided.personal.is_some() => {
                Err("the refusal shows another request".to_owned())
            }
            (false, _) => Ok(()),
        }
    }

    /// Checks the personal values that an answer shows: they come with the entity until they are
    /// erased.
    fn named(&self, decided: &Decided, (from, to): (u64, u64)) -> Result<(), String> {
        let merchant = match decided.record.shown() {
            Some(Shown::Merchant(view)) => Some((view.id, view.opened)),
            _ => None,
        };
        let account = decided.account().map(|view| (view.id, view.opened));
        let Some((id, opened)) = account.or(merchant) else {
            return Ok(());
        };
        let places = 0..;
        let shown: Vec<&str> = places
            .map_while(|place| decided.personal_value(place))
            .collect();
        let command = &decided.record.command;
        if let Command::EraseAccount(_) | Command::EraseMerchant(_) = command {
            return equal(&shown, &vec![]);
        }
        // The entity of a dry run never exists.
        let right = self.now().entity(id).and_then(Kept::personal);
        match (shown.is_empty(), right) {
            (true, Some(_)) if self.is_erased(opened, to) => Ok(()),
            (false, Some(_)) if self.is_erased(opened, from) => {
                Err(format!("the name is shown and was erased: {shown:?}"))
            }
            (_, Some((_, right, _))) if shown != right => {
                Err(format!("its personal values are {shown:?}, not {right:?}"))
            }
            (true, None) => Err("a new entity without its personal values".to_owned()),
            _ => Ok(()),
        }
    }

    fn looked_up(
        &self,
        number: usize,
        recorded: bool,
        found: Option<&Operation>,
        window: (u64, u64),
        history: &History,
    ) -> Result<(), String> {
        match found {
            Some(Operation::Decided(decided)) => {
                let asked = &history.asked[number];
                // A repeat that timed out leads to the outcome of the first request.
                let joined = || {
                    let first = self.first_of(&asked.request, history);
                    let (sequence, _) = first.filter(|(_, same)| *same)?;
                    let sequence = self.executed_by(sequence).unwrap_or(sequence);
                    (asked.fate == Fate::TimedOut).then(|| self.record(sequence))
                };
                if decided.record.sequence > window.1 {
                    return Err("it is not durable".to_owned());
                }
                if decided.record.outcome == Outcome::Accepted {
                    return Err("it was only accepted".to_owned());
                }
                let right = self.record_of(number).or_else(joined);
                if right != Some(&decided.record)
                    || !decided.stored
                    || !self.is_recorded(&decided.record)
                {
                    return Err(format!("the operation's record is {right:?}"));
                }
                self.named(decided, window)
            }
            None if recorded => Err("its answer was there already".to_owned()),
            Some(Operation::Pending { .. }) => {
                let asked = &history.asked[number];
                let first = self.first_of(&asked.request, history);
                let first = first.filter(|(_, same)| *same && asked.fate == Fate::TimedOut);
                let own = self.settled.get(&number).copied();
                let Some(sequence) = own.or(first.map(|(sequence, _)| sequence)) else {
                    return Ok(());
                };
                let is_accepted = self.record(sequence).outcome == Outcome::Accepted;
                // An accepted command has only reported its acceptance, so it may be shown as
                // pending until the answer of its execution has left.
                let is_done = self.executed_by(sequence).is_none() && !is_accepted;
                if is_done && recorded {
                    return Err("its outcome was there already".to_owned());
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn totalled(&self, shown: &TrialBalance, (from, to): (u64, u64)) -> Result<(), String> {
        if !(from..=to).contains(&shown.as_of_sequence) {
            return Err("it is of another time".to_owned());
        }
        let state = &self.states[shown.as_of_sequence as usize];
        let right: Vec<_> = state
            .totals
            .iter()
            .map(|(currency, (debits, credits))| (*currency, *debits, *credits))
            .collect();
        let shown: Vec<_> = shown
            .currencies
            .iter()
            .map(|(currency, totals)| (*currency, totals.debits, totals.credits))
            .collect();
        if right.iter().any(|(_, debits, credits)| debits != credits) {
            return Err("debits and credits differ".to_owned());
        }
        equal(&shown, &right)
    }
}

/// Reports whether a fate means that the answer is a record of its own.
pub fn is_recorded(fate: Fate) -> bool {
    fate == Fate::Answered { recorded: true }
}

pub(super) fn equal<T: PartialEq + std::fmt::Debug>(shown: &T, right: &T) -> Result<(), String> {
    if shown == right {
        return Ok(());
    }
    Err(format!("the model says {right:?}"))
}

fn show(ledger: &Ledger, id: EntityId) -> Option<WithPersonal<AccountView>> {
    let (kept, account) = ledger.account(id)?;
    debug_assert!(matches!(kept.what, What::Account(_)));
    Some(WithPersonal {
        view: kept.view(id)?,
        personal: (!account.erased).then(|| [account.holder.as_str().into()].into()),
    })
}

fn list(
    ledger: &Ledger,
    filter: &AccountFilter,
    after: Option<EntityId>,
    limit: usize,
) -> Page<WithPersonal<AccountView>, EntityId> {
    let mut entries: Vec<WithPersonal<AccountView>> = ledger
        .accounts()
        .filter(|(id, _, account)| {
            after.is_none_or(|after| *id > after)
                && filter
                    .status
                    .is_none_or(|status| status == account.money.status)
                && (filter.reference.is_none() || filter.reference == account.reference)
        })
        .filter_map(|(id, _, _)| show(ledger, id))
        .collect();
    let has_more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries
        .last()
        .filter(|_| has_more)
        .map(|entry| entry.view.id);
    Page { entries, next }
}

fn wallets(
    ledger: &Ledger,
    customer: EntityId,
    after: Option<EntityId>,
    limit: usize,
) -> Page<WalletView, EntityId> {
    let later = |id: &EntityId| after.is_none_or(|after| *id > after);
    let all = ledger.entities().filter(|(id, _)| later(id));
    let all = all.filter_map(|(id, kept): (EntityId, &Kept)| kept.wallet(id));
    let mut entries: Vec<WalletView> = all.filter(|view| view.customer == customer).collect();
    let has_more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| has_more).map(|entry| entry.id);
    Page { entries, next }
}

fn show_merchant(ledger: &Ledger, id: EntityId) -> Option<WithPersonal<MerchantView>> {
    let kept = ledger.entity(id)?;
    let view = kept.merchant(id)?;
    let (_, values, is_erased) = kept.personal()?;
    let personal = values.into_iter().map(Into::into).collect();
    Some(WithPersonal {
        view,
        personal: (!is_erased).then_some(personal),
    })
}

fn merchants(
    ledger: &Ledger,
    after: Option<EntityId>,
    limit: usize,
) -> Page<WithPersonal<MerchantView>, EntityId> {
    let later = |id: &EntityId| after.is_none_or(|after| *id > after);
    let all = ledger.entities().filter(|(id, _)| later(id));
    let mut entries: Vec<_> = all
        .filter_map(|(id, _)| show_merchant(ledger, id))
        .collect();
    let has_more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| has_more);
    let next = next.map(|entry| entry.view.id);
    Page { entries, next }
}
