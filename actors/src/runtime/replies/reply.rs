//! The answers of the core: decided commands, operations, lists, and the reasons why the core can't
//! answer now.

use crate::commands::CommandKind;
use crate::entities::{AccountView, Balances};
use crate::record::{Outcome, Record};
use crate::runtime::observer::Answered;
use crate::words::{EntityId, OperationId, PersonalValues, Timestamp};

/// The reason why the core can't decide now. Nothing was started, unless the variant says
/// otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unavailable {
    /// More commands are in flight than the limits allow.
    #[error("too many commands are under way")]
    Overloaded,
    /// The node is draining.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// An entity that the command needs can't be read or is out of service.
    #[error("an entity that this command needs is out of service")]
    Quarantined,
    /// The journal is damaged at a place that would have to be read.
    #[error("the journal is damaged where it would have to be read")]
    JournalDamaged,
    /// The command's record would be larger than the limit.
    #[error("the command's record would be larger than a record may be")]
    TooLarge,
    /// The free disk space is below the limit.
    #[error("the disk is nearly full")]
    DiskLow,
    /// The views are too far behind the journal.
    #[error("the views are behind the journal")]
    ViewBehind,
    /// The read didn't finish in time: an entity is not loaded, or its state is not durable.
    #[error("what was asked for can't be read in time")]
    ReadTimedOut,
    /// The journal failed while the command was in flight: it is unknown whether it took effect.
    #[error("the journal failed, the outcome is unknown")]
    OutcomeUnknown,
}

impl Unavailable {
    /// Returns the reason's stable name, for example `overloaded`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::ShuttingDown => "shutting_down",
            Self::Quarantined => "actor_quarantined",
            Self::JournalDamaged => "journal_damaged",
            Self::TooLarge => "body_too_large",
            Self::DiskLow => "disk_low",
            Self::ViewBehind => "view_behind",
            Self::ReadTimedOut => "overloaded",
            Self::OutcomeUnknown => "outcome_unknown",
        }
    }
}

/// The answer to one submitted command.
#[derive(Debug)]
pub enum Reply {
    /// The command is decided, and everything that the answer depends on is durable.
    Decided(Box<Decided>),
    /// The command was not decided and durable within the wait. This operation shows the outcome
    /// later; for a repeat it is the first request's operation.
    TimedOut(OperationId),
    /// The command was not started, or (`OutcomeUnknown`) its outcome is unknown because the
    /// journal failed.
    Unavailable(Unavailable),
}

/// The outcome of a command. It is the same whether the command was decided now or is replayed
/// under its key.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// The decision's record, as it is in the journal; it is in no journal if `stored` is false. In
    /// the replay of a batch's item, it is the item's part of the batch's record
    /// ([`Record::item_alone`]).
    pub record: Record,
    /// True if the journal contains this record. It contains none for dry runs, for commands that
    /// change nothing, and for refusals without a key. Only a stored decision has an operation that
    /// can be looked up.
    pub stored: bool,
    /// True if the command was decided earlier, under the same key.
    pub replayed: bool,
    /// True if the command was only decided, not executed.
    pub dry_run: bool,
    /// The personal values of the entity that the answer shows, if they weren't erased.
    pub personal: Option<PersonalValues>,
}

impl Decided {
    /// Returns how the command was answered, for measurements.
    pub fn answered(&self) -> Answered {
        match &self.record.outcome {
            _ if self.replayed => Answered::Replayed,
            Outcome::Done(_) => Answered::Completed,
            Outcome::Accepted => Answered::Accepted,
            Outcome::Refused(rejection) => Answered::Refused(rejection.code),
        }
    }

    /// Returns the balances of an entity right after the record, if the record moved its money.
    pub fn balances(&self, entity: EntityId) -> Option<Balances> {
        self.record.balances(entity)
    }

    /// Returns a personal value of the entity that the answer shows, by its place in the order of
    /// sealing; `None` if it was erased.
    pub fn personal_value(&self, place: usize) -> Option<&str> {
        self.personal.as_ref()?.get(place).map(AsRef::as_ref)
    }

    /// Returns the account as it was right after the record, if the answer shows one.
    pub fn account(&self) -> Option<AccountView> {
        self.record.account()
    }
}

/// The client's view of one command.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// The command is not yet decided and durable.
    Pending {
        /// The operation's id.
        id: OperationId,
        /// The command's kind.
        kind: CommandKind,
        /// The time when the command was received or accepted.
        created_at: Timestamp,
    },
    /// The command is decided.
    Decided(Box<Decided>),
}

impl Operation {
    /// Returns the operation's id.
    pub const fn id(&self) -> OperationId {
        match self {
            Self::Pending { id, .. } => *id,
            Self::Decided(decided) => decided.record.operation_id,
        }
    }
}

/// One actor as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorView {
    /// The name of the actor's kind, for example `account`.
    pub kind: &'static str,
    /// The actor's entity.
    pub id: EntityId,
    /// The name of the actor's state, for example `live`.
    pub state: &'static str,
    /// The entity's version.
    pub version: u64,
    /// The number of restarts.
    pub restarts: u32,
    /// The reason of the last fault.
    pub last_fault: Option<String>,
}

/// The health of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// True if the node is open, recovered, and not draining.
    pub ready: bool,
    /// The journal's last durable record.
    pub journal_durable: u64,
    /// The number of records that are decided but not durable.
    pub journal_backlog: u64,
    /// The last record that the views hold.
    pub views_position: u64,
    /// The number of durable records that the views have not read yet.
    pub views_lag: u64,
    /// True if commands are refused because the views are too far behind.
    pub views_behind: bool,
    /// True if the views still work.
    pub views_running: bool,
    /// The free space on the journal's disk, in bytes; `None` if the disk doesn't report it.
    pub disk_free_bytes: Option<u64>,
    /// True if commands are refused because the free disk space is too low.
    pub disk_low: bool,
    /// The microseconds by which the machine's time of day is ahead of the reported time, if the
    /// time of day jumped and is not trusted.
    pub clock_jump_micros: Option<i64>,
    /// The number of commands in flight.
    pub in_flight: u64,
}
