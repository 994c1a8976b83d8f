//! The invariants of every journal, whatever was asked. They are checked record by record, from the
//! events alone.

use std::collections::{BTreeMap, BTreeSet};

use florin_actors::messages::{
    AccountEvent, AccountStatus, Amount, Currency, EntityId, Event, ExternalEvent, MerchantEvent,
    MoneyEvent, NumberingEvent, OperationId, Outcome, Overdraft, Posting, Record, Timestamp,
    WalletEvent, WalletLimits,
};

use super::holds::Holds;

use super::model::MOST;

/// The state of one entity, built from its events.
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
    held: i128,
    posted: i128,
    issued: u64,
    limits: WalletLimits,
    /// The amounts that debits and holds took, by UTC day.
    taken: BTreeMap<i64, i128>,
}

/// A walk over the journal, in order.
#[derive(Debug, Default)]
pub struct Walk {
    sequence: u64,
    time: Timestamp,
    lines: BTreeMap<EntityId, Line>,
    keys: BTreeSet<(String, String)>,
    operations: BTreeSet<OperationId>,
    /// Records that accepted a command that is still to be executed.
    accepted: BTreeMap<u64, OperationId>,
    numbers: BTreeSet<u64>,
    holds: Holds,
}

pub(super) fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

impl Walk {
    /// Checks and applies the next record.
    ///
    /// # Errors
    /// Returns an error that names the broken invariant.
    pub fn take(&mut self, record: &Record) -> Result<(), String> {
        ensure(record.sequence == self.sequence + 1, || {
            format!(
                "record {} follows record {}",
                record.sequence, self.sequence
            )
        })?;
        ensure(record.time >= self.time, || "time goes back".to_owned())?;
        match record.execution {
            None => ensure(self.operations.insert(record.operation_id), || {
                format!("operation {} has two records", record.operation_id)
            })?,
            Some(execution) => {
                let accepted = self.accepted.remove(&execution.accepted);
                ensure(accepted == Some(record.operation_id), || {
                    format!("{} is executed and was not accepted", record.operation_id)
                })?;
            }
        }
        if record.outcome == Outcome::Accepted {
            self.accepted.insert(record.sequence, record.operation_id);
            ensure(
                record.changes.is_empty() && record.postings.is_empty(),
                || "an acceptance changes something".to_owned(),
            )?;
        }
        for (index, item, refused) in record.items() {
            let operation = record.operation_id.item(index, item.transfer.from.shard());
            let is_new = refused.is_some() || self.operations.insert(operation);
            ensure(is_new, || format!("operation {operation} has two records"))?;
        }
        for key in record.keys() {
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
        for (place, change) in record.changes.iter().enumerate() {
            let line = self.lines.entry(change.entity).or_default();
            let raised = u64::from(change.raised);
            let own = |posting: &&Posting| posting.change as usize == place;
            let postings = record.postings.iter().filter(own).count().max(1) as u64;
            ensure(
                raised == postings && change.version == line.version + raised,
                || {
                    format!(
                        "{} goes from version {} by {raised} to {}",
                        change.entity, line.version, change.version
                    )
                },
            )?;
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
                self.holds.take(change.entity, event, record.time)?;
                if let Some(number) = line.evolve(event, record.time)? {
                    ensure(self.numbers.insert(number), || {
                        format!("account number {number} is given out twice")
                    })?;
                }
            }
            moved.insert(change.entity, line.balance - before);
        }
        for entity in moved.keys() {
            let (held, right) = (self.lines[entity].held, self.holds.of(*entity));
            ensure(held == right, || {
                format!("{entity} holds {held}, its pending transfers {right}")
            })?;
        }
        self.holds.settled(record)?;
        self.postings(record, moved)
    }

    /// Checks that postings sum to zero per currency, item by item, and match what the events
    /// moved.
    fn postings(
        &mut self,
        record: &Record,
        mut moved: BTreeMap<EntityId, i128>,
    ) -> Result<(), String> {
        let mut sums: BTreeMap<(u32, Currency), i128> = BTreeMap::new();
        let mut last: BTreeMap<EntityId, &Posting> = BTreeMap::new();
        for posting in &record.postings {
            let change = record
                .changes
                .get(posting.change as usize)
                .ok_or("a posting without change")?;
            let line = self.lines.entry(change.entity).or_default();
            let amount = i128::from(posting.amount);
            line.posted += amount;
            *sums.entry((posting.item, posting.currency)).or_default() += amount;
            ensure(line.posted == posting.balance, || {
                format!(
                    "{}: postings sum to {}, the posting says {}",
                    change.entity, line.posted, posting.balance
                )
            })?;
            ensure(line.currency == Some(posting.currency), || {
                format!("{} is posted in another currency", change.entity)
            })?;
            *moved.entry(change.entity).or_default() -= amount;
            let before = last.insert(change.entity, posting);
            ensure(
                before.is_none_or(|before| before.item < posting.item),
                || format!("{} is posted twice by one item", change.entity),
            )?;
        }
        for (entity, posting) in last {
            let line = &self.lines[&entity];
            ensure(
                line.posted == line.balance && line.held == i128::from(posting.held),
                || {
                    format!(
                        "{entity}: postings sum to {}, events to {}, it holds {}, they say {}",
                        line.posted, line.balance, line.held, posting.held
                    )
                },
            )?;
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
    /// Applies an event to the state. Returns the number of a new account.
    fn evolve(&mut self, event: &Event, time: Timestamp) -> Result<Option<u64>, String> {
        match event {
            Event::Account(AccountEvent::Opened(opened)) => {
                ensure(self.version == 1, || "opened twice".to_owned())?;
                self.currency = Some(opened.currency);
                self.overdraft = Some(opened.overdraft);
                return Ok(Some(opened.number));
            }
            Event::Account(AccountEvent::PersonalErased(beside))
            | Event::Merchant(MerchantEvent::PersonalErased(beside)) => {
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
            Event::Wallet(WalletEvent::Opened(opened)) => {
                ensure(self.version == 1, || "opened twice".to_owned())?;
                self.currency = Some(opened.currency);
                self.overdraft = Some(opened.overdraft);
                self.limits = opened.limits;
            }
            Event::Wallet(WalletEvent::StatusChanged(status)) => {
                self.frozen = *status == AccountStatus::Frozen;
            }
            Event::Wallet(WalletEvent::OverdraftChanged(overdraft)) => {
                self.overdraft = Some(*overdraft);
            }
            Event::Wallet(WalletEvent::LimitsChanged(limits)) => self.limits = *limits,
            Event::Account(AccountEvent::Money(money))
            | Event::Wallet(WalletEvent::Money(money))
            | Event::Merchant(MerchantEvent::Money(money)) => self.money(money, time)?,
            Event::Merchant(MerchantEvent::Opened(opened)) => {
                ensure(self.version == 1, || "opened twice".to_owned())?;
                self.currency = Some(opened.currency);
                self.overdraft = Some(Overdraft::Limit(0));
            }
            // `Holds` tracks what transfers hold.
            Event::Transfer(_) | Event::Card(_) | Event::CardNumber(_) => {}
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

    /// Applies a money event to the state.
    fn money(&mut self, event: &MoneyEvent, time: Timestamp) -> Result<(), String> {
        match event {
            MoneyEvent::Debited(amount) => {
                self.balance -= i128::from(amount.get());
                self.may_take(i128::from(amount.get()), time)?;
            }
            MoneyEvent::Held(amount) => {
                self.held += i128::from(amount.get());
                self.may_take(i128::from(amount.get()), time)?;
            }
            MoneyEvent::Credited(amount) => {
                self.balance += i128::from(amount.get());
                let most = self.limits.max_balance;
                let most = most.map_or(MOST, |most| i128::from(most.get()));
                ensure(self.balance <= most, || {
                    "a balance beyond its bound".to_owned()
                })?;
            }
            MoneyEvent::HoldPosted {
                amount,
                freed,
                held_at,
            } => {
                let (amount, freed) = (i128::from(amount.get()), i128::from(freed.get()));
                ensure(!self.frozen, || "a post of a frozen source".to_owned())?;
                ensure(amount <= freed, || {
                    "more is posted than is freed".to_owned()
                })?;
                self.balance -= amount;
                self.held -= freed;
                *self.taken.entry(day(*held_at)).or_default() -= freed - amount;
            }
            MoneyEvent::HoldReleased { amount, held_at } => {
                let amount = i128::from(amount.get());
                self.held -= amount;
                *self.taken.entry(day(*held_at)).or_default() -= amount;
            }
        }
        ensure(self.held >= 0, || "less than nothing is held".to_owned())?;
        ensure(self.balance >= -MOST, || {
            "a balance beyond its bound".to_owned()
        })?;
        ensure(self.taken.values().all(|taken| *taken >= 0), || {
            "a day gets back more than it gave".to_owned()
        })
    }

    /// Checks a debit or hold, which is already counted, against status, limits and funds.
    fn may_take(&mut self, amount: i128, time: Timestamp) -> Result<(), String> {
        ensure(!self.frozen, || "a debit of a frozen entity".to_owned())?;
        let over = match self.overdraft {
            Some(Overdraft::Limit(limit)) => self.balance - self.held + i128::from(limit) < 0,
            Some(Overdraft::Unlimited) => false,
            None => true,
        };
        ensure(!over, || {
            format!("a debit passes the floor: the balance is {}", self.balance)
        })?;
        let today = self.taken.entry(day(time)).or_default();
        *today += amount;
        let within = |limit: Option<Amount>, amount: i128| {
            limit.is_none_or(|limit| amount <= i128::from(limit.get()))
        };
        ensure(
            within(self.limits.per_transaction, amount) && within(self.limits.per_day, *today),
            || format!("{amount}, of {today} in a day, passes {:?}", self.limits),
        )
    }
}

fn day(time: Timestamp) -> i64 {
    time.as_micros().div_euclid(86_400_000_000)
}
