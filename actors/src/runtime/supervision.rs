//! Supervision: the handling of an actor whose entity's code failed. The code worked on copies, so
//! the state and the journal are unchanged. The entity is read again all the same, after a pause
//! that grows with each fault. After too many faults within a time window, it is taken out of
//! service until an operator resumes it. Each decision is one line of the log, a metric, and, if it
//! must outlive the process, a record.

use std::rc::Rc;
use std::time::Duration;

use super::envelope::Envelope;
use super::ledger::Ledger;
use super::observer::RestartReason;
use super::overlay::Verdict;
use super::seat::{Phase, Seat};
use super::waiting::Held;
pub use crate::base::note_quarantine;
use crate::commands::{Command, Quarantine};
use crate::entities::Kind;
use crate::entities::Stamp;
use crate::record::{Outcome, Record};
use crate::words::{Caller, Code, EntityId, Rejection, RequestId};

/// The rules for restarting actors and for taking them out of service.
#[derive(Debug, Clone, Copy)]
pub struct SupervisionOptions {
    /// The number of faults within the window after which an actor is still restarted; the next
    /// fault takes it out of service.
    pub restarts_max: u32,
    /// The time window within which faults are counted together.
    pub window: Duration,
    /// The pause before the first restart; each further one within the window doubles it.
    pub backoff_min: Duration,
    /// The longest pause.
    pub backoff_max: Duration,
}

impl SupervisionOptions {
    /// Returns the pause before the restart after `faults` faults, between three quarters of the
    /// full pause and all of it. `jitter` is drawn at random.
    fn backoff(&self, faults: u32, jitter: u8) -> Duration {
        let doubled = self
            .backoff_min
            .saturating_mul(1 << faults.saturating_sub(1).min(20));
        let most = doubled.min(self.backoff_max);
        most - most.mul_f64(f64::from(jitter) / f64::from(u8::MAX) / 4.0)
    }
}

impl Ledger {
    /// Decides how to handle an actor whose entity's code just failed.
    pub(super) fn supervise(self: &Rc<Self>, seat: &Rc<Seat>, reason: &str) {
        if seat.phase() != Phase::Live {
            return;
        }
        let Some(kind) = seat.kind() else {
            // The entity failed while it was being created, so there is nothing to restart.
            return;
        };
        let (faults, restarts) = self.note_fault(seat, reason);
        if faults > self.supervision.restarts_max {
            tracing::error!(
                actor = kind.name(), id = %seat.entity, reason, restarts, backoff_ms = 0,
                decision = "quarantined",
                resume = format!("POST /admin/actors/{}/{}/resume", kind.name(), seat.entity),
                "an actor failed too often and is out of service until it is resumed"
            );
            self.record_quarantine(seat.entity, reason);
            self.enter(seat, Phase::Quarantined);
            return;
        }
        let backoff = self.supervision.backoff(faults, self.random.salt()[0]);
        tracing::error!(
            actor = kind.name(), id = %seat.entity, reason, restarts,
            backoff_ms = backoff.as_millis() as u64, decision = "restarted",
            "an actor failed and is started anew"
        );
        self.observer.restarted(kind, RestartReason::Panic);
        self.enter(seat, Phase::Restarting);
        let (ledger, seat) = (Rc::clone(self), Rc::clone(seat));
        actix_rt::spawn(async move {
            tokio::time::sleep(backoff).await;
            ledger.reload(seat).await;
        });
    }

    /// Notes a fault. Returns the number of faults within the window, including this one, and the
    /// number of restarts, including the one that may follow.
    fn note_fault(&self, seat: &Seat, reason: &str) -> (u32, u32) {
        let now = self.clock.nanos();
        let window = u64::try_from(self.supervision.window.as_nanos()).unwrap_or(u64::MAX);
        let mut troubles = seat.troubles.borrow_mut();
        let troubles = troubles.get_or_insert_default();
        troubles
            .faults
            .retain(|fault| now.saturating_sub(*fault) < window);
        troubles.faults.push(now);
        reason.clone_into(&mut troubles.last);
        let faults = troubles.faults.len() as u32;
        if faults <= self.supervision.restarts_max {
            troubles.restarts += 1;
        }
        (faults, troubles.restarts)
    }

    /// Reads an entity again, once all its known records are durable.
    async fn reload(self: Rc<Self>, seat: Rc<Seat>) {
        let last = seat.present.borrow().last;
        let (sender, durable) = tokio::sync::oneshot::channel();
        self.when_durable(last, move || {
            // The send fails only if this task has ended.
            let _ = sender.send(());
        });
        if durable.await.is_err() {
            // The journal failed, so the node ends.
            return;
        }
        if last > 0 {
            self.heads.borrow_mut().insert(seat.entity, last);
        }
        self.load(seat).await;
    }

    /// Reads an entity again; the result decides whether the entity is in service.
    pub(super) fn read_again(self: &Rc<Self>, seat: &Rc<Seat>) {
        self.enter(seat, Phase::Restarting);
        actix_rt::spawn(Rc::clone(self).reload(Rc::clone(seat)));
    }

    /// Changes a seat's phase, and updates the counts.
    pub(super) fn enter(&self, seat: &Seat, phase: Phase) {
        seat.enter(phase);
        self.directory.borrow_mut().count(seat);
    }

    /// Records that an actor is out of service. The record changes no entity.
    fn record_quarantine(&self, entity: EntityId, reason: &str) {
        let now = self.clock.now();
        let stamp = self.sequencer.borrow().stamp(now);
        let operation_id = self.random.operation_id(now, entity.shard());
        let reason: String = reason.chars().take(1_000).collect();
        self.quarantined.borrow_mut().insert(entity, reason.clone());
        let record = Record {
            sequence: stamp.sequence,
            time: stamp.time,
            epoch: 0,
            operation_id,
            caller: Caller::default(),
            key: None,
            request_id: RequestId::Made(operation_id),
            correlation_id: None,
            causation_id: None,
            trace: None,
            command: Command::Quarantine(Quarantine { entity, reason }),
            execution: None,
            outcome: Outcome::Done(None),
            changes: Vec::new(),
            postings: Vec::new(),
            input: None,
        };
        if let Err(error) = self.append(&record, None, None) {
            tracing::error!(%error, id = %entity, "a quarantine could not be recorded");
        }
    }

    /// Takes the turn of [`Command::Resume`] on a settled seat. An entity in service stays
    /// unchanged.
    pub(super) fn resume(
        self: &Rc<Self>,
        seat: &Rc<Seat>,
        envelope: Box<Envelope>,
        stamp: Stamp,
        kind: Kind,
        claim: Option<u128>,
    ) {
        if seat.kind() != Some(kind) {
            let detail = "no actor of this kind has this id";
            let rejection = Rejection::new(Code::NotFound, detail);
            let verdict = Verdict::without_effect(Outcome::Refused(rejection));
            self.conclude(envelope, stamp, verdict, None, claim);
            return;
        }
        let resumes = seat.phase() == Phase::Quarantined && !envelope.context.dry_run;
        let mut verdict = Verdict::without_effect(Outcome::Done(None));
        verdict.rests_on = seat.present.borrow().last;
        // A resume that changes nothing is recorded too, and at once. A record made later, for a
        // caller that had left, could come after a quarantine that the resume didn't know of, and a
        // start would end that quarantine.
        verdict.keep = !envelope.context.dry_run;
        self.conclude(envelope, stamp, verdict, None, claim);
        if resumes {
            self.quarantined.borrow_mut().remove(&seat.entity);
            *seat.troubles.borrow_mut() = None;
            tracing::info!(
                actor = kind.name(), id = %seat.entity, decision = "resumed",
                "an actor is put back into service"
            );
            self.read_again(seat);
        }
    }

    /// Runs `then` once a record is durable, or at once if it is already.
    pub(super) fn when_durable(self: &Rc<Self>, sequence: u64, then: impl FnOnce() + 'static) {
        if sequence <= self.watermark.durable() {
            then();
        } else {
            self.hold(sequence, Held::Then(Box::new(then)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_one() {
        let options = SupervisionOptions {
            restarts_max: 5,
            window: Duration::from_secs(60),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_millis(300),
        };
        let most: Vec<u128> = (1..=5)
            .map(|faults| options.backoff(faults, 0).as_millis())
            .collect();
        assert_eq!(most, [50, 100, 200, 300, 300]);
        let least = options.backoff(1, u8::MAX);
        assert_eq!(least, Duration::from_micros(37_500));
        assert_eq!(options.backoff(u32::MAX, 0).as_millis(), 300);
    }
}
