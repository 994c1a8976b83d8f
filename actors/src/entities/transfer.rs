//! A transfer that is more than one moment: pending until it is posted, voided or expires; or made
//! at once and reversed later. One that is only made needs no entity: its record tells everything.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::balance::no_such;
use super::{Entity, Stamp, Step};
use crate::messages::{
    Amount, Code, EntityId, Rejection, Timestamp, TransferEvent, TransferMade, TransferStatus,
    TransferView,
};

/// A transfer's state; what never changes is shared between its copies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    made: Arc<TransferMade>,
    status: TransferStatus,
    was_pending: bool,
    posted: u64,
    held: u64,
}

/// What a post takes of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// What moves.
    pub amount: Amount,
    /// What is no longer held: that, and what is released with it.
    pub freed: Amount,
}

impl Transfer {
    /// One that was made at once.
    pub fn immediate(made: &TransferMade) -> Self {
        Self {
            posted: made.amount.get(),
            made: Arc::new(made.clone()),
            status: TransferStatus::Posted,
            was_pending: false,
            held: 0,
        }
    }

    /// The transfer as its ends see it.
    pub fn view(&self, id: EntityId) -> TransferView {
        TransferView {
            id,
            status: self.status,
            posted_amount: self.posted,
            made: TransferMade::clone(&self.made),
        }
    }

    /// What it is from its first moment.
    pub fn made(&self) -> &TransferMade {
        &self.made
    }

    /// How far it is.
    pub const fn status(&self) -> TransferStatus {
        self.status
    }

    /// What its source still holds; `None`: nothing.
    pub fn held(&self) -> Option<Amount> {
        Amount::new(self.held).ok()
    }

    /// What it moved; `None`: nothing.
    pub fn moved(&self) -> Option<Amount> {
        Amount::new(self.posted).ok()
    }

    /// What a post of `amount`, or of all that is held, would take. Where the post is refused
    /// anyway, it is what the whole transfer would have taken.
    pub fn taken(&self, amount: Option<Amount>, is_final: bool) -> Taken {
        let held = self.held().unwrap_or(self.made.amount);
        let amount = amount.unwrap_or(held);
        let freed = if is_final { held.max(amount) } else { amount };
        Taken { amount, freed }
    }

    /// Whether it is pending; otherwise what became of it.
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

    /// Whether it is still pending and its time is over.
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
                "{} is held, {} was to be posted",
                self.held,
                taken.amount.get()
            );
            return Err(Rejection::new(Code::AmountExceedsHold, detail));
        }
        Ok(TransferEvent::Posted {
            amount: taken.amount,
            freed: taken.freed,
        })
    }

    /// Whether it can be reversed.
    fn reversible(&self) -> Result<(), Rejection> {
        if self.status == TransferStatus::Reversed {
            let detail = "the transfer was reversed already";
            return Err(Rejection::new(Code::AlreadyReversed, detail));
        }
        if self.status == TransferStatus::Pending || self.posted == 0 {
            let detail = format!("the transfer is {}", self.status.name());
            return Err(Rejection::new(Code::NotPosted, detail));
        }
        Ok(())
    }

    /// Ended without another post: what was posted before stays so.
    const fn end(&mut self, otherwise: TransferStatus) {
        self.held = 0;
        self.status = if self.posted > 0 {
            TransferStatus::Posted
        } else {
            otherwise
        };
    }
}

/// It was made at once.
pub fn never_pending() -> Rejection {
    Rejection::new(Code::NotPending, "the transfer was never pending")
}

impl Entity for Transfer {
    type Event = TransferEvent;

    fn decide(
        state: Option<&Self>,
        step: &Step,
        now: Timestamp,
    ) -> Result<Vec<TransferEvent>, Rejection> {
        let event = match (state, step) {
            (None, Step::BeginTransfer(made)) => TransferEvent::Pending(made.clone()),
            (None, Step::NoteTransfer(made)) => TransferEvent::Immediate(made.clone()),
            // No entity, but the plan knows that it was made: at once.
            (None, Step::Post(_) | Step::Void) => return Err(never_pending()),
            (Some(transfer), Step::Post(taken)) => transfer.post(*taken, now)?,
            (Some(transfer), Step::Void) => {
                transfer.pending()?;
                TransferEvent::Voided
            }
            (Some(transfer), Step::Expire) => {
                if !transfer.is_to_expire(now) {
                    return Ok(Vec::new());
                }
                TransferEvent::Expired
            }
            (Some(transfer), Step::Reverse) => {
                transfer.reversible()?;
                TransferEvent::Reversed
            }
            _ => return Err(no_such("transfer")),
        };
        // One that is first noted when it is reversed has two events.
        let reversed = matches!(event, TransferEvent::Immediate(_));
        let mut events = vec![event];
        if reversed {
            events.push(TransferEvent::Reversed);
        }
        Ok(events)
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
            TransferEvent::Reversed => transfer.status = TransferStatus::Reversed,
        }
        Some(transfer)
    }
}
