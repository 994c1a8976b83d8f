//! The operations under way: received, accepted and not yet executed, or decided and not yet
//! durable. An operation leaves once its record shows its outcome.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tokio::sync::oneshot;

use super::waiting::Held;
use crate::base::{IdHasher, Page};
use crate::commands::CommandKind;
use crate::runtime::permits::Room;
use crate::runtime::replies::reply::Operation;
use crate::runtime::residency::envelope::Envelope;
use crate::words::{EntityId, OperationId, Timestamp};

/// A command that was received and whose answer may not be sent yet.
#[derive(Debug, Clone, Copy)]
pub struct Queued {
    /// The command's kind.
    pub kind: CommandKind,
    /// The time when the command was received, or accepted if it is executed later.
    pub created_at: Timestamp,
}

/// A command that was accepted and not yet executed.
#[derive(Debug)]
struct Accepted {
    operation: OperationId,
    queued: Queued,
    /// The repeats of the command's key that wait for its outcome, and the batches that have an
    /// item with its key.
    waiting: Vec<Held>,
    /// The permits that are given back when the command is executed.
    #[allow(dead_code, reason = "held, not read")]
    room: Option<Room>,
}

/// The operations under way.
#[derive(Debug, Default)]
pub struct UnderWay {
    queued: HashMap<OperationId, Queued, IdHasher>,
    /// The commands accepted and not yet executed, by the record that accepted them.
    accepted: BTreeMap<u64, Accepted>,
    /// The executions that wait for their entity to be back in service, by the record that accepted
    /// them.
    in_line: HashMap<EntityId, BTreeMap<u64, Box<Envelope>>, IdHasher>,
    /// The listeners of each operation.
    listeners: HashMap<OperationId, Vec<oneshot::Sender<()>>, IdHasher>,
    /// The decided operations whose records are not known to be durable, in the order of the
    /// records.
    settling: VecDeque<(u64, OperationId)>,
}

impl UnderWay {
    /// Notes that a command was received.
    pub fn receive(&mut self, id: OperationId, queued: Queued) {
        self.queued.insert(id, queued);
    }

    /// Notes that a command is answered, or was not started.
    pub fn end(&mut self, id: OperationId) {
        self.queued.remove(&id);
    }

    /// Returns a command that was received and is not yet decided and durable.
    pub fn queued(&self, id: OperationId) -> Option<Queued> {
        self.queued.get(&id).copied()
    }

    /// Notes that record `sequence`, later than all before, settles an operation.
    pub fn settle(&mut self, sequence: u64, id: OperationId) {
        self.settling.push_back((sequence, id));
    }

    /// Forgets the operations that are settled by a record up to `durable`; from now on their
    /// records show them.
    pub fn forget_settled(&mut self, durable: u64) {
        let is_durable = |(sequence, _): &mut (u64, OperationId)| *sequence <= durable;
        while let Some((_, id)) = self.settling.pop_front_if(is_durable) {
            self.queued.remove(&id);
        }
    }

    /// Returns the operation that a record settles which is not known to be durable.
    pub fn settled_by(&self, sequence: u64) -> Option<OperationId> {
        let at = self
            .settling
            .partition_point(|(until, _)| *until < sequence);
        let (found, id) = self.settling.get(at)?;
        (*found == sequence).then_some(*id)
    }

    /// Returns the last record that settles an operation and is not known to be durable.
    fn settling_record(&self, id: OperationId) -> Option<u64> {
        let mut latest = self.settling.iter().rev();
        let found = latest.find(|(_, settled)| *settled == id);
        found.map(|(sequence, _)| *sequence)
    }

    /// Notes that record `sequence` accepted a command; `room` is held until it is executed.
    pub fn accept(&mut self, sequence: u64, id: OperationId, queued: Queued, room: Option<Room>) {
        let accepted = Accepted {
            operation: id,
            queued,
            waiting: Vec::new(),
            room,
        };
        self.accepted.insert(sequence, accepted);
    }

    /// Returns the operation that record `sequence` accepted and that is not yet executed.
    pub fn accepted_by(&self, sequence: u64) -> Option<OperationId> {
        self.accepted.get(&sequence).map(|one| one.operation)
    }

    /// Lets `held` wait for the execution of the command that record `sequence` accepted.
    ///
    /// # Errors
    /// Returns `held` if the command was executed in the meantime.
    pub fn await_execution(&mut self, sequence: u64, held: Held) -> Result<(), Held> {
        match self.accepted.get_mut(&sequence) {
            Some(accepted) => accepted.waiting.push(held),
            None => return Err(held),
        }
        Ok(())
    }

    /// Notes that the command that record `sequence` accepted is executed. Returns what waited for
    /// it.
    pub fn executed(&mut self, sequence: u64) -> Vec<Held> {
        let accepted = self.accepted.remove(&sequence);
        accepted.map_or(Vec::new(), |accepted| accepted.waiting)
    }

    /// Removes and returns what waits for an execution and whose caller has left.
    pub fn take_left(&mut self) -> Vec<Held> {
        let all = self.accepted.values_mut();
        all.flat_map(|accepted| accepted.waiting.extract_if(.., |held| held.is_left()))
            .collect()
    }

    /// Forgets the accepted commands because the journal failed. Returns what waited for them.
    pub fn abandon_accepted(&mut self) -> impl Iterator<Item = Held> + use<> {
        let accepted = std::mem::take(&mut self.accepted);
        accepted.into_values().flat_map(|accepted| accepted.waiting)
    }

    /// Returns whether an execution of this entity that was accepted before record `accepted` waits
    /// in line.
    pub fn has_earlier_in_line(&self, entity: EntityId, accepted: u64) -> bool {
        self.in_line.get(&entity).is_some_and(|line| {
            let first = line.first_key_value();
            first.is_some_and(|(first, _)| *first < accepted)
        })
    }

    /// Queues the execution of the command that record `accepted` accepted, behind the entity's
    /// earlier ones. Returns whether it begins a line.
    pub fn stand_in_line(
        &mut self,
        entity: EntityId,
        accepted: u64,
        envelope: Box<Envelope>,
    ) -> bool {
        let line = self.in_line.entry(entity).or_default();
        line.insert(accepted, envelope);
        line.len() == 1
    }

    /// Removes and returns an entity's line, in the order of acceptance.
    pub fn take_line(&mut self, entity: EntityId) -> impl Iterator<Item = Box<Envelope>> + use<> {
        let line = self.in_line.remove(&entity).unwrap_or_default();
        line.into_values()
    }

    /// Lets `listener` wait for an operation. Returns the record that settles the operation, if it
    /// is decided and not known to be durable.
    ///
    /// # Errors
    /// Returns the listener if the operation is not under way.
    pub fn listen(
        &mut self,
        id: OperationId,
        listener: oneshot::Sender<()>,
    ) -> Result<Option<u64>, oneshot::Sender<()>> {
        if !self.queued.contains_key(&id) && !self.is_accepted(id) {
            return Err(listener);
        }
        self.listeners.entry(id).or_default().push(listener);
        Ok(self.settling_record(id))
    }

    /// Returns whether an operation has listeners.
    pub fn has_listeners(&self, id: OperationId) -> bool {
        self.listeners.contains_key(&id)
    }

    /// Removes and returns an operation's listeners, unless the operation is still to be executed.
    pub fn take_listeners(&mut self, id: OperationId) -> Vec<oneshot::Sender<()>> {
        if !self.has_listeners(id) || self.is_accepted(id) {
            return Vec::new();
        }
        self.listeners.remove(&id).unwrap_or_default()
    }

    /// Returns the operations, in the order of their ids.
    pub fn page(&self, after: Option<OperationId>, limit: usize) -> Page<Operation, OperationId> {
        let accepted = self.accepted.values();
        let accepted = accepted.map(|one| (one.operation, one.queued));
        let queued = self.queued.iter().map(|(id, queued)| (*id, *queued));
        let mut all: Vec<_> = queued
            .chain(accepted)
            .filter(|(id, _)| after.is_none_or(|after| *id > after))
            .collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all.dedup_by_key(|(id, _)| *id);
        let has_more = all.len() > limit;
        all.truncate(limit);
        let next = all.last().map(|(id, _)| *id).filter(|_| has_more);
        let entries = all.into_iter().map(|(id, queued)| Operation::Pending {
            id,
            kind: queued.kind,
            created_at: queued.created_at,
        });
        Page {
            entries: entries.collect(),
            next,
        }
    }

    fn is_accepted(&self, id: OperationId) -> bool {
        let mut accepted = self.accepted.values();
        accepted.any(|accepted| accepted.operation == id)
    }
}
