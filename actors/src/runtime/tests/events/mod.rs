//! The events that a record makes: records come from the real core, and each event is checked
//! against its schema.

mod golden;
mod many;
mod outcomes;
mod rows;

use serde_json::{Value as Json, json};

use super::*;
use crate::events::{BusEvent, EventType, check, events_of, schema};
use crate::record_codec::{decode_record, encode_record};

const WAIT: Duration = Duration::from_secs(5);
/// The longest time that the core may take, in its virtual time.
const LIMIT: Duration = Duration::from_secs(60);

/// A node of its own whose records and events are checked.
struct Told {
    node: Node,
    clock: Arc<TestClock>,
}

impl Told {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(set: impl FnOnce(&mut NodeOptions)) -> Self {
        let clock = TestClock::start();
        let mut options = options(&SimulatedDisk::new(), true, Arc::clone(&clock));
        set(&mut options);
        let node = Node::start(options).unwrap();
        Self { node, clock }
    }

    fn core(&self) -> &Core {
        self.node.core()
    }

    /// Every record of the journal so far.
    fn records(&self) -> Vec<Record> {
        let frames = self.node.outbox().reader.frames(1);
        let frames: Vec<_> = frames.map(Result::unwrap).collect();
        let records = frames.iter().flat_map(|frame| frame.iter());
        records
            .map(|(_, bytes)| decode_record(bytes).unwrap())
            .collect()
    }

    /// Executes a command, and returns the events of its record.
    async fn of(&self, command: Command, key: Option<&str>) -> Vec<BusEvent> {
        let decided = decided(self.core(), command, key).await;
        assert!(decided.stored, "no record: {:?}", decided.record.outcome);
        events(&decided.record)
    }

    /// Has a command accepted first, and returns the events of both its records.
    async fn later(&self, command: Command) -> (Vec<BusEvent>, Vec<BusEvent>) {
        let asynchronous = Context {
            asynchronous: true,
            ..context(None)
        };
        let reply = self
            .core()
            .submit(command, asynchronous, WAIT)
            .unwrap()
            .await;
        let Reply::Decided(accepted) = reply else {
            panic!("not accepted: {reply:?}")
        };
        assert_eq!(accepted.record.outcome, Outcome::Accepted);
        let id = accepted.record.operation_id;
        let executed = self
            .until(|record| record.operation_id == id && record.execution.is_some())
            .await;
        (events(&accepted.record), events(&executed))
    }

    /// Waits for a record, and returns it.
    async fn until(&self, is_it: impl Fn(&Record) -> bool) -> Record {
        let began = tokio::time::Instant::now();
        loop {
            if let Some(found) = self.records().into_iter().find(&is_it) {
                return found;
            }
            assert!(began.elapsed() < LIMIT, "the record doesn't come");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn account(&self, balance: u64) -> EntityId {
        let account = opened(self.core()).await;
        if balance > 0 {
            decided(self.core(), deposit(account, balance), None).await;
        }
        account
    }

    async fn wallet(&self, currency: &str) -> EntityId {
        let open = open_wallet(currency.parse().unwrap());
        let decided = decided(self.core(), open, None).await;
        decided.record.wallet().unwrap().id
    }
}

/// Returns a record's events, after checking what must be true of all events.
fn events(record: &Record) -> Vec<BusEvent> {
    let events = events_of(record);
    assert_eq!(events, events_of(record), "told otherwise the second time");
    let mut ids = Vec::new();
    for (place, event) in events.iter().enumerate() {
        assert_eq!(
            (event.index as usize, event.sequence),
            (place, record.sequence)
        );
        assert_eq!(event.time, record.time);
        let value = value(event);
        assert_eq!(
            check(&schema(event.event_type), &value),
            Ok(()),
            "{event:?}"
        );
        if let Some(id) = value.get("eventId") {
            assert_eq!(*id, event.id.to_string());
        }
        ids.push(event.id);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), events.len(), "two events have one id");
    events
}

fn value(event: &BusEvent) -> Json {
    serde_json::from_slice(&event.json()).unwrap()
}

fn names(events: &[BusEvent]) -> Vec<&'static str> {
    let names = events.iter().map(|event| event.event_type.document());
    names.collect()
}

/// Returns the value of the first event with this name.
fn told(events: &[BusEvent], name: &str) -> Json {
    let mut events = events.iter();
    let found = events.find(|event| event.event_type.document() == name);
    value(found.unwrap_or_else(|| panic!("there is no {name}")))
}

fn keys(events: &[BusEvent]) -> Vec<EntityId> {
    events.iter().map(|event| event.key).collect()
}

fn open_wallet(currency: Currency) -> Command {
    Command::OpenWallet(Box::new(OpenWallet {
        customer: EntityId::from_parts(1, 1, 0),
        name: Some("Savings".to_owned()),
        currency,
        overdraft: Overdraft::Limit(0),
        limits: WalletLimits::default(),
    }))
}

fn withdraw(from: EntityId, value: u64) -> Command {
    Command::Withdraw(Withdraw {
        from,
        amount: amount(value),
        currency: None,
        reference: Some("rent".to_owned()),
        metadata: Metadata::default(),
    })
}

fn pairs() -> Metadata {
    Metadata::new(BTreeMap::from([("order".to_owned(), "9".to_owned())])).unwrap()
}

fn update(account: EntityId, status: Option<AccountStatus>, limit: Option<u64>) -> Command {
    Command::UpdateAccount(UpdateAccount {
        account,
        status,
        overdraft: limit.map(Overdraft::Limit),
    })
}

fn hold(from: EntityId, to: EntityId, value: u64, expires_in_seconds: Option<u32>) -> Command {
    let Command::Transfer(transfer) = transfer(from, to, value) else {
        unreachable!()
    };
    Command::Hold(Box::new(Hold {
        transfer,
        expires_in_seconds,
    }))
}

fn item(from: EntityId, to: EntityId, value: u64) -> BatchItem {
    let Command::Transfer(transfer) = transfer(from, to, value) else {
        unreachable!()
    };
    BatchItem {
        transfer,
        pending: None,
        key: None,
    }
}

fn batch(atomic: bool, items: Vec<BatchItem>) -> Command {
    Command::Batch(Box::new(Batch { atomic, items }))
}

fn legs(legs: &[(EntityId, EntityId, u64)]) -> Command {
    let legs = legs.iter().map(|(from, to, value)| Leg {
        from: *from,
        to: *to,
        amount: amount(*value),
    });
    Command::Transact(Box::new(Transact {
        legs: legs.collect(),
        reference: Some("exchange".to_owned()),
        metadata: Metadata::default(),
    }))
}

const MADE: [&str; 2] = ["TRANSACTION_INITIATED", "TRANSACTION_COMPLETED"];
