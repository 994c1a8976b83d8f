//! The runtime around the entities: the actor host, the directory, the order of records,
//! idempotency, confirmation, and recovery.
//!
//! The way of a withdrawal through the files:
//!
//! 1. `gateway/src/api/money/mod.rs`: the handler makes a `Withdraw` command of the request.
//! 2. `actors/src/runtime/admission/core.rs`: takes a permit, and puts the command into the ledger's inbox.
//! 3. `actors/src/runtime/admission/inbox.rs`: brings it to the ledger's thread.
//! 4. `actors/src/runtime/ledger/state.rs`: finds the entity's actor, or starts it.
//! 5. `actors/src/runtime/ledger/loading.rs`: reads the entity, if it is not in memory.
//! 6. `actors/src/runtime/residency/host.rs`: the actor, which takes its commands one at a time.
//! 7. `actors/src/runtime/ledger/checks.rs`: checks the deadline, the idempotency key and the quarantine.
//! 8. `actors/src/commands/movements.rs`: the plan, which is a debit and a credit.
//! 9. `actors/src/runtime/ledger/overlay.rs`: the copies on which the plan is decided.
//! 10. `actors/src/entities/account.rs`: the account decides its step.
//! 11. `actors/src/entities/balance.rs`: the rules of debits, for all entities with a balance.
//! 12. `actors/src/runtime/ledger/turn.rs`: makes the record and takes the new states over.
//! 13. `actors/src/runtime/ledger/sequencer.rs`: gives the record its place in the journal's queue.
//! 14. `storage/src/journal/committer.rs`: writes and syncs the write-ahead log.
//! 15. `actors/src/runtime/replies/lane.rs`: sends the decision once the record is durable.
//! 16. `actors/src/runtime/replies/confirmation.rs`: wakes the waiting request.
//! 17. `gateway/src/api/result.rs`: makes the answer's body of the decision.

mod admission;
mod beside;
mod idempotency;
mod intercept;
mod ledger;
mod node;
mod observer;
mod operations;
mod options;
mod permits;
mod read_fault;
mod reads;
mod replies;
mod residency;
mod rules;

pub use self::admission::core::Core;
pub use self::admission::inbox::Inbox;
pub use self::beside::Beside;
pub use self::intercept::Intercept;
pub use self::node::lifecycle::Node;
pub use self::observer::{Answered, Observer, RestartReason};
pub use self::options::{Limits, NodeOptions, StartError, Threads};
pub use self::permits::{Permit, Permits};
pub use self::reads::tree::{ACTOR_STATES, ActorFilter};
pub use self::replies::confirmation::{Confirmation, Left, Slot};
pub use self::replies::deadline::{SLACK, within};
pub use self::replies::lane::Lane;
pub use self::replies::reply::{ActorView, Decided, Health, Operation, Reply, Unavailable};
pub use self::rules::{PassivationOptions, SupervisionOptions};
pub use crate::base::{
    Clock, Page, Present, ReadFault, SystemClock, Totals, TrialBalance, WithPersonal,
};

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "it pins what actix itself does")]
mod actix_pins;
#[cfg(test)]
mod tests;
