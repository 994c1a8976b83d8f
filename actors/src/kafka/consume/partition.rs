//! The messages of one partition that are in flight. They are handed over in order, several at a
//! time, and the position moves past them only in order.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::dead_letter_writer::{FailedMessage, Written};
use crate::bus::{Decision, DeliveryPolicy, Failure, Message};

/// The maximum number of messages of a partition in flight.
pub(super) const WINDOW: usize = 256;

/// A message that was received and that the position has not passed.
#[derive(Debug)]
struct Entry {
    message: Arc<Message>,
    attempts: u32,
    state: State,
}

/// The proof that the position may move past a message. Only this moves it, and thereby the
/// committed offset.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finished {
    /// The consumer has handled the message: its effect or its answer is durable, or it needed
    /// neither.
    Handled,
    /// The message's dead letter is committed.
    DeadLetterWritten(Written),
}

#[derive(Debug, PartialEq)]
enum State {
    /// Not handed over, because an earlier message failed.
    Waiting,
    /// With its consumer.
    HandedOver,
    /// It is tried again after the backoff.
    Failed(Duration),
    /// It needs a dead letter. Contains the last failure.
    Dead(Failure),
    /// Its dead letter is being written. Contains the last failure.
    WritingDeadLetter(Failure),
    Finished(Finished),
}

/// The messages of one partition in flight.
#[derive(Debug)]
pub(super) struct Partition {
    policy: DeliveryPolicy,
    /// The offset at which to resume after a restart. Everything before it is settled.
    position: i64,
    entries: VecDeque<Entry>,
    /// The offsets from the position on whose messages already have records in the journal.
    recorded: BTreeSet<i64>,
    /// True if no message is handed over after a message whose dead letter is not written yet. This
    /// is required if the consumer keeps its own position, which must not move past that message.
    waits_for_dead_letter: bool,
    /// The number of consecutive failures to write dead letters.
    dead_letter_failures: u32,
    /// The time at which dead letters are written again.
    dead_letter_at: Option<Instant>,
    /// The time at which the first message is retried.
    retry_at: Option<Instant>,
    /// True if Kafka is told to deliver no messages of the partition until the failure is settled.
    pub(super) is_paused: bool,
}

impl Partition {
    /// Creates a partition that is resumed at an offset.
    pub(super) fn new(position: i64, policy: DeliveryPolicy, waits_for_dead_letter: bool) -> Self {
        Self {
            policy,
            position,
            entries: VecDeque::new(),
            recorded: BTreeSet::new(),
            waits_for_dead_letter,
            dead_letter_failures: 0,
            dead_letter_at: None,
            retry_at: None,
            is_paused: false,
        }
    }

    /// Sets the offsets whose messages have records in the journal. These messages are not handled
    /// again.
    pub(super) fn set_recorded(&mut self, recorded: BTreeSet<i64>) {
        self.recorded = recorded;
    }

    /// Notes that everything before the offset was received. If no message is in flight, the
    /// position moves there: the offsets in between belong to transaction markers or aborted
    /// messages.
    pub(super) fn note_end(&mut self, offset: i64) {
        if self.entries.is_empty() {
            self.position = self.position.max(offset);
        }
    }

    /// Returns the offset before which everything is settled.
    pub(super) fn position(&self) -> i64 {
        self.position
    }

    /// Returns the number of messages in flight.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether later messages have to wait for a failed one.
    pub(super) fn is_stalled(&self) -> bool {
        let mut entries = self.entries.iter();
        self.dead_letter_failures > 0
            || entries.any(|entry| match entry.state {
                State::Waiting | State::Failed(_) => true,
                State::Dead(_) => self.waits_for_dead_letter,
                // While the dead letter is written, other messages continue until the window is
                // full; then the partition is paused.
                State::WritingDeadLetter(_) => {
                    self.waits_for_dead_letter || self.entries.len() >= WINDOW
                }
                State::HandedOver | State::Finished(_) => false,
            })
    }

    /// Returns whether any message is with its consumer.
    pub(super) fn has_handed_over(&self) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| entry.state == State::HandedOver)
    }

    /// Returns the offset to commit: the position, or `None` while dead letters of the partition
    /// are being written. Their transaction commits the offset too, and another commit could reach
    /// the broker after the transaction and set the offset back.
    pub(super) fn committable(&self) -> Option<i64> {
        let mut entries = self.entries.iter();
        let is_writing = entries.any(|entry| matches!(entry.state, State::WritingDeadLetter(_)));
        (!is_writing).then_some(self.position)
    }

    /// Receives the next message. Returns whether it is to be handed over now. A message that was
    /// received before is ignored.
    pub(super) fn receive(&mut self, message: &Arc<Message>) -> bool {
        let last = self.entries.back().map(|entry| entry.message.offset);
        if message.offset < self.position || last.is_some_and(|last| message.offset <= last) {
            return false;
        }
        let is_known = self.recorded.remove(&message.offset);
        let is_now = !is_known && !self.is_stalled();
        self.entries.push_back(Entry {
            message: Arc::clone(message),
            attempts: u32::from(is_now),
            state: match (is_known, is_now) {
                (true, _) => State::Finished(Finished::Handled),
                (false, true) => State::HandedOver,
                (false, false) => State::Waiting,
            },
        });
        is_now
    }

    /// Sets the result of handling the message at an offset.
    pub(super) fn set_result(&mut self, offset: i64, result: Result<(), Failure>) {
        let policy = self.policy;
        let mut entries = self.entries.iter_mut();
        let entry = entries.find(|entry| entry.message.offset == offset);
        if let Some(entry) = entry.filter(|entry| entry.state == State::HandedOver) {
            entry.state = match result {
                Ok(()) => State::Finished(Finished::Handled),
                Err(failure) => match policy.decide(&failure, entry.attempts) {
                    Decision::Retry(backoff) => State::Failed(backoff),
                    Decision::DeadLetter => State::Dead(failure),
                },
            };
        }
    }

    /// Moves the position past the settled messages at the front, and returns them.
    pub(super) fn advance(&mut self) -> Vec<Arc<Message>> {
        let mut passed = Vec::new();
        while let Some(front) = self.entries.front() {
            let State::Finished(_) = &front.state else {
                break;
            };
            self.position = front.message.offset + 1;
            passed.extend(self.entries.pop_front().map(|front| front.message));
            self.retry_at = None;
        }
        passed
    }

    /// Returns the failed messages at the front that need dead letters now, with only settled
    /// messages between them, and the offset after them. Returns none while dead letters are being
    /// written.
    pub(super) fn begin_dead_letters(&mut self, now: Instant) -> (Vec<FailedMessage>, i64) {
        let mut dead = Vec::new();
        let mut behind = self.position;
        if self.dead_letter_at.is_some_and(|due| now < due) {
            return (dead, behind);
        }
        for place in 0..self.entries.len() {
            let entry = &self.entries[place];
            match &entry.state {
                State::Finished(_) => {}
                State::Dead(failure) => {
                    dead.push(FailedMessage {
                        message: Arc::clone(&entry.message),
                        attempts: entry.attempts,
                        failure: failure.clone(),
                    });
                    let failure = failure.clone();
                    self.entries[place].state = State::WritingDeadLetter(failure);
                }
                State::Waiting
                | State::HandedOver
                | State::Failed(_)
                | State::WritingDeadLetter(_) => break,
            }
            behind = self.entries[place].message.offset + 1;
        }
        (dead, behind)
    }

    /// Records that a message's dead letter is committed.
    pub(super) fn dead_letter_written(&mut self, offset: i64, proof: Written) {
        (self.dead_letter_failures, self.dead_letter_at) = (0, None);
        let mut entries = self.entries.iter_mut();
        let entry = entries.find(|entry| entry.message.offset == offset);
        if let Some(entry) =
            entry.filter(|entry| matches!(entry.state, State::WritingDeadLetter(_)))
        {
            entry.state = State::Finished(Finished::DeadLetterWritten(proof));
        }
    }

    /// Records that dead letters could not be written. They are written again after a growing
    /// backoff.
    pub(super) fn dead_letters_not_written(&mut self, now: Instant) {
        self.dead_letter_failures = self.dead_letter_failures.saturating_add(1);
        self.dead_letter_at =
            Some(now + self.policy.dead_letter_backoff(self.dead_letter_failures));
        for entry in &mut self.entries {
            if let State::WritingDeadLetter(failure) = &entry.state {
                entry.state = State::Dead(failure.clone());
            }
        }
    }

    /// Returns the message at the front if it is to be handed over now: its backoff is over, or the
    /// message for which it waited is settled. The other messages wait until the front is settled.
    /// The second value says whether it is a retry.
    pub(super) fn due(&mut self, now: Instant) -> Option<(Arc<Message>, bool)> {
        // Messages that were handed over before the failure must return first.
        if self.has_handed_over() {
            return None;
        }
        let front = self.entries.front_mut()?;
        let is_retry = match front.state {
            State::Waiting => false,
            State::Failed(backoff) => {
                if now < *self.retry_at.get_or_insert(now + backoff) {
                    return None;
                }
                true
            }
            State::HandedOver
            | State::Dead(_)
            | State::WritingDeadLetter(_)
            | State::Finished(_) => return None,
        };
        self.retry_at = None;
        front.attempts = front.attempts.saturating_add(1);
        front.state = State::HandedOver;
        Some((Arc::clone(&front.message), is_retry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Reason;

    const POLICY: DeliveryPolicy = DeliveryPolicy {
        attempts_max: 3,
        backoff_min: Duration::from_millis(100),
        backoff_max: Duration::from_millis(150),
        redrives_max: 1,
    };

    fn message(offset: i64) -> Arc<Message> {
        Arc::new(Message {
            topic: "t".into(),
            partition: 0,
            offset,
            incarnation: Default::default(),
            settled_before: 0,
            timestamp_millis: None,
            key: None,
            headers: Vec::new(),
            value: None,
        })
    }

    fn partition(offsets: &[i64]) -> Partition {
        let mut partition = Partition::new(0, POLICY, false);
        for offset in offsets {
            assert!(partition.receive(&message(*offset)));
        }
        partition
    }

    fn failed(reason: Reason) -> Result<(), Failure> {
        Err(Failure::new(reason, "as planned"))
    }

    fn poison() -> Result<(), Failure> {
        failed(Reason::Malformed)
    }

    #[test]
    fn the_position_goes_past_what_is_handled_in_order() {
        let mut partition = partition(&[3, 4, 7]);
        partition.set_result(7, Ok(()));
        partition.set_result(4, Ok(()));
        assert!(partition.advance().is_empty());
        assert_eq!(partition.position(), 0);
        partition.set_result(3, Ok(()));
        assert_eq!(partition.advance().len(), 3);
        assert_eq!((partition.position(), partition.len()), (8, 0));
    }

    #[test]
    fn a_message_is_taken_once() {
        let mut partition = partition(&[3, 4]);
        assert!(!partition.receive(&message(4)));
        partition.set_result(3, Ok(()));
        partition.advance();
        assert!(!partition.receive(&message(3)));
        assert_eq!(partition.len(), 1);
    }

    #[test]
    fn the_position_stays_before_poison_until_its_dead_letter_is_committed() {
        let now = Instant::now();
        let mut partition = partition(&[1, 2, 3]);
        partition.set_result(2, poison());
        partition.set_result(3, Ok(()));
        assert!(
            partition.begin_dead_letters(now).0.is_empty(),
            "one before it is away"
        );
        partition.set_result(1, Ok(()));
        assert_eq!(partition.advance().len(), 1);
        let (dead, behind) = partition.begin_dead_letters(now);
        assert_eq!((dead.len(), dead[0].message.offset, behind), (1, 2, 4));
        assert!(
            partition.begin_dead_letters(now).0.is_empty(),
            "it is being written"
        );
        assert_eq!(partition.committable(), None);
        // The dead letter can't be written: the position stays, and no later message is handed
        // over.
        partition.dead_letters_not_written(now);
        assert!(partition.advance().is_empty());
        assert_eq!(partition.committable(), Some(2));
        assert!(partition.is_stalled());
        assert!(!partition.receive(&message(4)));
        assert!(partition.begin_dead_letters(now).0.is_empty(), "the pause");
        let later = now + POLICY.backoff_min;
        assert_eq!(partition.begin_dead_letters(later).0.len(), 1);
        partition.dead_letter_written(2, Written::of_test());
        assert_eq!(partition.advance().len(), 2);
        assert_eq!(partition.position(), 4);
        assert_eq!(partition.due(later).unwrap().0.offset, 4);
    }

    #[test]
    fn a_message_with_a_record_is_not_handled_again() {
        let mut partition = Partition::new(3, POLICY, false);
        partition.set_recorded([4, 6].into());
        assert!(partition.receive(&message(3)));
        assert!(!partition.receive(&message(4)));
        assert!(partition.receive(&message(5)));
        partition.set_result(3, Ok(()));
        assert_eq!(partition.advance().len(), 2);
        assert_eq!(partition.position(), 5);
    }

    #[test]
    fn offsets_without_messages_are_gone_past_once_nothing_is_under_way() {
        let mut partition = partition(&[1]);
        partition.note_end(9);
        assert_eq!(partition.position(), 0);
        partition.set_result(1, Ok(()));
        partition.advance();
        partition.note_end(9);
        assert_eq!(partition.position(), 9);
    }

    #[test]
    fn behind_poison_nothing_is_handed_to_a_consumer_with_a_position_of_its_own() {
        let mut partition = Partition::new(0, POLICY, true);
        assert!(partition.receive(&message(1)));
        partition.set_result(1, poison());
        assert!(!partition.receive(&message(2)));
        let now = Instant::now();
        assert_eq!(partition.begin_dead_letters(now).0.len(), 1);
        assert!(partition.due(now).is_none());
        partition.dead_letter_written(1, Written::of_test());
        partition.advance();
        assert_eq!(partition.due(now).unwrap().0.offset, 2);
    }

    #[test]
    fn what_fails_is_tried_again_before_anything_later_and_in_the_end_is_dead() {
        let mut partition = partition(&[1, 2]);
        let start = Instant::now();
        partition.set_result(1, failed(Reason::Quarantined));
        assert!(partition.is_stalled());
        assert!(!partition.receive(&message(5)), "it waits");
        // The second message is still with its consumer.
        assert!(partition.due(start).is_none());
        partition.set_result(2, failed(Reason::Quarantined));
        assert!(partition.begin_dead_letters(start).0.is_empty());
        assert!(partition.due(start).is_none(), "the pause begins");
        let (first, is_retry) = partition.due(start + Duration::from_millis(100)).unwrap();
        assert_eq!((first.offset, is_retry), (1, true));
        partition.set_result(1, failed(Reason::Quarantined));
        assert!(partition.due(start).is_none());
        assert!(partition.due(start + Duration::from_millis(149)).is_none());
        assert!(partition.due(start + Duration::from_millis(150)).is_some());
        partition.set_result(1, failed(Reason::Quarantined));
        let (dead, _) = partition.begin_dead_letters(start);
        assert_eq!((dead[0].message.offset, dead[0].attempts), (1, 3));
        partition.dead_letter_written(1, Written::of_test());
        partition.advance();
        // Then the other messages follow, one by one.
        assert!(partition.due(start).is_none());
        let second = partition.due(start + Duration::from_millis(100)).unwrap();
        assert_eq!(second.0.offset, 2);
        partition.set_result(2, Ok(()));
        partition.advance();
        let third = partition.due(start).unwrap();
        assert_eq!((third.0.offset, third.1), (5, false));
        partition.set_result(5, Ok(()));
        partition.advance();
        assert!(!partition.is_stalled());
        assert_eq!(partition.position(), 6);
    }

    #[test]
    fn what_passes_is_tried_for_ever() {
        let mut partition = partition(&[1]);
        let mut now = Instant::now();
        for _ in 0..50 {
            partition.set_result(1, failed(Reason::Overloaded));
            assert!(partition.begin_dead_letters(now).0.is_empty());
            assert!(partition.due(now).is_none());
            now += POLICY.backoff_max;
            assert!(partition.due(now).is_some());
        }
    }
}
