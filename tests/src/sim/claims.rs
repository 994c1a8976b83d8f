//! Which request a record answers: what is kept under a key, what is journalled without one.

use florin_actors::messages::{Code, Command, Record};

use super::history::{Asked, Fate, History, Request};
use super::judge::Judge;
use super::model::{Ledger, Place, Verdict};
use super::verdict::{check_record, place_of};

impl Judge {
    /// What has neither key nor changes is journalled only when its caller was told 504, or as
    /// `deadline_exceeded`.
    pub(super) fn late(
        &self,
        record: &Record,
        code: Option<Code>,
        asked: &Asked,
        history: &History,
    ) -> Result<(), String> {
        if code == Some(Code::DeadlineExceeded) {
            return match asked.fate {
                Fate::Answered { recorded: false } => Err("it was answered otherwise".to_owned()),
                _ => Ok(()),
            };
        }
        if asked.fate != Fate::TimedOut {
            return Err(format!(
                "it has neither key nor changes, and its fate is {:?}",
                asked.fate
            ));
        }
        if code == Some(Code::IdempotencyKeyReused) {
            return match self.first_of(&asked.request, history) {
                Some((_, false)) => Ok(()),
                Some((first, true)) if self.is_erased(first, record.sequence) => Ok(()),
                found => Err(format!("its key was not reused: {found:?}")),
            };
        }
        // It was decided some time before it was recorded.
        let states = asked.after..record.sequence;
        let place = place_of(record);
        self.unstored_at(states.clone(), &asked.request, record, place)
            .or_else(|_| {
                let time = asked.sent;
                let place = Place { time, ..place };
                self.unstored_at(states, &asked.request, record, place)
            })
    }

    /// Whether an outcome that is not stored fits one of these states.
    pub(super) fn unstored_within(
        &self,
        states: std::ops::Range<u64>,
        request: &Request,
        record: &Record,
    ) -> Result<(), String> {
        self.unstored_at(states, request, record, place_of(record))
    }

    fn unstored_at(
        &self,
        states: std::ops::Range<u64>,
        request: &Request,
        record: &Record,
        place: Place,
    ) -> Result<(), String> {
        let mut fault = format!("there is no state in {states:?}");
        for sequence in states.rev() {
            if self.is_claimed(request, sequence) {
                fault = "its key was settled".to_owned();
                continue;
            }
            let before = self.before(sequence);
            let verdict = self.states[sequence as usize].decide(request, place, before);
            let fits = check_record(record, &verdict).and_then(|()| {
                if !request.dry_run && is_stored(&verdict, request.key.is_some()) {
                    return Err("it should have been stored under its key".to_owned());
                }
                Ok(())
            });
            match fits {
                Ok(()) => return Ok(()),
                Err(why) => fault = why,
            }
        }
        Err(fault)
    }

    /// The record that settled the request's key, and whether it was the same request, as far as
    /// can be told as long as no name was erased.
    pub(super) fn first_of(&self, request: &Request, history: &History) -> Option<(u64, bool)> {
        let scope = request.scope()?;
        let sequence = self.key_of(&scope)?;
        if self.record(sequence).key.as_deref() != Some(&*scope.1) {
            // It was the key of a batch's item.
            return Some((sequence, false));
        }
        let first = history.find(self.record(sequence).operation_id)?;
        let ledger = self.now();
        let first = normal(&history.asked[first].request.command, ledger);
        Some((sequence, first == normal(&request.command, ledger)))
    }

    /// Whether the request's key was settled by a record up to `sequence`.
    pub(super) fn is_claimed(&self, request: &Request, sequence: u64) -> bool {
        let settled = request.scope().and_then(|scope| self.key_of(&scope));
        settled.is_some_and(|settled| settled <= sequence)
    }
}

/// Whether an outcome is stored: what changes something, and under a key also what changes
/// nothing and the refusals that the contract stores.
pub fn is_stored(verdict: &Verdict, has_key: bool) -> bool {
    match verdict {
        Verdict::Done(effect) => {
            has_key || !effect.touched.is_empty() || !effect.settles.is_empty()
        }
        Verdict::Refused(code) => has_key && *code != Code::NotFound,
        Verdict::Rejected { .. } => has_key,
        Verdict::Accepted => true,
        Verdict::Open => false,
    }
}

/// Whether a record is of the request that it names.
pub(super) fn is_asked(record: &Record, asked: &Asked, ledger: &Ledger) -> Result<(), String> {
    let mut command = asked.request.command.clone();
    if let (Command::OpenAccount(mine), Command::OpenAccount(theirs)) =
        (&mut command, &record.command)
    {
        mine.holder = theirs.holder.clone();
    }
    if normal(&command, ledger) != normal(&record.command, ledger) {
        return Err(format!(
            "asked was {command:?}, recorded {:?}",
            record.command
        ));
    }
    if record.sequence <= asked.after {
        return Err(format!("record {} was there before", record.sequence));
    }
    if record.caller != asked.request.caller {
        return Err("another caller asked".to_owned());
    }
    match asked.fate {
        Fate::Unavailable(reason) if reason != super::OUTCOME_UNKNOWN => {
            Err(format!("its caller was told {reason:?}"))
        }
        _ => Ok(()),
    }
}

/// A command with the currency left away that is the routing entity's own.
pub fn normal(command: &Command, ledger: &Ledger) -> Command {
    let mut command = command.clone();
    if let Command::Batch(batch) = &mut command {
        for item in &mut batch.items {
            let own = ledger.money(item.transfer.from);
            if item.transfer.currency == own.map(|money| money.currency) {
                item.transfer.currency = None;
            }
        }
    }
    let own = command
        .routing_entity()
        .and_then(|id| ledger.money(id))
        .map(|money| money.currency);
    if let Some(named) = command.currency_mut()
        && *named == own
    {
        *named = None;
    }
    command
}
