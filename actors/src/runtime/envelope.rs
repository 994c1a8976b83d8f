//! A command on its way to its actor.

use super::batches::KnownKeys;
use super::index::Searched;
use super::lane::ReplyTo;
use super::permits::Room;
use crate::entities::Original;
use crate::messages::{Command, Context, EntityId, Execution, OperationId};

/// A command with all that its turn needs.
#[derive(Debug)]
pub struct Envelope {
    /// What is asked.
    pub command: Command,
    /// Who asks.
    pub context: Context,
    /// The operation.
    pub operation_id: OperationId,
    /// The entity whose actor takes it: the one it routes to, or the new one.
    pub subject: EntityId,
    /// Not begun by then, in nanoseconds of the clock, it is not executed. The time of day may
    /// jump and must not end a wait.
    pub deadline_nanos: u64,
    /// How it is to be done.
    pub mode: Mode,
    /// Whether the segments on disk were asked for the key, and what they said.
    pub key_searched: Option<Searched>,
    /// What the journal told of the transfer that it is about, where that is no entity.
    pub original: Option<Original>,
    /// What the journal told of its items' keys.
    pub item_keys: Option<Box<KnownKeys>>,
    /// Whether its entity, which could not be read, was read once more for it.
    pub read_again: bool,
    /// Its place among the commands accepted and not executed, where it is to be one of them.
    pub place: Option<Room>,
    /// The way back.
    pub reply_to: ReplyTo,
}

/// How a command is to be done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    /// Decided, then answered.
    Confirm,
    /// Accepted and answered, then executed.
    Accept,
    /// Executed: it was accepted earlier.
    Execute(Execution),
}

impl Mode {
    /// Which accepted command is executed, if one is.
    pub const fn execution(self) -> Option<Execution> {
        match self {
            Self::Execute(execution) => Some(execution),
            Self::Confirm | Self::Accept => None,
        }
    }
}

/// An envelope as its actor's mailbox takes it: boxed once, so that it is never copied.
#[derive(Debug)]
pub struct Letter(pub Box<Envelope>);

impl actix::Message for Letter {
    type Result = ();
}
