//! The embedded bus beside a running node.

use std::sync::Mutex;

use super::*;
use crate::bus::{
    Bindings, BusState, BusStore, Consumer, DeliveryPolicy, EmbeddedBus, Handling, Message, Reads,
    Telemetry,
};

/// The longest time that the bus may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A consumer that notes the keys of the messages it handles.
struct Keys {
    topics: [String; 1],
    seen: Arc<Mutex<Vec<String>>>,
}

impl Consumer for Keys {
    fn group(&self) -> &str {
        "keys"
    }

    fn topics(&self) -> &[String] {
        &self.topics
    }

    fn reads(&self) -> Reads {
        Reads::Share
    }

    fn position(&self, _: &str, _: i32) -> Option<i64> {
        None
    }

    fn handle(&self, message: Arc<Message>) -> Handling {
        let key = String::from_utf8(message.key.clone().unwrap()).unwrap();
        self.seen.lock().unwrap().push(key);
        Box::pin(async { Ok(()) })
    }
}

fn bus(node: &Node, disk: &SimulatedDisk, topic: &str) -> (EmbeddedBus, Arc<Mutex<Vec<String>>>) {
    let disk: Arc<dyn florin_storage::Disk> = Arc::new(disk.clone());
    let seen = Arc::default();
    let consumer = Keys {
        topics: [topic.to_owned()],
        seen: Arc::clone(&seen),
    };
    let bus = EmbeddedBus::start(
        node.outbox(),
        Bindings::default(),
        vec![Arc::new(consumer)],
        BusStore::open(&disk, node.core().upkeep()).unwrap(),
        Arc::new(Telemetry::new(BusState::Embedded)),
        Arc::new(SystemClock),
        DeliveryPolicy {
            attempts_max: 3,
            backoff_min: Duration::from_millis(1),
            backoff_max: Duration::from_millis(4),
            redrives_max: 2,
        },
    );
    (bus.unwrap(), seen)
}

/// Waits until `count` keys were seen, and returns the keys.
fn wait(seen: &Mutex<Vec<String>>, count: usize) -> Vec<String> {
    let end = SystemClock.nanos() + LIMIT.as_nanos() as u64;
    loop {
        let now = seen.lock().unwrap().clone();
        if now.len() >= count {
            return now;
        }
        assert!(SystemClock.nanos() < end, "{} of {count}", now.len());
        std::thread::yield_now();
    }
}

#[test]
fn a_consumer_of_accounts_sees_each_among_movements() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, true);
        let core = node.core();
        let mut expected = vec![opened(core).await];
        let (bus, seen) = bus(&node, &disk, "account-events");
        for round in 0..40 {
            for _ in 0..round % 4 {
                decided(core, deposit(expected[0], 1), None).await;
            }
            expected.push(opened(core).await);
        }
        let last = expected.len();
        decided(core, deposit(expected[0], 1), None).await;
        let names: Vec<String> = expected.iter().map(ToString::to_string).collect();
        assert_eq!(wait(&seen, last), names);
        bus.stop();
    });
}

#[test]
fn a_consumer_of_movements_sees_each_as_it_comes() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, true);
        let account = opened(node.core()).await;
        let (bus, seen) = bus(&node, &disk, "deposit-completed");
        for round in 1..=20 {
            decided(node.core(), deposit(account, 1), None).await;
            assert!(
                wait(&seen, round)
                    .iter()
                    .all(|key| *key == account.to_string())
            );
        }
        bus.stop();
    });
}
