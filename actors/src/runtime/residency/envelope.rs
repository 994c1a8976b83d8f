//! A command on its way to its actor.

use crate::commands::{Command, Context, Original};
use crate::record::Execution;
use crate::runtime::idempotency::index::Searched;
use crate::runtime::idempotency::item_keys::KnownKeys;
use crate::runtime::permits::Room;
use crate::runtime::replies::lane::ReplyTo;
use crate::words::{EntityId, OperationId};

/// A command with everything that its turn needs.
#[derive(Debug)]
pub struct Envelope {
    /// The command.
    pub command: Command,
    /// The command's context: the caller, the key and the preconditions.
    pub context: Context,
    /// The id of the command's operation.
    pub operation_id: OperationId,
    /// The entity whose actor takes the command: the one that the command routes to, or the new
    /// one.
    pub subject: EntityId,
    /// The deadline, in nanoseconds of the clock: a command that was not started by then is not
    /// executed. The time of day isn't used, because it may jump and must not end a wait.
    pub deadline_nanos: u64,
    /// The way in which the command is processed.
    pub mode: Mode,
    /// The result of searching the index segments on disk for the key, if they were searched.
    pub key_searched: Option<Searched>,
    /// The journal's information about the transfer that the command is about, if it is no entity.
    pub original: Option<Original>,
    /// The result of searching the journal for the keys of the batch's items.
    pub item_keys: Option<Box<KnownKeys>>,
    /// True if the entity could not be read and was read once more for this command.
    pub read_again: bool,
    /// The permits of a command that is to be accepted first; they are held until it is executed.
    pub place: Option<Room>,
    /// The caller's reply address.
    pub reply_to: ReplyTo,
}

/// The way in which a command is processed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    /// The command is decided, then answered.
    Confirm,
    /// The command is accepted and answered, then executed.
    Accept,
    /// The command was accepted earlier and is executed now.
    Execute(Execution),
}

impl Mode {
    /// Returns which accepted command is executed, if one is.
    pub const fn execution(self) -> Option<Execution> {
        match self {
            Self::Execute(execution) => Some(execution),
            Self::Confirm | Self::Accept => None,
        }
    }
}

/// An envelope as a message in the actor's mailbox. It is boxed once, so that it is never copied.
#[derive(Debug)]
pub struct Letter(pub Box<Envelope>);

impl actix::Message for Letter {
    type Result = ();
}
