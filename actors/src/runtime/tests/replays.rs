//! Replays of a real journal to targets that fail, are stopped and are killed.

use std::path::Path;
use std::sync::Mutex;

use florin_storage::threads::Spawner;

use super::*;
use crate::bus::{
    Bindings, EventPlace, OpenTarget, Order, Outbox, Progress, Replay, ReplayError, ReplayState,
    ReplayTarget, Replayed, Replays, Selection, TargetFault, look,
};
use crate::events::{BusEvent, EventType, events_of};
use crate::record_codec::decode_record;

/// The longest time that a replay may take.
const LIMIT: Duration = Duration::from_secs(60);
const DEPOSITS: u64 = 40;

/// Creates a journal of some accounts and deposits; a deposit makes three events.
fn journal() -> (Node, Outbox) {
    let (sender, made) = std::sync::mpsc::channel();
    run(async move {
        let node = start(&SimulatedDisk::new(), true);
        let accounts = [opened(node.core()).await, opened(node.core()).await];
        for number in 0..DEPOSITS {
            let account = accounts[number as usize % 2];
            decided(node.core(), deposit(account, number + 1), None).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let outbox = node.outbox();
        sender.send((node, outbox)).unwrap();
    });
    made.recv().unwrap()
}

fn all(outbox: &Outbox) -> Vec<BusEvent> {
    let frames: Vec<_> = outbox.reader.frames(1).map(Result::unwrap).collect();
    let records = frames.iter().flat_map(|frame| frame.iter());
    records
        .flat_map(|(_, bytes)| events_of(&decode_record(bytes).unwrap()))
        .collect()
}

fn order(selection: Selection) -> Order {
    Order {
        selection,
        topics: Vec::new(),
        dry_run: false,
    }
}

/// The events that came to a target, each with its topics, and the replay's progress stored there.
#[derive(Debug, Default)]
struct Came {
    events: Vec<(String, Vec<String>)>,
    progress: Option<Progress>,
    opened: u32,
    /// The number of calls to refuse from now on.
    faults: u32,
    /// Set if the target refuses for good.
    is_gone: bool,
    /// Set if the target takes events but reports a failure, like a broker that dies before it
    /// answers.
    is_unclear: bool,
}

#[derive(Debug, Clone, Default)]
struct Target {
    came: Arc<Mutex<Came>>,
    /// Set if the target stores the replay's progress, as Kafka does.
    keeps: bool,
}

impl ReplayTarget for Target {
    fn progress(&mut self) -> Result<Option<Progress>, TargetFault> {
        let came = self.came.lock().unwrap();
        Ok(came.progress.clone().filter(|_| self.keeps))
    }

    fn put(&mut self, events: &[Replayed<'_>], progress: &Progress) -> Result<(), TargetFault> {
        let mut came = self.came.lock().unwrap();
        if came.is_gone {
            return Err(TargetFault::Final("gone".to_owned()));
        }
        if came.faults > 0 {
            came.faults -= 1;
            if !came.is_unclear {
                return Err(TargetFault::Transient("away".to_owned()));
            }
        }
        for replayed in events {
            let topics = replayed.topics.iter().map(|(topic, _)| (*topic).to_owned());
            let event = (replayed.event.id.to_string(), topics.collect());
            came.events.push(event);
        }
        came.progress = Some(progress.clone());
        if came.is_unclear {
            came.is_unclear = false;
            return Err(TargetFault::Transient("unclear".to_owned()));
        }
        Ok(())
    }
}

impl Target {
    fn keeping() -> Self {
        Self {
            keeps: true,
            ..Self::default()
        }
    }

    fn ids(&self) -> Vec<String> {
        let came = self.came.lock().unwrap();
        came.events.iter().map(|(id, _)| id.clone()).collect()
    }

    fn opener(&self) -> OpenTarget {
        let target = self.clone();
        Box::new(move |_, _| {
            target.came.lock().unwrap().opened += 1;
            Ok(Box::new(target.clone()))
        })
    }
}

fn begin(outbox: &Outbox, folder: &Path, target: &Target) -> Replays {
    let (reader, file) = (outbox.reader.clone(), folder.join("replays.json"));
    Replays::start(
        reader,
        Bindings::default(),
        file,
        Some(target.opener()),
        &Spawner::default(),
    )
    .unwrap()
}

fn id(number: u128) -> OperationId {
    OperationId::from_parts(1, number, 0)
}

#[allow(
    clippy::disallowed_methods,
    reason = "a thread of the machine's is waited for"
)]
fn until(replays: &Replays, id: OperationId, wanted: ReplayState) -> Replay {
    let began = std::time::Instant::now();
    loop {
        let replay = replays.get(id).unwrap();
        if replay.state == wanted {
            return replay;
        }
        assert!(began.elapsed() < LIMIT, "{replay:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn ids(events: &[BusEvent]) -> Vec<String> {
    events.iter().map(|event| event.id.to_string()).collect()
}

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

#[test]
fn a_replay_gives_the_same_events_in_their_order_and_survives_the_process() {
    let (_node, outbox) = journal();
    let folder = tempfile::tempdir().unwrap();
    let target = Target::keeping();
    let replays = begin(&outbox, folder.path(), &target);
    let begun = replays
        .begin(id(1), order(Selection::default()), NOW)
        .unwrap();
    assert_eq!(begun.state, ReplayState::Running);
    assert_eq!(begun.order.selection.to, Some(outbox.reader.durable()));
    let done = until(&replays, id(1), ReplayState::Completed);
    let events = all(&outbox);
    assert_eq!(target.ids(), ids(&events));
    assert_eq!(done.progress.events, 2 + 3 * DEPOSITS);
    assert_eq!(done.progress.topics["deposit-completed"], DEPOSITS);
    assert_eq!(done.progress.topics["transaction-events"], 2 * DEPOSITS);
    replays.end();
    let replays = begin(&outbox, folder.path(), &target);
    assert_eq!(replays.get(id(1)), Some(done));
    assert!(matches!(replays.resume(id(1)), Err(ReplayError::Ended)));
    assert!(matches!(replays.stop(id(2)), Err(ReplayError::Unknown)));
}

#[test]
fn a_selection_takes_what_it_names() {
    let (_node, outbox) = journal();
    let events = all(&outbox);
    let middle = &events[events.len() / 2];
    type Meant<'a> = Box<dyn Fn(&BusEvent) -> bool + 'a>;
    let selections: Vec<(Selection, Meant<'_>)> = vec![
        (
            Selection {
                from: 5,
                to: Some(9),
                ..Selection::default()
            },
            Box::new(|event| (5..=9).contains(&event.sequence)),
        ),
        (
            Selection {
                types: vec![EventType::DepositCompleted],
                ..Selection::default()
            },
            Box::new(|event| event.event_type == EventType::DepositCompleted),
        ),
        (
            Selection {
                key: Some(middle.key),
                ..Selection::default()
            },
            Box::new(|event| event.key == middle.key),
        ),
        (
            Selection {
                from_time: Some(middle.time),
                ..Selection::default()
            },
            Box::new(|event| event.time >= middle.time),
        ),
        (
            Selection {
                to_time: Some(middle.time),
                ..Selection::default()
            },
            Box::new(|event| event.time < middle.time),
        ),
        (
            Selection {
                correlation: Some("test".to_owned()),
                ..Selection::default()
            },
            Box::new(|_| true),
        ),
        (
            Selection {
                correlation: Some("other".to_owned()),
                ..Selection::default()
            },
            Box::new(|_| false),
        ),
        (
            Selection {
                from: 1_000,
                ..Selection::default()
            },
            Box::new(|_| false),
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (number, (selection, takes)) in (1..).zip(selections) {
        let wanted: Vec<_> = events
            .iter()
            .filter(|event| takes(event))
            .cloned()
            .collect();
        let target = Target::keeping();
        let replays = begin(&outbox, folder.path(), &target);
        replays
            .begin(id(number), order(selection.clone()), NOW)
            .unwrap();
        let done = until(&replays, id(number), ReplayState::Completed);
        assert_eq!(target.ids(), ids(&wanted), "{selection:?}");
        assert_eq!(done.progress.events, wanted.len() as u64, "{selection:?}");
        // Parts of any size add up to the same events.
        let mut place = selection.start(&outbox.reader).unwrap();
        let mut found = Vec::new();
        loop {
            let part = look(&outbox.reader, &selection, place, 7).unwrap();
            assert!(part.events.len() <= 7);
            found.extend(part.events);
            if part.is_end {
                break;
            }
            assert!(part.next > place, "{selection:?} stands still");
            place = part.next;
        }
        assert_eq!(found, wanted, "{selection:?}");
    }
}

#[test]
fn time_leads_to_its_record_wherever_frames_end() {
    let (_node, outbox) = journal();
    let events = all(&outbox);
    for event in &events {
        for (time, first) in [
            (event.time.as_micros(), event.time.as_micros()),
            (event.time.as_micros() + 1, event.time.as_micros() + 1),
        ] {
            let from_time = Some(Timestamp::from_micros(time));
            let selection = Selection {
                from_time,
                ..Selection::default()
            };
            let start = selection.start(&outbox.reader).unwrap();
            let part = look(&outbox.reader, &selection, start, 1).unwrap();
            let wanted = events.iter().find(|event| event.time.as_micros() >= first);
            assert_eq!(part.events.first(), wanted);
        }
    }
    let late = Selection {
        from_time: Some(Timestamp::from_micros(i64::MAX)),
        ..Selection::default()
    };
    let start = late.start(&outbox.reader).unwrap();
    let end = EventPlace {
        sequence: outbox.reader.durable() + 1,
        index: 0,
    };
    assert_eq!(start, end);
}

#[test]
fn only_the_topics_asked_for_get_it() {
    let (_node, outbox) = journal();
    let folder = tempfile::tempdir().unwrap();
    let target = Target::keeping();
    let replays = begin(&outbox, folder.path(), &target);
    let mut wanted = order(Selection::default());
    wanted.topics = vec!["account-events".to_owned()];
    replays.begin(id(1), wanted, NOW).unwrap();
    let done = until(&replays, id(1), ReplayState::Completed);
    assert_eq!(done.progress.events, 2);
    let came = target.came.lock().unwrap();
    assert!(
        came.events
            .iter()
            .all(|(_, topics)| topics == &["account-events"])
    );
}

#[test]
fn a_dry_run_counts_and_needs_no_target() {
    let (_node, outbox) = journal();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("replays.json");
    let replays = Replays::start(
        outbox.reader.clone(),
        Bindings::default(),
        file,
        None,
        &Spawner::default(),
    )
    .unwrap();
    let real = replays.begin(id(1), order(Selection::default()), NOW);
    assert!(matches!(real, Err(ReplayError::NoTarget)));
    let dry = Order {
        dry_run: true,
        ..order(Selection::default())
    };
    replays.begin(id(2), dry, NOW).unwrap();
    let done = until(&replays, id(2), ReplayState::Completed);
    assert_eq!(done.progress.events, 2 + 3 * DEPOSITS);
}

#[test]
fn a_target_that_is_away_is_waited_for_and_what_was_unclear_is_there_once() {
    let (_node, outbox) = journal();
    let folder = tempfile::tempdir().unwrap();
    let target = Target::keeping();
    {
        let mut came = target.came.lock().unwrap();
        came.faults = 3;
    }
    let replays = begin(&outbox, folder.path(), &target);
    replays
        .begin(id(1), order(Selection::default()), NOW)
        .unwrap();
    until(&replays, id(1), ReplayState::Completed);
    assert_eq!(target.came.lock().unwrap().opened, 4);
    assert_eq!(target.ids(), ids(&all(&outbox)));
    let unclear = Target::keeping();
    unclear.came.lock().unwrap().is_unclear = true;
    replays.end();
    let replays = begin(&outbox, folder.path(), &unclear);
    replays
        .begin(id(2), order(Selection::default()), NOW)
        .unwrap();
    let done = until(&replays, id(2), ReplayState::Completed);
    assert_eq!(unclear.ids(), ids(&all(&outbox)), "not once each");
    assert_eq!(
        (done.reason, done.progress.events),
        (None, 2 + 3 * DEPOSITS)
    );
}

#[test]
fn a_replay_that_is_stopped_or_fails_can_be_resumed_and_others_wait_for_their_turn() {
    let (_node, outbox) = journal();
    let folder = tempfile::tempdir().unwrap();
    let target = Target::keeping();
    target.came.lock().unwrap().faults = u32::MAX;
    let replays = begin(&outbox, folder.path(), &target);
    replays
        .begin(id(1), order(Selection::default()), NOW)
        .unwrap();
    let second = replays.begin(id(2), order(Selection::default()), NOW);
    assert!(matches!(second, Err(ReplayError::Busy(busy)) if busy == id(1)));
    let stopped = replays.stop(id(1)).unwrap();
    assert_eq!(stopped.state, ReplayState::Stopped);
    target.came.lock().unwrap().faults = 0;
    // A stopped replay stays stopped, also after a restart, and makes room for another one.
    replays.end();
    let replays = begin(&outbox, folder.path(), &target);
    assert_eq!(replays.get(id(1)).unwrap().state, ReplayState::Stopped);
    assert_eq!(target.ids(), [""; 0]);
    target.came.lock().unwrap().is_gone = true;
    replays.resume(id(1)).unwrap();
    let failed = until(&replays, id(1), ReplayState::Failed);
    assert_eq!(failed.reason.as_deref(), Some("gone"));
    target.came.lock().unwrap().is_gone = false;
    replays.resume(id(1)).unwrap();
    until(&replays, id(1), ReplayState::Completed);
    assert_eq!(target.ids(), ids(&all(&outbox)));
}

#[test]
fn a_replay_that_ran_when_the_process_ended_goes_on() {
    let (_node, outbox) = journal();
    let folder = tempfile::tempdir().unwrap();
    let target = Target::keeping();
    target.came.lock().unwrap().faults = u32::MAX;
    let replays = begin(&outbox, folder.path(), &target);
    replays
        .begin(id(1), order(Selection::default()), NOW)
        .unwrap();
    replays.end();
    target.came.lock().unwrap().faults = 0;
    let replays = begin(&outbox, folder.path(), &target);
    until(&replays, id(1), ReplayState::Completed);
    assert_eq!(target.ids(), ids(&all(&outbox)));
}

#[test]
fn a_file_that_is_none_is_not_overwritten() {
    let (_node, outbox) = journal();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("replays.json");
    std::fs::write(&file, "{").unwrap();
    let (reader, bindings) = (outbox.reader.clone(), Bindings::default());
    assert!(Replays::start(reader, bindings, file.clone(), None, &Spawner::default()).is_err());
    assert_eq!(std::fs::read_to_string(file).unwrap(), "{");
}
