//! Pending transfers and what ends them; and the reversal of transfers.

use serde::{Deserialize, Serialize};

use super::answer::{Notes, Shown, TransferEnds};
use super::movements::{self, Transfer};
use super::plan::{
    After, Known, Original, Part, PlanInput, States, Stop, known, no_transfer, transfer,
};
use super::rules::{Acceptance, CallerNotes, CommandRules, Makes};
use crate::entities::transfer::never_pending;
use crate::entities::{self, MoneyStep, State, Step, TransferMade, TransferStatus, TransferStep};
use crate::words::{Amount, Code, Currency, EntityId, Metadata, Moving, Rejection, Timestamp};

/// Makes a pending transfer, which is an entity of its own under the operation's id. The source
/// holds the money until the transfer is posted, is voided or expires.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hold {
    /// The transfer to make.
    pub transfer: Transfer,
    /// The number of seconds after which the transfer expires, 1 … 315,360,000. `None`: it never
    /// expires.
    pub expires_in_seconds: Option<u32>,
}

/// Posts a pending transfer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Post {
    /// The transfer.
    pub transfer: EntityId,
    /// The amount to post. `None`: all that is still held.
    pub amount: Option<Amount>,
    /// Whether the remaining held amount is released. Otherwise it stays held.
    pub is_final: bool,
}

/// Voids a pending transfer: the amount still held is released.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Void {
    /// The transfer.
    pub transfer: EntityId,
}

/// Ends a pending transfer whose expiry time has passed: the amount still held is released.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Expire {
    /// The transfer.
    pub transfer: EntityId,
}

/// Makes the opposite of the amount that a transfer posted. A transfer can be reversed once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reverse {
    /// The transfer.
    pub transfer: EntityId,
    /// The caller's reference for the reversal.
    pub reference: Option<String>,
    /// The caller's metadata for the reversal.
    pub metadata: Metadata,
}

impl CommandRules for Hold {
    fn subject(&self) -> Option<EntityId> {
        Some(self.transfer.from)
    }

    fn plan(&self, input: PlanInput, states: &mut dyn States) -> Result<Vec<Part>, Stop> {
        let Transfer { from, to, .. } = self.transfer;
        let (from_kind, own) = known(states, from)?;
        let (to_kind, _) = known(states, to)?;
        let currency = self.transfer.currency.unwrap_or(own);
        let made = self.made(currency, input.now);
        let id = input.operation.transfer();
        if !states.assume_new(id) {
            return Err(Stop::Load(id));
        }
        let hold = MoneyStep::Hold(self.transfer.amount, currency);
        Ok(vec![
            Part::money(from, from_kind, hold),
            Part::money(to, to_kind, MoneyStep::Expect(currency)),
            of_transfer(id, TransferStep::Begin(Box::new(made))),
        ])
    }

    fn shown(&self, input: PlanInput, after: &dyn After) -> Option<Shown> {
        let id = input.operation.transfer();
        Some(Shown::Transfer(ends(id, after)?, Notes::default()))
    }

    fn moving(&self, known: &dyn Known) -> Option<Moving> {
        let transfer = &self.transfer;
        movements::moving(transfer.from, transfer.amount, transfer.currency, known)
    }

    fn ends(&self, part: Option<usize>) -> Option<(EntityId, EntityId)> {
        self.transfer.ends(part)
    }

    fn prefetched(&self) -> [Option<EntityId>; 2] {
        [Some(self.transfer.from), Some(self.transfer.to)]
    }

    fn acceptance(&self) -> Acceptance {
        Acceptance::Checked
    }

    fn makes(&self) -> Makes {
        Makes::PendingTransfer
    }

    fn moves_transfer(&self) -> bool {
        true
    }

    fn notes(&self) -> CallerNotes<'_> {
        self.transfer.notes()
    }

    fn currency_mut(&mut self) -> Option<&mut Option<Currency>> {
        Some(&mut self.transfer.currency)
    }
}

impl Hold {
    /// Returns the facts of the pending transfer.
    fn made(&self, currency: Currency, now: Timestamp) -> TransferMade {
        let transfer = &self.transfer;
        let expires_in = self.expires_in_seconds;
        TransferMade {
            from: transfer.from,
            to: transfer.to,
            amount: transfer.amount,
            currency,
            expires_at: expires_in.map(|seconds| now.plus_millis(u64::from(seconds) * 1_000)),
            reference: transfer.reference.clone(),
            metadata: transfer.metadata.clone(),
            made_at: now,
            reverses: None,
        }
    }
}

impl CommandRules for Post {
    fn subject(&self) -> Option<EntityId> {
        Some(self.transfer)
    }

    fn plan(&self, _: PlanInput, states: &mut dyn States) -> Result<Vec<Part>, Stop> {
        let held = pending(states, self.transfer)?;
        let taken = held.taken(self.amount, self.is_final);
        let (made, held_at) = (held.made(), held.made().made_at);
        let (from_kind, _) = known(states, made.from)?;
        let (to_kind, _) = known(states, made.to)?;
        let post = MoneyStep::PostHold {
            amount: taken.amount,
            freed: taken.freed,
            held_at,
        };
        let credit = MoneyStep::Credit(taken.amount, made.currency);
        Ok(vec![
            Part::money(made.from, from_kind, post),
            Part::money(made.to, to_kind, credit),
            of_transfer(self.transfer, TransferStep::Post(taken)),
        ])
    }

    fn versioned(&self, input: PlanInput, parts: &[Part]) -> EntityId {
        source(input, parts.first())
    }

    fn shown(&self, _: PlanInput, after: &dyn After) -> Option<Shown> {
        ended(self.transfer, after)
    }

    fn moving(&self, known: &dyn Known) -> Option<Moving> {
        let transfer = known.transfer(self.transfer)?;
        let amount = self.amount.or_else(|| transfer.held());
        Some(moving(&transfer, amount))
    }

    fn acceptance(&self) -> Acceptance {
        Acceptance::Decided
    }

    fn moves_transfer(&self) -> bool {
        true
    }

    fn has_notes_of_transfer(&self) -> bool {
        true
    }
}

impl CommandRules for Void {
    fn subject(&self) -> Option<EntityId> {
        Some(self.transfer)
    }

    fn plan(&self, _: PlanInput, states: &mut dyn States) -> Result<Vec<Part>, Stop> {
        let held = pending(states, self.transfer)?;
        // The answer shows the target.
        known(states, held.made().to)?;
        released(states, self.transfer, &held, TransferStep::Void)
    }

    fn versioned(&self, input: PlanInput, parts: &[Part]) -> EntityId {
        source(input, parts.first())
    }

    fn shown(&self, _: PlanInput, after: &dyn After) -> Option<Shown> {
        ended(self.transfer, after)
    }

    fn moving(&self, known: &dyn Known) -> Option<Moving> {
        let transfer = known.transfer(self.transfer)?;
        Some(moving(&transfer, transfer.held()))
    }

    fn acceptance(&self) -> Acceptance {
        Acceptance::Decided
    }

    fn has_notes_of_transfer(&self) -> bool {
        true
    }
}

impl CommandRules for Expire {
    fn subject(&self) -> Option<EntityId> {
        Some(self.transfer)
    }

    fn plan(&self, input: PlanInput, states: &mut dyn States) -> Result<Vec<Part>, Stop> {
        let held = pending(states, self.transfer)?;
        if !held.is_to_expire(input.now) {
            return Ok(Vec::new());
        }
        released(states, self.transfer, &held, TransferStep::Expire)
    }

    fn versioned(&self, input: PlanInput, parts: &[Part]) -> EntityId {
        source(input, parts.first())
    }

    fn shown(&self, _: PlanInput, after: &dyn After) -> Option<Shown> {
        ended(self.transfer, after)
    }

    fn has_notes_of_transfer(&self) -> bool {
        true
    }
}

impl CommandRules for Reverse {
    fn subject(&self) -> Option<EntityId> {
        Some(self.transfer)
    }

    fn plan(&self, input: PlanInput, states: &mut dyn States) -> Result<Vec<Part>, Stop> {
        let id = self.transfer;
        let reversal = input.operation.transfer();
        let (made, amount, step) = match transfer(states, id)? {
            Some(transfer) => {
                let made = transfer.made().clone();
                let amount = transfer.moved().unwrap_or(made.amount);
                (made, amount, TransferStep::Reverse(reversal))
            }
            None => {
                let made = match states.original(id) {
                    Original::Unread => return Err(Stop::Read(id)),
                    Original::Absent => return Err(no_transfer(id)),
                    Original::ManyLegs => return Err(Stop::Refuse(many_legs().about(id))),
                    Original::Immediate(made) => made,
                };
                let (original, amount) = (TransferMade::clone(&made), made.amount);
                (original, amount, TransferStep::Note(made, reversal))
            }
        };
        let (from_kind, _) = known(states, made.to)?;
        let (to_kind, _) = known(states, made.from)?;
        Ok(vec![
            Part::money(made.to, from_kind, MoneyStep::Debit(amount, made.currency)),
            Part::money(made.from, to_kind, MoneyStep::Credit(amount, made.currency)),
            of_transfer(id, step),
        ])
    }

    /// The reversal goes the other way, so that the transfer's source is the second part.
    fn versioned(&self, input: PlanInput, parts: &[Part]) -> EntityId {
        source(input, parts.get(1))
    }

    fn shown(&self, input: PlanInput, after: &dyn After) -> Option<Shown> {
        let original = ends(self.transfer, after)?;
        let (from, to) = (original.to.0, original.from.0);
        let ends = TransferEnds {
            id: input.operation.transfer(),
            status: TransferStatus::Posted,
            from: (from, after.balances(from)?),
            to: (to, after.balances(to)),
        };
        Some(Shown::Transfer(ends, Notes::default()))
    }

    fn moving(&self, known: &dyn Known) -> Option<Moving> {
        let transfer = known.transfer(self.transfer)?;
        Some(moving(&transfer, transfer.moved()))
    }

    fn acceptance(&self) -> Acceptance {
        Acceptance::Decided
    }

    fn makes(&self) -> Makes {
        Makes::Reversal
    }

    fn notes(&self) -> CallerNotes<'_> {
        (self.reference.as_deref(), Some(&self.metadata))
    }
}

/// Returns a transfer that is to be posted or ended. The transfer itself decides whether it is
/// pending.
fn pending(states: &mut dyn States, id: EntityId) -> Result<entities::Transfer, Stop> {
    match transfer(states, id)? {
        Some(transfer) => Ok(transfer),
        None => match states.original(id) {
            Original::Unread => Err(Stop::Read(id)),
            Original::Absent => Err(no_transfer(id)),
            // The transfer refuses it itself, because the rules of its ends come first.
            Original::Immediate(made) => Ok(entities::Transfer::immediate(&made)),
            Original::ManyLegs => Err(Stop::Refuse(never_pending().about(id))),
        },
    }
}

/// Returns the parts of an end that posts nothing more: the amount still held is released.
fn released(
    states: &mut dyn States,
    id: EntityId,
    held: &entities::Transfer,
    step: TransferStep,
) -> Result<Vec<Part>, Stop> {
    let made = held.made();
    let (kind, _) = known(states, made.from)?;
    let release = MoneyStep::ReleaseHold {
        amount: held.held().unwrap_or(made.amount),
        held_at: made.made_at,
    };
    Ok(vec![
        Part::money(made.from, kind, release),
        of_transfer(id, step),
    ])
}

const fn of_transfer(entity: EntityId, step: TransferStep) -> Part {
    Part {
        entity,
        step: Step::Transfer(step),
    }
}

/// Returns the transfer's source, which is the entity of this part.
fn source(input: PlanInput, part: Option<&Part>) -> EntityId {
    part.map_or(input.subject, |part| part.entity)
}

/// Returns the ends of a transfer, and the answer that shows them with the transfer's own notes.
fn ended(id: EntityId, after: &dyn After) -> Option<Shown> {
    let made = match after.state(id)? {
        (State::Transfer(transfer), _) => transfer.made(),
        _ => return None,
    };
    let notes = Notes {
        reference: made.reference.clone(),
        metadata: made.metadata.clone(),
    };
    Some(Shown::Transfer(ends(id, after)?, notes))
}

fn ends(id: EntityId, after: &dyn After) -> Option<TransferEnds> {
    let (State::Transfer(transfer), _) = after.state(id)? else {
        return None;
    };
    let (from, to) = (transfer.made().from, transfer.made().to);
    Some(TransferEnds {
        id,
        status: transfer.status(),
        from: (from, after.balances(from)?),
        to: (to, after.balances(to)),
    })
}

fn moving(transfer: &entities::Transfer, amount: Option<Amount>) -> Moving {
    let made = transfer.made();
    Moving {
        amount: amount.unwrap_or(made.amount),
        currency: made.currency,
    }
}

fn many_legs() -> Rejection {
    Rejection::new(
        Code::NotReversible,
        "a transaction of many legs can't be reversed: make the opposite one",
    )
}
