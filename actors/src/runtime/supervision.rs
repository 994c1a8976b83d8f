//! Supervision: what becomes of an actor whose entity's code failed. It worked on copies, so its
//! state and the journal are as before; all the same it is read anew, after a pause that grows with
//! each fault, and after too many within a time it is taken out of service until an operator
//! resumes it. Each decision is one line of the log, a metric, and, where it must outlive the
//! process, a record.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::envelope::Envelope;
use super::ledger::Ledger;
use super::overlay::Verdict;
use super::seat::{Phase, Seat};
use super::waiting::Held;
use crate::entities::Stamp;
use crate::messages::{
    Caller, Code, Command, EntityId, Kind, Outcome, Quarantine, Record, Rejection, RequestId,
};

/// When an actor is started anew, and when no more.
#[derive(Debug, Clone, Copy)]
pub struct SupervisionOptions {
    /// Faults within the window after which an actor is still started anew; the next one takes it
    /// out of service.
    pub restarts_max: u32,
    /// The window.
    pub window: Duration,
    /// The pause before the first restart; each further one within the window doubles it.
    pub backoff_min: Duration,
    /// The longest pause.
    pub backoff_max: Duration,
}

impl SupervisionOptions {
    /// The pause before the restart after so many faults, between three quarters of it and all of
    /// it: `jitter` is drawn at random.
    fn backoff(&self, faults: u32, jitter: u8) -> Duration {
        let doubled = self
            .backoff_min
            .saturating_mul(1 << faults.saturating_sub(1).min(20));
        let most = doubled.min(self.backoff_max);
        most - most.mul_f64(f64::from(jitter) / f64::from(u8::MAX) / 4.0)
    }
}

/// What a record says of who is out of service.
pub(crate) fn note_quarantine(quarantined: &mut BTreeMap<EntityId, String>, record: &Record) {
    match (&record.command, &record.outcome) {
        (Command::Quarantine(quarantine), Outcome::Done(_)) => {
            quarantined.insert(quarantine.entity, quarantine.reason.clone());
        }
        (Command::Resume(resume), Outcome::Done(_)) => {
            quarantined.remove(&resume.entity);
        }
        _ => {}
    }
}

impl Ledger {
    /// Decides what becomes of an actor whose entity's code failed just now.
    pub(super) fn supervise(self: &Rc<Self>, seat: &Rc<Seat>, reason: &str) {
        if seat.phase() != Phase::Live {
            return;
        }
        let Some(kind) = seat.kind().map(Kind::name) else {
            // It failed at coming into being: there is nothing to start anew.
            return;
        };
        let (faults, restarts) = self.note_fault(seat, reason);
        if faults > self.supervision.restarts_max {
            tracing::error!(
                actor = kind, id = %seat.entity, reason, restarts, backoff_ms = 0,
                decision = "quarantined", "an actor failed too often and is out of service"
            );
            self.record_quarantine(seat.entity, reason);
            self.enter(seat, Phase::Quarantined);
            return;
        }
        let backoff = self.supervision.backoff(faults, self.random.salt()[0]);
        tracing::error!(
            actor = kind, id = %seat.entity, reason, restarts,
            backoff_ms = backoff.as_millis() as u64, decision = "restarted",
            "an actor failed and is started anew"
        );
        self.observer.restarted(kind, "panic");
        self.enter(seat, Phase::Restarting);
        let (ledger, seat) = (Rc::clone(self), Rc::clone(seat));
        actix_rt::spawn(async move {
            tokio::time::sleep(backoff).await;
            ledger.reload(seat).await;
        });
    }

    /// Faults within the window with this one, and restarts with the one that may follow.
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

    /// Reads an entity anew, once everything that is known of it is durable.
    async fn reload(self: Rc<Self>, seat: Rc<Seat>) {
        let last = seat.present.borrow().last;
        let (sender, durable) = tokio::sync::oneshot::channel();
        self.when_durable(last, move || {
            // Only this task waits for it.
            let _ = sender.send(());
        });
        if durable.await.is_err() {
            // The journal failed: the node ends.
            return;
        }
        if last > 0 {
            self.heads.borrow_mut().insert(seat.entity, last);
        }
        self.load(seat).await;
    }

    /// Reads an entity anew; what comes of it decides whether it is in service.
    pub(super) fn read_again(self: &Rc<Self>, seat: &Rc<Seat>) {
        self.enter(seat, Phase::Restarting);
        actix_rt::spawn(Rc::clone(self).reload(Rc::clone(seat)));
    }

    /// Changes a seat's phase, and counts it.
    pub(super) fn enter(&self, seat: &Seat, phase: Phase) {
        seat.enter(phase);
        self.directory.borrow_mut().count(seat);
    }

    /// Puts down that an actor is out of service: a record that changes no entity.
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

    /// The turn of [`Command::Resume`] on a seat that is settled. What is in service stays as it is.
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
        // Also one that changes nothing has its record, and at once: kept later for a caller who had
        // left, it would come behind a quarantine that it knew nothing of, and a start would end that.
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

    /// Runs `then` once a record is durable; at once if it is.
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
