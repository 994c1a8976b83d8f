//! What holds of every journal, whatever was asked: checked record by record, from its events
//! alone.

use std::collections::{BTreeMap, BTreeSet};

use florin_actors::messages::{
    AccountEvent, AccountStatus, Currency, EntityId, Event, ExternalEvent, MoneyEvent,
    NumberingEvent, OperationId, Outcome, Overdraft, Record, Timestamp,
};

use super::model::MOST;

/// One entity, as its events make it.
#[derive(Debug, Clone, Default)]
struct Line {
    version: u64,
    last: u64,
    currency: Option<Currency>,
    overdraft: Option<Overdraft>,
    opened: u64,
    erased: bool,
    deleted: bool,
    frozen: bool,
    balance: i128,
    posted: i128,
    issued: u64,
}

/// A walk over the journal, in order.
#[derive(Debug, Default)]
pub struct Walk {
    sequence: u64,
    time: Timestamp,
    lines: BTreeMap<EntityId, Line>,
    keys: BTreeSet<(String, String)>,
    operations: BTreeSet<OperationId>,
    numbers: BTreeSet<u64>,
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

impl Walk {
    /// Takes the next record.
    ///
    /// # Errors
    /// The invariant that doesn't hold.
    pub fn take(&mut self, record: &Record) -> Result<(), String> {
        ensure(record.sequence == self.sequence + 1, || {
            format!(
                "record {} follows record {}",
                record.sequence, self.sequence
            )
        })?;
        ensure(record.time >= self.time, || "time goes back".to_owned())?;
        ensure(self.operations.insert(record.operation_id), || {
            format!("operation {} has two records", record.operation_id)
        })?;
        if let Some(key) = &record.key {
            let scope = (record.caller.name().to_owned(), key.to_string());
            ensure(self.keys.insert(scope), || {
                format!("key {key} is settled twice")
            })?;
        }
        if matches!(record.outcome, Outcome::Refused(_)) {
            ensure(
                record.changes.is_empty() && record.postings.is_empty(),
                || "a refusal changes something".to_owned(),
            )?;
        }
        self.sequence = record.sequence;
        self.time = record.time;
        let mut moved: BTreeMap<EntityId, i128> = BTreeMap::new();
        for change in &record.changes {
            let line = self.lines.entry(change.entity).or_default();
            ensure(change.version == line.version + 1, || {
                format!(
                    "{} goes from version {} to {}",
                    change.entity, line.version, change.version
                )
            })?;
            ensure(change.previous == line.last, || {
                format!(
                    "{} links back to {}, its last record is {}",
                    change.entity, change.previous, line.last
                )
            })?;
            ensure(!change.events.is_empty(), || {
                "a change without events".to_owned()
            })?;
            if change.version == 1 {
                line.opened = record.sequence;
            }
            line.version = change.version;
            line.last = record.sequence;
            let before = line.balance;
            for event in &change.events {
                if let Some(number) = line.evolve(event)? {
                    ensure(self.numbers.insert(number), || {
                        format!("account number {number} is given out twice")
                    })?;
                }
            }
            moved.insert(change.entity, line.balance - before);
        }
        self.postings(record, moved)
    }

    /// Postings sum to zero per currency and are what the events moved.
    fn postings(
        &mut self,
        record: &Record,
        mut moved: BTreeMap<EntityId, i128>,
    ) -> Result<(), String> {
        let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
        for posting in &record.postings {
            let change = record
                .changes
                .get(posting.change as usize)
                .ok_or("a posting without change")?;
            let line = self.lines.entry(change.entity).or_default();
            line.posted += i128::from(posting.amount);
            *sums.entry(posting.currency).or_default() += i128::from(posting.amount);
            ensure(
                line.posted == line.balance && line.balance == posting.balance,
                || {
                    format!(
                        "{}: postings sum to {}, events to {}, the posting says {}",
                        change.entity, line.posted, line.balance, posting.balance
                    )
                },
            )?;
            ensure(line.currency == Some(posting.currency), || {
                format!("{} is posted in another currency", change.entity)
            })?;
            let event_amount = moved.insert(change.entity, 0);
            ensure(event_amount == Some(i128::from(posting.amount)), || {
                format!(
                    "{}: its events move {event_amount:?}, not the posting's amount",
                    change.entity
                )
            })?;
        }
        ensure(moved.values().all(|amount| *amount == 0), || {
            "money moves without a posting".to_owned()
        })?;
        ensure(sums.values().all(|sum| *sum == 0), || {
            format!("the postings sum to {sums:?}")
        })
    }
}

impl Line {
    /// The line after an event; gives the number of a new account.
    fn evolve(&mut self, event: &Event) -> Result<Option<u64>, String> {
        match event {
            Event::Account(AccountEvent::Opened(opened)) => {
                ensure(self.version == 1, || "opened twice".to_owned())?;
                self.currency = Some(opened.currency);
                self.overdraft = Some(opened.overdraft);
                return Ok(Some(opened.number));
            }
            Event::Account(AccountEvent::PersonalErased(beside)) => {
                ensure(*beside == self.opened && !self.erased, || {
                    format!("the values beside record {beside} are erased, again or by another")
                })?;
                self.erased = true;
            }
            Event::Account(_) if self.deleted => return Err("a deleted account changes".to_owned()),
            Event::Account(AccountEvent::StatusChanged(status)) => {
                self.frozen = *status == AccountStatus::Frozen;
                self.deleted = *status == AccountStatus::Deleted;
                ensure(!self.deleted || self.balance == 0, || {
                    "deleted with money".to_owned()
                })?;
            }
            Event::Account(AccountEvent::OverdraftChanged(overdraft)) => {
                self.overdraft = Some(*overdraft);
            }
            Event::Account(AccountEvent::Money(MoneyEvent::Debited(amount))) => {
                self.balance -= i128::from(amount.get());
                ensure(!self.frozen, || "a debit of a frozen account".to_owned())?;
                let over = match self.overdraft {
                    Some(Overdraft::Limit(limit)) => self.balance + i128::from(limit) < 0,
                    Some(Overdraft::Unlimited) => false,
                    None => true,
                };
                ensure(!over && self.balance >= -MOST, || {
                    format!("a debit passes the floor: the balance is {}", self.balance)
                })?;
            }
            Event::Account(AccountEvent::Money(MoneyEvent::Credited(amount))) => {
                self.balance += i128::from(amount.get());
                ensure(self.balance <= MOST, || {
                    "a balance beyond its bound".to_owned()
                })?;
            }
            Event::Account(AccountEvent::Money(_)) | Event::Wallet(_) | Event::Transfer(_) => {
                return Err("nobody asked for it".to_owned());
            }
            Event::External(ExternalEvent::Opened(currency)) => {
                ensure(self.version == 1, || "opened twice".to_owned())?;
                self.currency = Some(*currency);
            }
            Event::External(ExternalEvent::Debited(amount)) => {
                self.balance -= i128::from(amount.get());
            }
            Event::External(ExternalEvent::Credited(amount)) => {
                self.balance += i128::from(amount.get());
            }
            Event::Numbering(NumberingEvent::Issued(count)) => {
                ensure(*count == self.issued + 1, || {
                    "a number is skipped".to_owned()
                })?;
                self.issued = *count;
            }
        }
        Ok(None)
    }
}
