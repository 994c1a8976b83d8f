//! Matches records to requests: which record settled a key, and which outcomes without a key are
//! journalled.

use florin_actors::messages::{Code, Command, Record};

use super::history::{Asked, Fate, History, Request};
use super::judge::Judge;
use super::model::{Ledger, Place, Verdict};
use super::verdict::{check_record, place_of};

impl Judge {
    /// Checks a record with neither key nor changes. Such a record is journalled only if its caller
    /// got a 504, or as `deadline_exceeded`.
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
        // The outcome was decided some time before it was recorded.
        let states = asked.after..record.sequence;
        let place = place_of(record);
        self.check_unstored_at(states.clone(), &asked.request, record, place)
            .or_else(|_| {
                let time = asked.sent;
                let place = Place { time, ..place };
                self.check_unstored_at(states, &asked.request, record, place)
            })
    }

    /// Checks that an outcome that is not stored fits one of these states.
    pub(super) fn check_unstored(
        &self,
        states: std::ops::Range<u64>,
        request: &Request,
        record: &Record,
    ) -> Result<(), String> {
        self.check_unstored_at(states, request, record, place_of(record))
    }

    fn check_unstored_at(
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

    /// Returns the record that settled the request's key, and whether it was the same request. The
    /// comparison is reliable only while the holder's name isn't erased.
    pub(super) fn first_of(&self, request: &Request, history: &History) -> Option<(u64, bool)> {
        let scope = request.scope()?;
        let sequence = self.key_of(&scope)?;
        if self.record(sequence).key.as_deref() != Some(&*scope.1) {
            // The key belonged to an item of a batch. The same transfer alone is a repeat of that
            // item.
            let first = self.command_of(&scope)?;
            return Some((sequence, *first == normal(&request.command, self.now())));
        }
        let first = history.find(self.record(sequence).operation_id)?;
        let ledger = self.now();
        let first = normal(&history.asked[first].request.command, ledger);
        Some((sequence, first == normal(&request.command, ledger)))
    }

    /// Reports whether a record up to `sequence` settled the request's key.
    pub(super) fn is_claimed(&self, request: &Request, sequence: u64) -> bool {
        let settled = request.scope().and_then(|scope| self.key_of(&scope));
        settled.is_some_and(|settled| settled <= sequence)
    }
}

/// Reports whether an outcome is stored: every change is, and under a key also outcomes without
/// changes and the refusals that the contract stores.
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

/// Checks that a record belongs to the request that it names.
pub(super) fn check_asked(record: &Record, asked: &Asked, ledger: &Ledger) -> Result<(), String> {
    let mut command = asked.request.command.clone();
    if let (Command::OpenAccount(mine), Command::OpenAccount(theirs)) =
        (&mut command, &record.command)
    {
        mine.holder = theirs.holder.clone();
    }
    if let (Command::OpenMerchant(mine), Command::OpenMerchant(theirs)) =
        (&mut command, &record.command)
    {
        mine.name = theirs.name.clone();
        mine.email = theirs.email.clone();
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

/// Returns a command without the currencies that are the routing entity's own.
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
