//! One partition's messages under way: handed over in order, several at a time, and gone past only
//! in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bus::{Failure, Message};

/// When a message that may go well later is tried again.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    /// How often a message is tried before it becomes a dead letter.
    pub attempts_max: u32,
    /// The pause before the first further attempt; each one doubles it.
    pub pause_min: Duration,
    /// The longest pause.
    pub pause_max: Duration,
}

/// What is nobody's fault but this process's own passes: what fails by it is tried for ever.
const PASSING: [&str; 5] = [
    "overloaded",
    "shutting_down",
    "disk_low",
    "view_behind",
    "outcome_unknown",
];

/// A message that was taken from its partition and not gone past.
#[derive(Debug)]
struct Flight {
    message: Arc<Message>,
    attempts: u32,
    state: State,
}

#[derive(Debug, PartialEq)]
enum State {
    /// Not handed over: an earlier one failed.
    Waiting,
    /// With its consumer.
    Away,
    Done,
    Failed(Failure),
}

/// A message that is handled no more.
#[derive(Debug)]
pub(super) struct Dead {
    pub(super) message: Arc<Message>,
    pub(super) attempts: u32,
    pub(super) reason: &'static str,
    pub(super) error: String,
}

/// One partition's messages under way.
#[derive(Debug)]
pub(super) struct Lane {
    retries: Retries,
    /// Where to go on from after a restart: everything before is handled.
    position: i64,
    flights: VecDeque<Flight>,
    /// When the first one is tried again.
    retry_at: Option<Instant>,
    /// Messages come no more until it is through what failed.
    pub(super) is_paused: bool,
}

/// What became of messages at the front of a lane.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// Those that were handled.
    pub(super) handled: Vec<Arc<Message>>,
    /// Those that never will be.
    pub(super) dead: Vec<Dead>,
}

impl Lane {
    /// A lane that goes on at an offset.
    pub(super) fn new(position: i64, retries: Retries) -> Self {
        Self {
            retries,
            position,
            flights: VecDeque::new(),
            retry_at: None,
            is_paused: false,
        }
    }

    /// Everything before is handled.
    pub(super) fn position(&self) -> i64 {
        self.position
    }

    /// Messages that were taken and not gone past.
    pub(super) fn len(&self) -> usize {
        self.flights.len()
    }

    /// Whether something failed that later messages have to wait for.
    pub(super) fn is_stalled(&self) -> bool {
        let mut flights = self.flights.iter();
        flights.any(|flight| {
            matches!(
                flight.state,
                State::Waiting | State::Failed(Failure::Transient { .. })
            )
        })
    }

    /// Whether any message is with its consumer.
    pub(super) fn is_away(&self) -> bool {
        let mut flights = self.flights.iter();
        flights.any(|flight| flight.state == State::Away)
    }

    /// Takes the next message; says whether it is to be handed over now. One that was taken before
    /// is not taken again.
    pub(super) fn take(&mut self, message: &Arc<Message>) -> bool {
        let last = self.flights.back().map(|flight| flight.message.offset);
        if message.offset < self.position || last.is_some_and(|last| message.offset <= last) {
            return false;
        }
        let is_stalled = self.is_stalled();
        self.flights.push_back(Flight {
            message: Arc::clone(message),
            attempts: u32::from(!is_stalled),
            state: if is_stalled {
                State::Waiting
            } else {
                State::Away
            },
        });
        !is_stalled
    }

    /// Notes how handling the message of that offset ended.
    pub(super) fn settle(&mut self, offset: i64, result: Result<(), Failure>) {
        let mut flights = self.flights.iter_mut();
        let flight = flights.find(|flight| flight.message.offset == offset);
        if let Some(flight) = flight.filter(|flight| flight.state == State::Away) {
            flight.state = match result {
                Ok(()) => State::Done,
                Err(failure) => State::Failed(failure),
            };
        }
    }

    /// Goes past what is at the front and handled, or never will be.
    pub(super) fn pass(&mut self) -> Passed {
        let mut passed = Passed::default();
        while let Some(front) = self.flights.front() {
            match &front.state {
                State::Done => passed.handled.push(Arc::clone(&front.message)),
                State::Failed(failure) => match self.dead(front, failure) {
                    Some(dead) => passed.dead.push(dead),
                    None => break,
                },
                State::Waiting | State::Away => break,
            }
            self.position = front.message.offset + 1;
            self.flights.pop_front();
            self.retry_at = None;
        }
        passed
    }

    /// Goes past what is at the front and handled.
    pub(super) fn pass_handled(&mut self) {
        while let Some(front) = self.flights.front().filter(|one| one.state == State::Done) {
            self.position = front.message.offset + 1;
            self.flights.pop_front();
        }
    }

    fn dead(&self, flight: &Flight, failure: &Failure) -> Option<Dead> {
        let (reason, error) = match failure {
            Failure::Poison { reason, detail } => (reason, detail),
            Failure::Transient { reason, .. } if PASSING.contains(reason) => return None,
            Failure::Transient { .. } if flight.attempts < self.retries.attempts_max => {
                return None;
            }
            Failure::Transient { reason, detail } => (reason, detail),
        };
        Some(Dead {
            message: Arc::clone(&flight.message),
            attempts: flight.attempts,
            reason,
            error: error.clone(),
        })
    }

    /// The message at the front, if it is to be handed over now: it failed and its pause is over, or
    /// what it waited for is through. The others wait until it is through.
    pub(super) fn again(&mut self, now: Instant) -> Option<(Arc<Message>, bool)> {
        // What was handed over before the failure comes back first.
        if self.is_away() {
            return None;
        }
        let retries = self.retries;
        let front = self.flights.front_mut()?;
        let is_retry = match &front.state {
            State::Waiting => false,
            State::Failed(Failure::Transient { .. }) => true,
            _ => return None,
        };
        if is_retry {
            let due = *self.retry_at.get_or_insert_with(|| {
                let doubled = 1_u32 << front.attempts.saturating_sub(1).min(20);
                let pause = retries.pause_min.saturating_mul(doubled);
                now + pause.min(retries.pause_max)
            });
            if now < due {
                return None;
            }
        }
        self.retry_at = None;
        front.attempts = front.attempts.saturating_add(1);
        front.state = State::Away;
        Some((Arc::clone(&front.message), is_retry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRIES: Retries = Retries {
        attempts_max: 3,
        pause_min: Duration::from_millis(100),
        pause_max: Duration::from_millis(150),
    };

    fn message(offset: i64) -> Arc<Message> {
        Arc::new(Message {
            topic: "t".into(),
            partition: 0,
            offset,
            timestamp_millis: None,
            key: None,
            headers: Vec::new(),
            value: None,
        })
    }

    fn lane(offsets: &[i64]) -> Lane {
        let mut lane = Lane::new(0, RETRIES);
        for offset in offsets {
            assert!(lane.take(&message(*offset)));
        }
        lane
    }

    fn transient(reason: &'static str) -> Result<(), Failure> {
        let detail = "later".to_owned();
        Err(Failure::Transient { reason, detail })
    }

    fn poison() -> Result<(), Failure> {
        let (reason, detail) = ("malformed", "no".to_owned());
        Err(Failure::Poison { reason, detail })
    }

    #[test]
    fn the_position_goes_past_what_is_handled_in_order() {
        let mut lane = lane(&[3, 4, 7]);
        lane.settle(7, Ok(()));
        lane.settle(4, Ok(()));
        assert!(lane.pass().handled.is_empty());
        assert_eq!(lane.position(), 0);
        lane.settle(3, Ok(()));
        assert_eq!(lane.pass().handled.len(), 3);
        assert_eq!((lane.position(), lane.len()), (8, 0));
    }

    #[test]
    fn a_message_is_taken_once() {
        let mut lane = lane(&[3, 4]);
        assert!(!lane.take(&message(4)));
        lane.settle(3, Ok(()));
        lane.pass();
        assert!(!lane.take(&message(3)));
        assert_eq!(lane.len(), 1);
    }

    #[test]
    fn poison_is_gone_past_once_all_before_it_is_handled() {
        let mut lane = lane(&[1, 2, 3]);
        lane.settle(2, poison());
        lane.settle(3, Ok(()));
        assert!(lane.pass().dead.is_empty());
        lane.settle(1, Ok(()));
        let passed = lane.pass();
        assert_eq!((passed.handled.len(), passed.dead.len()), (2, 1));
        assert_eq!(
            (passed.dead[0].message.offset, passed.dead[0].attempts),
            (2, 1)
        );
        assert_eq!(lane.position(), 4);
    }

    #[test]
    fn what_fails_is_tried_again_before_anything_later_and_in_the_end_is_dead() {
        let mut lane = lane(&[1, 2]);
        let start = Instant::now();
        lane.settle(1, transient("actor_quarantined"));
        assert!(lane.is_stalled());
        assert!(!lane.take(&message(5)), "it waits");
        // The second one is still away.
        assert!(lane.again(start).is_none());
        lane.settle(2, transient("actor_quarantined"));
        assert!(lane.pass().dead.is_empty());
        assert!(lane.again(start).is_none(), "the pause begins");
        let (first, is_retry) = lane.again(start + Duration::from_millis(100)).unwrap();
        assert_eq!((first.offset, is_retry), (1, true));
        lane.settle(1, transient("actor_quarantined"));
        assert!(lane.again(start).is_none());
        assert!(lane.again(start + Duration::from_millis(149)).is_none());
        assert!(lane.again(start + Duration::from_millis(150)).is_some());
        lane.settle(1, transient("actor_quarantined"));
        let passed = lane.pass();
        assert_eq!(
            (passed.dead[0].message.offset, passed.dead[0].attempts),
            (1, 3)
        );
        // Then the others, one by one.
        assert!(lane.again(start).is_none());
        let second = lane.again(start + Duration::from_millis(100)).unwrap();
        assert_eq!(second.0.offset, 2);
        lane.settle(2, Ok(()));
        lane.pass();
        let third = lane.again(start).unwrap();
        assert_eq!((third.0.offset, third.1), (5, false));
        lane.settle(5, Ok(()));
        lane.pass();
        assert!(!lane.is_stalled());
        assert_eq!(lane.position(), 6);
    }

    #[test]
    fn what_passes_is_tried_for_ever() {
        let mut lane = lane(&[1]);
        let mut now = Instant::now();
        for _ in 0..50 {
            lane.settle(1, transient("overloaded"));
            assert!(lane.pass().dead.is_empty());
            assert!(lane.again(now).is_none());
            now += RETRIES.pause_max;
            assert!(lane.again(now).is_some());
        }
    }
}
