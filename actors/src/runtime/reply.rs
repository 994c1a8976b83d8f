//! What comes back from the core: decided commands, operations, lists, and the reasons why the
//! core can't say anything now.

use std::sync::Arc;

use crate::messages::{
    AccountView, Balances, CommandKind, EntityId, OperationId, Outcome, Record, Timestamp,
};

/// The core can't decide now; nothing was begun unless the variant says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unavailable {
    /// More commands are under way than the limits allow.
    #[error("too many commands are under way")]
    Overloaded,
    /// The node is draining.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// An entity that the command needs can't be read or is out of service.
    #[error("an entity that this command needs is out of service")]
    Quarantined,
    /// Its record would be larger than a record may be.
    #[error("the command's record would be larger than a record may be")]
    TooLarge,
    /// Less disk is free than the limit.
    #[error("the disk is nearly full")]
    DiskLow,
    /// The views are too far behind the journal.
    #[error("the views are behind the journal")]
    ViewBehind,
    /// The disk didn't answer a read in time.
    #[error("what was asked for can't be read in time")]
    ReadTimedOut,
    /// The journal failed while the command was under way: whether it happened is unknown.
    #[error("the journal failed, the outcome is unknown")]
    OutcomeUnknown,
}

impl Unavailable {
    /// The reason's stable name, as `overloaded`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::ShuttingDown => "shutting_down",
            Self::Quarantined => "actor_quarantined",
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
    /// Decided, and everything it rests on is durable.
    Decided(Box<Decided>),
    /// Not decided and durable within the wait; this operation tells the outcome later. For a
    /// repeat it is the first request's.
    TimedOut(OperationId),
    /// Not begun, or (`OutcomeUnknown`) lost with the journal.
    Unavailable(Unavailable),
}

/// A command's outcome: the same whether it was decided now or is replayed under its key.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// What was decided, as the journal has it; where `stored` is false it is in no journal.
    pub record: Record,
    /// Whether the journal has this record: not so for dry runs, for what changes nothing, and
    /// for refusals without a key. Only a stored one has an operation to be looked up.
    pub stored: bool,
    /// Whether it was decided earlier, under the same key.
    pub replayed: bool,
    /// Whether it was only decided, not done.
    pub dry_run: bool,
    /// The holder's name, where the answer shows an account and the name wasn't erased.
    pub holder: Option<Arc<str>>,
}

impl Decided {
    /// The outcome's name in measurements: `completed`, `accepted`, `replayed`, or a refusal's code.
    pub fn label(&self) -> &'static str {
        match &self.record.outcome {
            _ if self.replayed => "replayed",
            Outcome::Done(_) => "completed",
            Outcome::Accepted => "accepted",
            Outcome::Refused(rejection) => rejection.code.name(),
        }
    }

    /// The balances of an entity right after, if the record moved its money.
    pub fn balances(&self, entity: EntityId) -> Option<Balances> {
        self.record.balances(entity)
    }

    /// The account as it was right after, if the command's answer shows one.
    pub fn account(&self) -> Option<AccountView> {
        self.record.account()
    }
}

/// The client's view of one command.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Accepted, not yet decided and durable.
    Pending {
        /// Its id.
        id: OperationId,
        /// What was asked.
        kind: CommandKind,
        /// When it came.
        created_at: Timestamp,
    },
    /// Decided.
    Decided(Box<Decided>),
}

impl Operation {
    /// Its id.
    pub const fn id(&self) -> OperationId {
        match self {
            Self::Pending { id, .. } => *id,
            Self::Decided(decided) => decided.record.operation_id,
        }
    }
}

/// An account, and its holder's name if it wasn't erased.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// The account.
    pub view: AccountView,
    /// The holder's name.
    pub holder: Option<Arc<str>>,
}

/// A part of a list, and where the next part starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T, C> {
    /// The entries.
    pub entries: Vec<T>,
    /// Where to go on; `None` at the end.
    pub next: Option<C>,
}

/// One actor as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorView {
    /// Its kind's name, as `account`.
    pub kind: &'static str,
    /// Its entity.
    pub id: EntityId,
    /// Its state's name, as `live`.
    pub state: &'static str,
    /// The entity's version.
    pub version: u64,
    /// How often it was started anew.
    pub restarts: u32,
    /// Why it last failed.
    pub last_fault: Option<String>,
}

/// Every posting of a currency, added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// The sum of all debits, as a positive number.
    pub debits: u128,
    /// The sum of all credits.
    pub credits: u128,
}

/// All postings of the ledger up to a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialBalance {
    /// The last record counted.
    pub as_of_sequence: u64,
    /// The totals by currency, sorted.
    pub currencies: Vec<(crate::messages::Currency, Totals)>,
}

/// How the node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Open, recovered, not draining.
    pub ready: bool,
    /// The journal's last durable record.
    pub journal_durable: u64,
    /// Records decided but not durable.
    pub journal_backlog: u64,
    /// The last record that the views hold.
    pub views_position: u64,
    /// Records that the views still have to read.
    pub views_lag: u64,
    /// Whether the views still work.
    pub views_running: bool,
    /// Free bytes where the journal lies; `None` when the disk doesn't tell.
    pub disk_free_bytes: Option<u64>,
    /// Whether commands are refused for want of disk.
    pub disk_low: bool,
    /// How far the machine's time of day is ahead of the time that is told, where it leapt and is
    /// not believed.
    pub clock_jump_micros: Option<i64>,
    /// Commands under way.
    pub in_flight: u64,
}
