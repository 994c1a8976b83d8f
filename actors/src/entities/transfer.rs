//! Transfers that are entities: pending transfers until they are posted, voided or expire, and
//! immediate transfers that are reversed later. An immediate transfer that was not reversed needs
//! no entity, because its record contains everything.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::entity::{Entity, Fact, Stamp};
use super::listing::{List, ListKey, ListRow};
use crate::words::{Amount, Code, Currency, EntityId, Metadata, Rejection, Timestamp};

/// The facts recorded when a transfer is made. They never change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferMade {
    /// The source, which is debited.
    pub from: EntityId,
    /// The target, which is credited.
    pub to: EntityId,
    /// The amount of the transfer.
    pub amount: Amount,
    /// The currency of the source and the target.
    pub currency: Currency,
    /// The time from which on the transfer can't be posted any more; `None`: it never expires.
    pub expires_at: Option<Timestamp>,
    /// The caller's reference.
    pub reference: Option<String>,
    /// The caller's metadata.
    pub metadata: Metadata,
    /// The time at which the transfer was made.
    pub made_at: Timestamp,
    /// The transfer that this one reverses, if it is a reversal.
    pub reverses: Option<EntityId>,
}

/// An event of a transfer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TransferEvent {
    /// The transfer was made as a pending one, and holds its amount.
    Pending(Box<TransferMade>),
    /// All or a part of the transfer was posted. The `freed` amount is no longer held, and the
    /// transfer has ended once nothing is held.
    Posted {
        /// The amount that was moved.
        amount: Amount,
        /// The amount that is no longer held: the posted amount and the amount released with it.
        freed: Amount,
    },
    /// The transfer was voided.
    Voided,
    /// The transfer expired.
    Expired,
    /// The transfer had been made immediately, without a hold. This event is recorded when the
    /// transfer is reversed.
    Immediate(Box<TransferMade>),
    /// The transfer was reversed by the transfer with this id.
    Reversed(EntityId),
}

impl Fact for TransferEvent {}

/// A step that only a transfer takes.
#[derive(Debug, Clone, PartialEq)]
pub enum TransferStep {
    /// Begin a pending transfer.
    Begin(Box<TransferMade>),
    /// Store a transfer that was made immediately, and have it reversed by this one.
    Note(Box<TransferMade>, EntityId),
    /// Post this much.
    Post(Taken),
    /// Void the transfer.
    Void,
    /// End the transfer if its expiry time has passed.
    Expire,
    /// Have the transfer reversed by this one.
    Reverse(EntityId),
}

/// The status of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TransferStatus {
    /// The source holds the money.
    Pending,
    /// All or a part of the money was moved.
    Posted,
    /// The transfer was voided before any money moved.
    Voided,
    /// The transfer expired before any money moved.
    Expired,
    /// The transfer was posted and then reversed.
    Reversed,
}

impl TransferStatus {
    /// All statuses.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Posted,
        Self::Voided,
        Self::Expired,
        Self::Reversed,
    ];

    /// Returns the status's public name, e.g. `pending`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Posted => "posted",
            Self::Voided => "voided",
            Self::Expired => "expired",
            Self::Reversed => "reversed",
        }
    }
}

/// A transfer as the owners of its source and target see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferView {
    /// The transfer.
    pub id: EntityId,
    /// The transfer's status.
    pub status: TransferStatus,
    /// The amount that was moved, in minor units.
    pub posted_amount: u64,
    /// The facts recorded when the transfer was made.
    pub made: TransferMade,
    /// The transfer that reversed this one, if it is reversed.
    pub reversed_by: Option<EntityId>,
}

/// A transfer's state. Its copies share the immutable part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    made: Arc<TransferMade>,
    status: TransferStatus,
    was_pending: bool,
    posted: u64,
    held: u64,
    reversed_by: Option<EntityId>,
}

/// The amounts that a post takes from a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// The amount that moves.
    pub amount: Amount,
    /// The amount that is no longer held: the posted amount and the amount released with it.
    pub freed: Amount,
}

impl Transfer {
    /// Creates the state of an immediate transfer.
    pub fn immediate(made: &TransferMade) -> Self {
        Self {
            posted: made.amount.get(),
            made: Arc::new(made.clone()),
            status: TransferStatus::Posted,
            was_pending: false,
            held: 0,
            reversed_by: None,
        }
    }

    /// Returns the transfer as the owners of its source and target see it.
    pub fn view(&self, id: EntityId) -> TransferView {
        TransferView {
            id,
            status: self.status,
            posted_amount: self.posted,
            made: TransferMade::clone(&self.made),
            reversed_by: self.reversed_by,
        }
    }

    /// Returns the row of a pending transfer that expires at this time.
    pub fn due(at: Timestamp) -> ListRow {
        ListRow::new(List::TransfersDue).by(ListKey::Time(at))
    }

    /// Returns the facts recorded when the transfer was made.
    pub fn made(&self) -> &TransferMade {
        &self.made
    }

    /// Returns the transfer's status.
    pub const fn status(&self) -> TransferStatus {
        self.status
    }

    /// Returns the amount that the source still holds; `None` if it holds nothing.
    pub fn held(&self) -> Option<Amount> {
        Amount::new(self.held).ok()
    }

    /// Returns the amount that the transfer moved; `None` if it moved nothing.
    pub fn moved(&self) -> Option<Amount> {
        Amount::new(self.posted).ok()
    }

    /// Returns the amounts that a post of `amount` would take; `None` means all that is held. If
    /// nothing is held, the post will be refused, and the full amount of the transfer is used in
    /// its place.
    pub fn taken(&self, amount: Option<Amount>, is_final: bool) -> Taken {
        let held = self.held().unwrap_or(self.made.amount);
        let amount = amount.unwrap_or(held);
        let freed = if is_final { held.max(amount) } else { amount };
        Taken { amount, freed }
    }

    /// Checks that the transfer is pending. The refusal says how the transfer ended.
    fn pending(&self) -> Result<(), Rejection> {
        let (code, detail) = match self.status {
            _ if !self.was_pending => return Err(never_pending()),
            TransferStatus::Pending => return Ok(()),
            TransferStatus::Posted => (Code::AlreadyPosted, "the transfer was posted already"),
            TransferStatus::Voided => (Code::AlreadyVoided, "the transfer was voided already"),
            TransferStatus::Expired => (Code::TransferExpired, "the transfer's time is over"),
            TransferStatus::Reversed => {
                (Code::AlreadyReversed, "the transfer was reversed already")
            }
        };
        Err(Rejection::new(code, detail))
    }

    /// Returns whether the transfer is still pending and its expiry time has passed.
    pub fn is_to_expire(&self, now: Timestamp) -> bool {
        self.status == TransferStatus::Pending && self.is_over(now)
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.made.expires_at.is_some_and(|at| at <= now)
    }

    fn post(&self, taken: Taken, now: Timestamp) -> Result<TransferEvent, Rejection> {
        self.pending()?;
        if self.is_over(now) {
            return Err(Rejection::new(
                Code::TransferExpired,
                "the transfer's time is over",
            ));
        }
        if taken.amount.get() > self.held {
            let detail = format!(
                "posting {} is more than the transfer still holds, {}",
                taken.amount.get(),
                self.held
            );
            return Err(Rejection::new(Code::AmountExceedsHold, detail));
        }
        Ok(TransferEvent::Posted {
            amount: taken.amount,
            freed: taken.freed,
        })
    }

    /// Checks that the transfer can be reversed.
    fn reversible(&self) -> Result<(), Rejection> {
        if self.status == TransferStatus::Reversed {
            let detail = "the transfer was reversed already";
            return Err(Rejection::new(Code::AlreadyReversed, detail));
        }
        if self.status == TransferStatus::Pending || self.posted == 0 {
            let detail = format!("the transfer is {}, it posted nothing", self.status.name());
            return Err(Rejection::new(Code::NotPosted, detail));
        }
        Ok(())
    }

    /// Ends the transfer without another post. If a part was posted before, the status is `Posted`;
    /// otherwise it is `otherwise`.
    const fn end(&mut self, otherwise: TransferStatus) {
        self.held = 0;
        self.status = if self.posted > 0 {
            TransferStatus::Posted
        } else {
            otherwise
        };
    }
}

/// Returns the refusal for a transfer that was made immediately, without a hold.
pub fn never_pending() -> Rejection {
    Rejection::new(Code::NotPending, "the transfer was never pending")
}

impl Entity for Transfer {
    type Event = TransferEvent;
    type Step = TransferStep;

    const NAME: &'static str = "transfer";
    const NOT_FOUND: &'static str = "Transfer not found";

    fn decide(
        state: Option<&Self>,
        step: &TransferStep,
        now: Timestamp,
    ) -> Result<Vec<TransferEvent>, Rejection> {
        match (state, step) {
            (None, TransferStep::Begin(made)) => Ok(vec![TransferEvent::Pending(made.clone())]),
            // An immediate transfer that is reversed becomes an entity first.
            (None, TransferStep::Note(made, by)) => Ok(vec![
                TransferEvent::Immediate(made.clone()),
                TransferEvent::Reversed(*by),
            ]),
            // There is no entity, but the plan found the transfer, so it was made immediately.
            (None, TransferStep::Post(_) | TransferStep::Void) => Err(never_pending()),
            (Some(transfer), TransferStep::Post(taken)) => Ok(vec![transfer.post(*taken, now)?]),
            (Some(transfer), TransferStep::Void) => {
                transfer.pending()?;
                Ok(vec![TransferEvent::Voided])
            }
            (Some(transfer), TransferStep::Expire) => {
                let expired = transfer.is_to_expire(now).then_some(TransferEvent::Expired);
                Ok(expired.into_iter().collect())
            }
            (Some(transfer), TransferStep::Reverse(by)) => {
                transfer.reversible()?;
                Ok(vec![TransferEvent::Reversed(*by)])
            }
            (None, TransferStep::Expire | TransferStep::Reverse(_))
            | (Some(_), TransferStep::Begin(_) | TransferStep::Note(..)) => Err(Self::not_found()),
        }
    }

    fn evolve(state: Option<Self>, event: &TransferEvent, _: Stamp) -> Option<Self> {
        let mut transfer = match (state, event) {
            (None, TransferEvent::Pending(made)) => {
                return Some(Self {
                    held: made.amount.get(),
                    made: Arc::new(TransferMade::clone(made)),
                    status: TransferStatus::Pending,
                    was_pending: true,
                    posted: 0,
                    reversed_by: None,
                });
            }
            (None, TransferEvent::Immediate(made)) => return Some(Self::immediate(made)),
            (Some(transfer), _) => transfer,
            (None, _) => return None,
        };
        match event {
            TransferEvent::Pending(_) | TransferEvent::Immediate(_) => return None,
            TransferEvent::Posted { amount, freed } => {
                transfer.posted += amount.get();
                transfer.held = transfer.held.checked_sub(freed.get())?;
                if transfer.held == 0 {
                    transfer.status = TransferStatus::Posted;
                }
            }
            TransferEvent::Voided => transfer.end(TransferStatus::Voided),
            TransferEvent::Expired => transfer.end(TransferStatus::Expired),
            TransferEvent::Reversed(by) => {
                transfer.status = TransferStatus::Reversed;
                transfer.reversed_by = Some(*by);
            }
        }
        Some(transfer)
    }

    fn rows(&self) -> Vec<ListRow> {
        let made = &self.made;
        match self.status {
            TransferStatus::Pending => {
                let pending = ListRow::new(List::TransfersPending).by(ListKey::Time(made.made_at));
                let mut rows = vec![pending.showing(made.from).showing(made.to)];
                rows.extend(made.expires_at.map(Self::due));
                rows
            }
            TransferStatus::Posted
            | TransferStatus::Voided
            | TransferStatus::Expired
            | TransferStatus::Reversed => Vec::new(),
        }
    }
}
