//! Supervision: the handling of an actor whose entity's code failed. The code worked on copies, so
//! the state and the journal are unchanged. The entity is read again all the same, after a pause
//! that grows with each fault. After too many faults within a time window, it is taken out of
//! service until an operator resumes it. Each decision is one line of the log, a metric, and, if it
//! must outlive the process, a record.

use std::rc::Rc;

use super::overlay::Verdict;
use super::state::Ledger;
use crate::commands::{Command, Quarantine};
use crate::entities::{Kind, Stamp};
use crate::record::{Outcome, Record};
use crate::runtime::observer::RestartReason;
use crate::runtime::residency::envelope::Envelope;
use crate::runtime::residency::seat::{Phase, Seat};
use crate::words::{Caller, Code, EntityId, Rejection, RequestId};

impl Ledger {
    /// Decides how to handle an actor whose entity's code just failed.
    pub(in crate::runtime) fn supervise(self: &Rc<Self>, seat: &Rc<Seat>, reason: &str) {
        if seat.phase() != Phase::Live {
            return;
        }
        let Some(kind) = seat.kind() else {
            // The entity failed while it was being created, so there is nothing to restart.
            return;
        };
        let (faults, restarts) = self.note_fault(seat, reason);
        if faults > self.rules.supervision.restarts_max {
            tracing::error!(
                actor = kind.name(), id = %seat.entity, reason, restarts, backoff_ms = 0,
                decision = "quarantined",
                resume = format!("POST /admin/actors/{}/{}/resume", kind.name(), seat.entity),
                "an actor failed too often and is out of service until it is resumed"
            );
            self.record_quarantine(seat.entity, reason);
            self.residents.change_phase(seat, Phase::Quarantined);
            return;
        }
        let backoff = self
            .rules
            .supervision
            .backoff(faults, self.random.salt()[0]);
        tracing::error!(
            actor = kind.name(), id = %seat.entity, reason, restarts,
            backoff_ms = backoff.as_millis() as u64, decision = "restarted",
            "an actor failed and is restarted"
        );
        self.observer.restarted(kind, RestartReason::Panic);
        self.residents.change_phase(seat, Phase::Restarting);
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
        let window = u64::try_from(self.rules.supervision.window.as_nanos()).unwrap_or(u64::MAX);
        let mut troubles = seat.troubles.borrow_mut();
        let troubles = troubles.get_or_insert_default();
        troubles
            .faults
            .retain(|fault| now.saturating_sub(*fault) < window);
        troubles.faults.push(now);
        reason.clone_into(&mut troubles.last);
        let faults = troubles.faults.len() as u32;
        if faults <= self.rules.supervision.restarts_max {
            troubles.restarts += 1;
        }
        (faults, troubles.restarts)
    }

    /// Reads an entity again, once all its known records are durable.
    async fn reload(self: Rc<Self>, seat: Rc<Seat>) {
        let last = seat.present.borrow().last;
        if self.durable(last).await.is_err() {
            // The journal failed, so the node ends.
            return;
        }
        self.residents.note_head(&seat);
        self.load(seat).await;
    }

    /// Reads an entity again; the result decides whether the entity is in service.
    pub(in crate::runtime) fn read_again(self: &Rc<Self>, seat: &Rc<Seat>) {
        self.residents.change_phase(seat, Phase::Restarting);
        actix_rt::spawn(Rc::clone(self).reload(Rc::clone(seat)));
    }

    /// Records that an actor is out of service. The record changes no entity.
    fn record_quarantine(&self, entity: EntityId, reason: &str) {
        let now = self.clock.now();
        let stamp = self.writer.stamp(now);
        let operation_id = self.random.operation_id(now, entity.shard());
        let reason: String = reason.chars().take(1_000).collect();
        self.residents.quarantine(entity, reason.clone());
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
    pub(in crate::runtime) fn resume(
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
            self.residents.resume(seat.entity);
            *seat.troubles.borrow_mut() = None;
            tracing::info!(
                actor = kind.name(), id = %seat.entity, decision = "resumed",
                "an actor is put back into service"
            );
            self.read_again(seat);
        }
    }
}
