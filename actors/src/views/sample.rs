//! A small ledger for tests of the views: consecutive records that are written to a journal.

use std::collections::HashMap;
use std::sync::Arc;

use florin_storage::{Chunk, Disk, Journal, Options, Reader, SimulatedDisk};

use crate::base::Clock;
use crate::commands::*;
use crate::encode_record;
use crate::entities::*;
use crate::record::*;
use crate::words::*;

/// The state of an entity after the records so far.
#[derive(Debug, Clone, Default)]
struct Line {
    version: u64,
    last: u64,
    balance: i128,
    overdraft: u64,
}

/// Records, and the states of the entities after them.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    pub(crate) records: Vec<Record>,
    lines: HashMap<EntityId, Line>,
}

/// Returns the account with a number.
pub(crate) fn account(number: u128) -> EntityId {
    EntityId::from_parts(1, number, 0)
}

fn usd() -> Currency {
    "USD".parse().unwrap()
}

/// Returns the external account.
pub(crate) fn outside() -> EntityId {
    Kind::External.system_id(Some(usd()), 0)
}

impl Sample {
    /// Opens an account at a time.
    pub(crate) fn open(&mut self, account: EntityId, micros: i64) {
        let opened = Opened {
            number: 1,
            holder: Personal::Sealed([0; 16]),
            country: "KE".parse().unwrap(),
            currency: usd(),
            overdraft: Overdraft::Limit(1_000),
            reference: None,
            metadata: Metadata::default(),
        };
        let event = Event::Account(AccountEvent::Opened(Box::new(opened)));
        self.line(account).overdraft = 1_000;
        self.record(micros, vec![(account, vec![event], 0)]);
    }

    /// Deposits an amount, or withdraws it if it is negative.
    pub(crate) fn move_money(&mut self, account: EntityId, amount: i64, micros: i64) {
        let moved = Amount::new(amount.unsigned_abs()).unwrap();
        let mut outer = Vec::new();
        if self.line(outside()).version == 0 {
            outer.push(Event::External(ExternalEvent::Opened(usd())));
        }
        let inner = if amount > 0 {
            outer.push(Event::External(ExternalEvent::Debited(moved)));
            AccountEvent::Money(MoneyEvent::Credited(moved))
        } else {
            outer.push(Event::External(ExternalEvent::Credited(moved)));
            AccountEvent::Money(MoneyEvent::Debited(moved))
        };
        let changes = vec![
            (account, vec![Event::Account(inner)], amount),
            (outside(), outer, -amount),
        ];
        self.record(micros, changes);
    }

    /// Changes an account's overdraft limit.
    pub(crate) fn set_overdraft(&mut self, account: EntityId, limit: u64, micros: i64) {
        self.line(account).overdraft = limit;
        let event = AccountEvent::OverdraftChanged(Overdraft::Limit(limit));
        self.record(micros, vec![(account, vec![Event::Account(event)], 0)]);
    }

    /// Freezes or unfreezes an account.
    pub(crate) fn set_status(&mut self, account: EntityId, status: AccountStatus, micros: i64) {
        let event = AccountEvent::StatusChanged(status);
        self.record(micros, vec![(account, vec![Event::Account(event)], 0)]);
    }

    /// Returns the sequence of an entity's last record; 0 if it has none.
    pub(crate) fn last(&self, entity: EntityId) -> u64 {
        self.lines.get(&entity).map_or(0, |line| line.last)
    }

    fn line(&mut self, entity: EntityId) -> &mut Line {
        self.lines.entry(entity).or_default()
    }

    fn record(&mut self, micros: i64, changed: Vec<(EntityId, Vec<Event>, i64)>) {
        let sequence = self.records.len() as u64 + 1;
        let (mut changes, mut postings) = (Vec::new(), Vec::new());
        for (entity, events, amount) in changed {
            let line = self.lines.entry(entity).or_default();
            line.version += 1;
            line.balance += i128::from(amount);
            changes.push(Change {
                entity,
                version: line.version,
                raised: 1,
                previous: line.last,
                events,
            });
            line.last = sequence;
            if amount != 0 {
                postings.push(Posting {
                    change: changes.len() as u32 - 1,
                    item: 0,
                    amount,
                    currency: usd(),
                    balance: line.balance,
                    held: 0,
                    overdraft: if entity == outside() {
                        Overdraft::Unlimited
                    } else {
                        Overdraft::Limit(line.overdraft)
                    },
                });
            }
        }
        let operation_id = OperationId::from_parts(sequence, u128::from(sequence) * 77, 0);
        let command = Command::DeleteAccount(DeleteAccount {
            account: account(0),
        });
        self.records.push(Record {
            sequence,
            time: Timestamp::from_micros(micros),
            epoch: 0,
            operation_id,
            caller: Caller::default(),
            // Two of three records have a key.
            key: (!sequence.is_multiple_of(3)).then(|| format!("key {sequence}").into()),
            request_id: RequestId::Made(operation_id),
            correlation_id: None,
            causation_id: None,
            trace: None,
            command,
            execution: None,
            outcome: Outcome::Done(None),
            changes,
            postings,
            input: None,
        });
    }

    /// Writes the records to a journal, `per_frame` of them in each frame.
    pub(crate) fn write(&self, disk: &SimulatedDisk, per_frame: usize) -> Reader {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let mut journal = Journal::open(disk, Options::new([1; 16]), 0).unwrap();
        for records in self.records.chunks(per_frame) {
            let mut chunk = Chunk::new(records[0].sequence, 1 << 20);
            for record in records {
                encode_record(record, chunk.begin()).unwrap();
                chunk.end(record.time.as_micros(), None).unwrap();
            }
            journal.queue.push(chunk);
            journal.committer.run_pending().unwrap();
        }
        let reader = journal.reader.clone();
        journal.committer.finish().unwrap();
        reader
    }
}

/// A clock that stands still.
#[derive(Debug)]
pub(crate) struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0)
    }

    fn nanos(&self) -> u64 {
        0
    }
}
