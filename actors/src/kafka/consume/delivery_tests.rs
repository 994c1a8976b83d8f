//! Drives both buses through the same failures: each must decide in the same way. The embedded bus
//! runs as it is. On the Kafka side the hand-over and the state of a partition run without a broker.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Instant;

use tokio::runtime::Handle;

use super::handling::hand_over;
use super::partition::Partition;
use crate::bus::embedded_tests::{Fault, POLICY, Recorder, Stage, end, sample, until};
use crate::bus::{Message, Reason};
use crate::views::sample::account;

/// What a bus did with a message.
#[derive(Debug, PartialEq)]
struct Seen {
    /// The number of times that the consumer was handed the message.
    attempts: usize,
    /// The reason, the error and the number of attempts of its dead letter, if it became one.
    dead: Option<(String, String, u32)>,
}

/// A consumer's failure at the first attempts, their number, and what follows: the number of
/// attempts, and the reason of the dead letter.
type Case = (Fault, u32, usize, Option<&'static str>);

const fn fails(reason: Reason) -> Fault {
    Fault::Fails(reason)
}

/// The table of failures, with at most three attempts.
const CASES: &[Case] = &[
    // No further attempt can succeed.
    (fails(Reason::Malformed), 1, 1, Some("malformed")),
    (fails(Reason::UnknownVersion), 1, 1, Some("unknown_version")),
    (fails(Reason::TooLarge), 1, 1, Some("body_too_large")),
    // A limited number of attempts.
    (fails(Reason::TimedOut), 2, 3, None),
    (fails(Reason::TimedOut), 3, 3, Some("timed_out")),
    (fails(Reason::Quarantined), 2, 3, None),
    (fails(Reason::Quarantined), 3, 3, Some("actor_quarantined")),
    (fails(Reason::JournalDamaged), 3, 3, Some("journal_damaged")),
    (fails(Reason::Panicked), 3, 3, Some("panicked")),
    (Fault::Panics, 2, 3, None),
    (Fault::Panics, 3, 3, Some("panicked")),
    // The reason passes without the message.
    (fails(Reason::Overloaded), 9, 10, None),
    (fails(Reason::ShuttingDown), 9, 10, None),
    (fails(Reason::DiskLow), 9, 10, None),
    (fails(Reason::Disk), 9, 10, None),
    (fails(Reason::ViewBehind), 9, 10, None),
    (fails(Reason::OutcomeUnknown), 9, 10, None),
];

/// Returns what the embedded bus does with a message that fails so often.
async fn on_the_embedded_bus(fault: Fault, times: u32) -> Seen {
    let stage = Stage::new(&sample(1));
    let consumer = Recorder::new([(1, times, fault)]);
    let bus = stage.start(&consumer);
    // The account's second message follows, and never fails.
    until("both are past", || {
        consumer.handled().len() + stage.failed().len() == 2
    })
    .await;
    let letters = bus.dead_letters().list(None, None, 10).await.unwrap();
    end(bus).await;
    let handed = consumer.handed.lock().unwrap();
    Seen {
        attempts: handed.iter().filter(|offset| **offset == handed[0]).count(),
        dead: letters
            .into_iter()
            .next()
            .map(|letter| (letter.reason, letter.error, letter.attempts)),
    }
}

/// Returns what the Kafka side does with a message that fails so often.
fn on_kafka(fault: Fault, times: u32) -> Seen {
    let consumer = Recorder::new([(1, times, fault)]);
    let (results, received) = channel();
    let hand_over = |message: &Arc<Message>| {
        let runtime = Handle::current();
        hand_over(consumer.as_ref(), &runtime, &results, message);
    };
    let message = Arc::new(Message {
        topic: "account-events".into(),
        partition: 0,
        offset: 0,
        incarnation: Default::default(),
        settled_before: 0,
        timestamp_millis: None,
        key: Some(account(1).to_string().into_bytes()),
        headers: vec![("event-type".to_owned(), b"account.created".to_vec())],
        value: None,
    });
    let mut partition = Partition::new(0, POLICY, false);
    assert!(partition.receive(&message));
    hand_over(&message);
    let mut now = Instant::now();
    let dead = loop {
        for handled in received.try_iter() {
            partition.set_result(handled.message.offset, handled.result);
        }
        if !partition.advance().is_empty() {
            break None;
        }
        let (mut dead, _) = partition.begin_dead_letters(now);
        if let Some(dead) = dead.pop() {
            let reason = dead.failure.reason.code().to_owned();
            break Some((reason, dead.failure.detail, dead.attempts));
        }
        if let Some((message, is_retry)) = partition.due(now) {
            assert!(is_retry);
            hand_over(&message);
        }
        now += POLICY.backoff_max;
    };
    let attempts = consumer.handed.lock().unwrap().len();
    Seen { attempts, dead }
}

#[tokio::test]
async fn both_buses_decide_alike() {
    for (fault, times, attempts, reason) in CASES {
        let embedded = on_the_embedded_bus(*fault, *times).await;
        let kafka = on_kafka(*fault, *times);
        assert_eq!(embedded, kafka, "{fault:?}, {times} times");
        let dead = kafka.dead.as_ref();
        assert_eq!(kafka.attempts, *attempts, "{fault:?}, {times} times");
        assert_eq!(dead.map(|dead| dead.0.as_str()), *reason, "{fault:?}");
        assert!(dead.is_none_or(|dead| dead.2 as usize == *attempts));
    }
}

#[test]
fn the_table_contains_every_reason() {
    for reason in Reason::ALL {
        let is_it = |case: &&Case| matches!(case.0, Fault::Fails(known) if known == reason);
        assert!(CASES.iter().any(|case| is_it(&case)), "{reason:?}");
    }
}
