//! The worker: it sends the events of the running replay to its target.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use florin_storage::threads::{self, PULSE};

use super::shared::{Shared, check_none_runs};
use super::{
    Order, Progress, Replay, ReplayError, ReplayState, ReplayTarget, Replayed, TargetFault,
};
use crate::bus::history::{HistoryError, look};
use crate::events::BusEvent;
use crate::words::OperationId;

/// The maximum number of events that are sent to a target at a time.
const EVENTS_AT_ONCE: usize = 1_000;
/// The backoff before a target is tried again. It doubles up to `PAUSE_MAX`.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

impl Shared {
    /// Executes replays, one at a time, until the worker must end.
    pub(super) fn work(&self) {
        let mut pause = PAUSE_MIN;
        while !self.ending.load(Ordering::Acquire) {
            threads::pulse();
            let Some(replay) = self.running() else {
                let replays = self.lock();
                let nothing = |replays: &mut Vec<Replay>| {
                    !self.ending.load(Ordering::Acquire) && check_none_runs(replays).is_ok()
                };
                // The state is checked again in any case, so the result of the wait doesn't matter.
                drop(self.changed.wait_timeout_while(replays, PULSE, nothing));
                continue;
            };
            let before = replay.progress.events;
            let noted = match self.replay(&replay) {
                Ok(true) => self.note(replay.id, |replay| {
                    replay.state = ReplayState::Completed;
                    replay.reason = None;
                }),
                Ok(false) => Ok(()),
                Err(TargetFault::Final(reason)) => {
                    tracing::error!(replay = %replay.id, reason, "a replay failed");
                    self.note(replay.id, |replay| {
                        replay.state = ReplayState::Failed;
                        replay.reason = Some(reason);
                    })
                }
                Err(TargetFault::Transient(reason)) => {
                    tracing::warn!(replay = %replay.id, reason, "a replay waits");
                    if self
                        .running()
                        .is_some_and(|now| now.progress.events > before)
                    {
                        pause = PAUSE_MIN;
                    }
                    let noted = self.note(replay.id, |replay| replay.reason = Some(reason));
                    self.rest(replay.id, pause);
                    pause = (pause * 2).min(PAUSE_MAX);
                    noted
                }
            };
            if let Err(error) = noted {
                tracing::error!(%error, "the file of replays can't be written");
                self.rest(replay.id, PAUSE_MAX);
            }
        }
    }

    /// Waits, but returns early if the replay stops or the worker must end.
    fn rest(&self, id: OperationId, time: Duration) {
        let replays = self.lock();
        let goes_on = |replays: &mut Vec<Replay>| {
            let running = |replay: &Replay| replay.id == id && replay.state == ReplayState::Running;
            !self.ending.load(Ordering::Acquire) && replays.iter().any(running)
        };
        // The state is checked again in any case, so the result of the wait doesn't matter.
        drop(self.changed.wait_timeout_while(replays, time, goes_on));
    }

    /// Executes a replay. Returns whether it was completed.
    fn replay(&self, replay: &Replay) -> Result<bool, TargetFault> {
        let go_on = || self.goes_on(replay.id);
        let counted = self.counted(replay, &go_on)?;
        let Some(replay) = &counted else {
            return Ok(false);
        };
        let mut target: Box<dyn ReplayTarget> = match &self.open {
            _ if replay.order.dry_run => Box::new(Counting),
            Some(open) => open(replay, &go_on)?,
            None => return Err(TargetFault::Final(ReplayError::NoTarget.to_string())),
        };
        // The progress stored by the target may be lost or older. The progress in the file is never
        // ahead of the events that were sent.
        let noted = replay.progress.clone();
        let kept = target.progress()?;
        let mut progress = kept.filter(|kept| kept.next >= noted.next).unwrap_or(noted);
        let selection = &replay.order.selection;
        if progress.next.sequence == 0 {
            progress.next = selection.start(&self.reader).map_err(unreadable)?;
        }
        while go_on() {
            let part = look(&self.reader, selection, progress.next, EVENTS_AT_ONCE);
            let part = part.map_err(unreadable)?;
            progress.next = part.next;
            let mut events = Vec::with_capacity(part.events.len());
            for event in part.events {
                let topics = self.topics(&replay.order, &event);
                if topics.is_empty() {
                    continue;
                }
                progress.events += 1;
                let numbered = topics.into_iter().map(|topic| {
                    let number = progress.topics.entry(topic.to_owned()).or_default();
                    *number += 1;
                    (topic, *number)
                });
                let topics = numbered.collect();
                events.push(Replayed { event, topics });
            }
            if !events.is_empty() {
                target.put(&events, &progress)?;
            }
            let now = progress.clone();
            self.note(replay.id, |replay| {
                replay.progress = now;
                replay.reason = None;
            })
            .map_err(|error| TargetFault::Transient(ReplayError::File(error).to_string()))?;
            if part.is_end {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the replay with its total numbers of messages, so that each message can carry them;
    /// `None` if the replay must not continue.
    fn counted(
        &self,
        replay: &Replay,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<Replay>, TargetFault> {
        if replay.order.dry_run || replay.totals.is_some() {
            return Ok(Some(replay.clone()));
        }
        let selection = &replay.order.selection;
        let mut next = selection.start(&self.reader).map_err(unreadable)?;
        let mut totals: BTreeMap<String, u64> = BTreeMap::new();
        loop {
            if !go_on() {
                return Ok(None);
            }
            let part = look(&self.reader, selection, next, EVENTS_AT_ONCE).map_err(unreadable)?;
            next = part.next;
            for event in &part.events {
                for topic in self.topics(&replay.order, event) {
                    *totals.entry(topic.to_owned()).or_default() += 1;
                }
            }
            if part.is_end {
                break;
            }
        }
        let counted = Replay {
            totals: Some(totals.clone()),
            ..replay.clone()
        };
        self.note(replay.id, |replay| replay.totals = Some(totals))
            .map_err(|error| TargetFault::Transient(ReplayError::File(error).to_string()))?;
        Ok(Some(counted))
    }

    fn topics(&self, order: &Order, event: &BusEvent) -> Vec<&str> {
        let topics = self.bindings.topics(event.event_type).iter();
        let topics = topics.map(String::as_str);
        let is_asked = |topic: &&str| {
            order.topics.is_empty() || order.topics.iter().any(|asked| asked == topic)
        };
        topics.filter(is_asked).collect()
    }
}

fn unreadable(error: HistoryError) -> TargetFault {
    TargetFault::Final(error.to_string())
}

/// The target of dry runs: it accepts all events and does nothing.
struct Counting;

impl ReplayTarget for Counting {
    fn progress(&mut self) -> Result<Option<Progress>, TargetFault> {
        Ok(None)
    }

    fn put(&mut self, _: &[Replayed<'_>], _: &Progress) -> Result<(), TargetFault> {
        Ok(())
    }
}
