//! The interface of a command.

use super::answer::Shown;
use super::plan::{After, Known, Part, PlanInput, States, Stop};
use crate::words::{Currency, EntityId, Metadata, Moving, Personal, PersonalRow};

/// How a command may be accepted first and executed afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// The command is always executed at once.
    Never,
    /// The command is accepted without a look at its entities.
    Unchecked,
    /// The command is accepted if its entity has money and has the version that the caller requires.
    Checked,
    /// The command is decided to see whether it is refused at once.
    Decided,
}

/// The transfers that a command makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Makes {
    /// The command makes no transfer.
    Nothing,
    /// The command makes a transfer at once.
    Transfer,
    /// The command makes a pending transfer.
    PendingTransfer,
    /// The command makes the opposite of a transfer.
    Reversal,
    /// Each item of the command makes a transfer.
    Items,
}

/// The caller's reference and metadata of a command.
pub type CallerNotes<'c> = (Option<&'c str>, Option<&'c Metadata>);

/// One type of command: everything that the machinery asks of it.
pub trait CommandRules {
    /// Returns the entity whose actor handles the command; `None` if the command creates it.
    fn subject(&self) -> Option<EntityId>;

    /// Returns the steps of the entities, debits before credits.
    ///
    /// # Errors
    /// Returns [`Stop::Load`] or [`Stop::Read`] if an entity or a record must be read first, and
    /// [`Stop::Refuse`] if a rule forbids the command already here, e.g. because an entity is
    /// missing.
    fn plan(&self, input: PlanInput, states: &mut dyn States) -> Result<Vec<Part>, Stop>;

    /// Returns the entity whose version a caller's `If-Match` is compared with.
    fn versioned(&self, input: PlanInput, _parts: &[Part]) -> EntityId {
        input.subject
    }

    /// Returns the part of the answer that the record's changes alone don't tell.
    fn shown(&self, _input: PlanInput, _after: &dyn After) -> Option<Shown> {
        None
    }

    /// Returns the amount that the command would move, as far as the entities in memory tell;
    /// `None` if the command moves several amounts or none.
    fn moving(&self, _known: &dyn Known) -> Option<Moving> {
        None
    }

    /// Returns how the command may be accepted first and executed afterwards.
    fn acceptance(&self) -> Acceptance {
        Acceptance::Never
    }

    /// Returns the transfers that the command makes.
    fn makes(&self) -> Makes {
        Makes::Nothing
    }

    /// Returns whether the command's movements are shown as those of a transfer.
    fn moves_transfer(&self) -> bool {
        false
    }

    /// Returns the caller's reference and metadata, if the command has them.
    fn notes(&self) -> CallerNotes<'_> {
        (None, None)
    }

    /// Returns whether the command is about an existing transfer, so that the transfer's reference
    /// and metadata count as those of the movement.
    fn has_notes_of_transfer(&self) -> bool {
        false
    }

    /// Returns the currency that the caller may name.
    fn currency_mut(&mut self) -> Option<&mut Option<Currency>> {
        None
    }

    /// Returns the entities of a command with many parts; empty for any other command.
    fn parties(&self) -> Vec<EntityId> {
        Vec::new()
    }

    /// Returns the source and the target of a transfer: of the command's own, or of its part with
    /// this index.
    fn ends(&self, _part: Option<usize>) -> Option<(EntityId, EntityId)> {
        None
    }

    /// Returns entities that the command is sure to look at, to be brought into the processor's
    /// cache early.
    fn prefetched(&self) -> [Option<EntityId>; 2] {
        [self.subject(), None]
    }

    /// Returns the number of parts; `None` for a command without parts.
    fn items(&self) -> Option<usize> {
        None
    }

    /// Returns the approximate memory that the parts take, in bytes. It is 0 for small commands.
    fn items_bytes(&self) -> usize {
        0
    }

    /// Returns the personal values, in the order in which they are sealed.
    fn personal(&self) -> Vec<&Personal> {
        Vec::new()
    }

    /// Returns the public names of the personal values, in the same order.
    fn personal_names(&self) -> &'static [&'static str] {
        &[]
    }

    /// Returns the personal values, to be sealed or restored.
    fn personal_mut(&mut self) -> Vec<&mut Personal> {
        Vec::new()
    }

    /// Returns whether this request, not sealed yet, is the same as the recorded one: every field
    /// is equal. Personal values are compared with the salt of the record's row. Without the row
    /// they can't be compared, and the requests count as different.
    fn is_same_request(&self, recorded: &Self, row: Option<&PersonalRow>) -> bool
    where
        Self: Clone + PartialEq,
    {
        if self.personal().is_empty() {
            return self == recorded;
        }
        let Some(row) = row else { return false };
        let mut own = self.clone();
        seal(own.personal_mut(), row.salt());
        own == *recorded
    }
}

/// Replaces personal values by their salted hashes. Returns the row that contains the values.
pub(super) fn seal(values: Vec<&mut Personal>, salt: [u8; 16]) -> PersonalRow {
    let mut row = PersonalRow::new(salt);
    for value in values {
        value.seal(&mut row);
    }
    row
}
