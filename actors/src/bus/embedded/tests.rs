//! Tests of the embedded bus on a journal: order, retries, dead letters, and resumption after a
//! restart.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use florin_storage::{Disk, Journal, Options, SimulatedDisk};
use tokio::sync::watch;

use super::*;
use crate::base::SystemClock;
use crate::bus::*;
use crate::entities::AccountStatus;
use crate::views::sample::{Sample, account};
use crate::words::EntityId;

const TOPIC: &str = "account-events";
const MALFORMED: Fault = Fault::Fails(Reason::Malformed);
/// The delivery policy of these tests.
pub(crate) const POLICY: DeliveryPolicy = DeliveryPolicy {
    attempts_max: 3,
    backoff_min: Duration::from_millis(1),
    backoff_max: Duration::from_millis(4),
    redrives_max: 2,
};

/// The planned failures by account: handling the account's messages fails that many times, and
/// succeeds afterwards.
type Plan = HashMap<EntityId, (u32, Fault)>;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    Fails(Reason),
    Panics,
    NeverEnds,
}

impl Fault {
    /// Returns whether the message is tried again. The failure then applies only to the account's
    /// first event, because the other messages of the window are handed over before the retry.
    fn is_retried(self) -> bool {
        matches!(self, Self::Fails(reason) if reason != Reason::Malformed)
            || matches!(self, Self::Panics)
    }
}

/// A consumer that records which messages it was handed and which it handled.
pub(crate) struct Recorder {
    topics: Vec<String>,
    plan: Mutex<Plan>,
    handled: Arc<Mutex<Vec<i64>>>,
    pub(crate) handed: Mutex<Vec<i64>>,
}

impl Recorder {
    pub(crate) fn new(plan: impl IntoIterator<Item = (u128, u32, Fault)>) -> Arc<Self> {
        let plan = plan.into_iter();
        Arc::new(Self {
            topics: vec![TOPIC.to_owned()],
            plan: Mutex::new(
                plan.map(|(number, times, fault)| (account(number), (times, fault)))
                    .collect(),
            ),
            handled: Arc::default(),
            handed: Mutex::default(),
        })
    }

    pub(crate) fn handled(&self) -> Vec<i64> {
        self.handled.lock().unwrap().clone()
    }
}

impl Consumer for Recorder {
    fn group(&self) -> &str {
        "testers"
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
        self.handed.lock().unwrap().push(message.offset);
        let key = String::from_utf8(message.key.clone().unwrap()).unwrap();
        let entity: EntityId = key.parse().unwrap();
        let is_first = message.header("event-type") == Some("account.created");
        let mut plan = self.plan.lock().unwrap();
        let fault = match plan.get_mut(&entity) {
            Some((times, fault)) if *times > 0 && (is_first || !fault.is_retried()) => {
                *times -= 1;
                Some(*fault)
            }
            _ => None,
        };
        drop(plan);
        match fault {
            None => {
                let handled = Arc::clone(&self.handled);
                Box::pin(async move {
                    handled.lock().unwrap().push(message.offset);
                    Ok(())
                })
            }
            Some(Fault::Fails(reason)) => {
                Box::pin(async move { Err(Failure::new(reason, "as planned")) })
            }
            Some(Fault::Panics) => panic!("as planned"),
            Some(Fault::NeverEnds) => Box::pin(std::future::pending()),
        }
    }
}

/// Returns a journal with the given number of accounts. Each is opened and later frozen.
pub(crate) fn sample(accounts: u128) -> Sample {
    let mut sample = Sample::default();
    for number in 1..=accounts {
        sample.open(account(number), number as i64);
        sample.move_money(account(number), 5, number as i64);
    }
    for number in 1..=accounts {
        sample.set_status(account(number), AccountStatus::Frozen, 1_000_000);
    }
    sample
}

pub(crate) struct Stage {
    disk: Arc<dyn Disk>,
    outbox: Outbox,
    telemetry: Arc<Telemetry>,
}

impl Stage {
    pub(crate) fn new(sample: &Sample) -> Self {
        let disk = SimulatedDisk::new();
        sample.write(&disk, 3);
        let disk: Arc<dyn Disk> = Arc::new(disk);
        let journal = Journal::open(Arc::clone(&disk), Options::new([1; 16]), 0).unwrap();
        Self {
            disk,
            outbox: Outbox {
                reader: journal.reader.clone(),
                watermark: Arc::clone(&journal.watermark),
                last_unmoving: watch::Sender::new(journal.head.sequence).subscribe(),
                id: [1; 16],
                upkeep: crate::upkeep::Upkeep::default(),
            },
            telemetry: Arc::new(Telemetry::new(BusState::Embedded)),
        }
    }

    pub(crate) fn start(&self, consumer: &Arc<Recorder>) -> EmbeddedBus {
        let consumer: Arc<dyn Consumer> = Arc::clone(consumer) as Arc<dyn Consumer>;
        EmbeddedBus::start(
            self.outbox.clone(),
            Bindings::default(),
            vec![consumer],
            BusStore::open(&self.disk, &self.outbox.upkeep).unwrap(),
            Arc::clone(&self.telemetry),
            Arc::new(SystemClock),
            POLICY,
        )
        .unwrap()
    }

    pub(crate) fn failed(&self) -> Vec<(&'static str, u64)> {
        let counts = self.telemetry.counts().into_iter();
        counts
            .filter_map(|(counted, count)| match counted {
                Counted::Failed { reason, .. } => Some((reason, count)),
                _ => None,
            })
            .collect()
    }
}

/// Polls until the condition holds, for much longer than it should take.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..6_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("not within 30 s: {what}");
}

pub(crate) async fn end(bus: EmbeddedBus) {
    bus.stop();
    bus.stopped().await;
}

#[tokio::test]
async fn a_poison_message_becomes_a_dead_letter_and_the_others_go_on_in_order() {
    let stage = Stage::new(&sample(5));
    let consumer = Recorder::new([(2, 1, MALFORMED), (4, 3, Fault::Panics)]);
    let bus = stage.start(&consumer);
    until("all are handled", || consumer.handled().len() == 8).await;
    let handled = consumer.handled();
    assert!(handled.is_sorted(), "{handled:?}");
    until("both are dead letters", || {
        stage.telemetry.dead_letters() == [(TOPIC.to_owned(), 2)]
    })
    .await;
    assert_eq!(stage.failed(), [("malformed", 1), ("panicked", 1)]);
    let letters = bus.dead_letters().list(None, None, 10).await.unwrap();
    let reasons: Vec<&str> = letters.iter().map(|one| one.reason.as_str()).collect();
    assert_eq!(reasons, ["malformed", "panicked"]);
    assert_eq!(letters[0].id.to_string(), "account-events.dlq:0:0");
    assert_eq!((letters[0].attempts, letters[1].attempts), (1, 3));
    assert_eq!(
        bus.dead_letters().get(&letters[1].id).await.unwrap(),
        letters[1]
    );
    // After a successful redrive the message is handled and no longer waits as a dead letter.
    let redriven = bus.dead_letters().redrive(&letters[0].id).await;
    assert_eq!(redriven, Ok(Redriven::Handled));
    assert_eq!(consumer.handled().len(), 9);
    assert_eq!(stage.telemetry.dead_letters(), [(TOPIC.to_owned(), 1)]);
    let again = bus.dead_letters().redrive(&letters[0].id).await;
    assert_eq!(again, Err(DeadLettersError::NotFound));
    end(bus).await;
}

#[tokio::test]
async fn a_start_goes_on_behind_what_was_handled() {
    let stage = Stage::new(&sample(3));
    let consumer = Recorder::new([(3, 2, MALFORMED)]);
    let bus = stage.start(&consumer);
    until("all are past", || stage.failed() == [("malformed", 2)]).await;
    end(bus).await;
    assert_eq!(consumer.handed.lock().unwrap().len(), 6);
    let next = Recorder::new([]);
    let bus = stage.start(&next);
    until("nothing is left", || {
        stage.telemetry.lags() == [((TOPIC.to_owned(), 0, "testers".to_owned()), 0)]
    })
    .await;
    assert_eq!(next.handled(), Vec::<i64>::new());
    assert_eq!(stage.telemetry.dead_letters(), [(TOPIC.to_owned(), 2)]);
    end(bus).await;
}

#[tokio::test]
async fn a_stop_notes_how_far_it_is() {
    let stage = Stage::new(&sample(3));
    let consumer = Recorder::new([]);
    let bus = stage.start(&consumer);
    until("all are handled", || consumer.handled().len() == 6).await;
    end(bus).await;
    let next = Recorder::new([]);
    let bus = stage.start(&next);
    until("nothing is left", || {
        stage.telemetry.lags() == [((TOPIC.to_owned(), 0, "testers".to_owned()), 0)]
    })
    .await;
    assert_eq!(next.handed.lock().unwrap().len(), 0);
    end(bus).await;
}

#[tokio::test]
async fn what_may_go_well_later_is_tried_again_before_what_follows() {
    let stage = Stage::new(&sample(4));
    let consumer = Recorder::new([
        (1, 2, Fault::Fails(Reason::TimedOut)),
        // It fails more often than `attempts_max`: failures of the node itself are retried without
        // limit.
        (2, 9, Fault::Fails(Reason::Overloaded)),
        (3, 3, Fault::Fails(Reason::TimedOut)),
    ]);
    let bus = stage.start(&consumer);
    until("all are past", || {
        consumer.handled().len() == 7 && stage.failed() == [("timed_out", 1)]
    })
    .await;
    let letters = bus
        .dead_letters()
        .list(Some(TOPIC), None, 10)
        .await
        .unwrap();
    assert_eq!((letters.len(), letters[0].attempts), (1, 3));
    let retried = Counted::Retried {
        topic: TOPIC.to_owned(),
        group: "testers".to_owned(),
    };
    let counts = stage.telemetry.counts();
    assert!(counts.contains(&(retried, 2 + 9 + 2)), "{counts:?}");
    end(bus).await;
}

#[tokio::test]
async fn a_redrive_that_fails_is_noted_and_bounded() {
    let stage = Stage::new(&sample(1));
    let consumer = Recorder::new([(1, 9, MALFORMED)]);
    let bus = stage.start(&consumer);
    until("both are dead letters", || {
        stage.failed() == [("malformed", 2)]
    })
    .await;
    let letters = bus.dead_letters();
    let id = letters.list(None, None, 1).await.unwrap()[0].id.clone();
    for redrives in 1..=2 {
        let redriven = letters.redrive(&id).await.unwrap();
        assert!(matches!(redriven, Redriven::Failed(_)));
        assert_eq!(letters.get(&id).await.unwrap().redrives, redrives);
    }
    assert_eq!(
        letters.redrive(&id).await,
        Err(DeadLettersError::TooOften(2))
    );
    end(bus).await;
}

#[tokio::test]
async fn a_consumer_that_never_ends_holds_up_no_stop_and_gets_a_bounded_number() {
    let stage = Stage::new(&sample(200));
    let consumer = Recorder::new((1..=200).map(|number| (number, 2, Fault::NeverEnds)));
    let bus = stage.start(&consumer);
    until("its window is full", || {
        consumer.handed.lock().unwrap().len() == 256
    })
    .await;
    let stopped = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&stopped);
    let waiting = tokio::spawn(async move {
        end(bus).await;
        done.store(true, Ordering::SeqCst);
    });
    until("it stops", || stopped.load(Ordering::SeqCst)).await;
    waiting.await.unwrap();
    assert_eq!(consumer.handed.lock().unwrap().len(), 256);
}
