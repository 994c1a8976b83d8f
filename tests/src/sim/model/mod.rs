//! The sequential model: the effects of each command according to the contract ("Rules of money"),
//! implemented independently. It shares the message types of `florin_actors::messages` with the
//! core, but none of the core's rules or arithmetic.

mod batches;
mod kept;
mod movements;
mod owners;
mod transfers;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use florin_actors::messages::{
    self, Code, Command, Currency, EntityId, Kind, OperationId, Reverse, Timestamp, TransferEnds,
    TransferMade, TransferStatus, TransferView, Void,
};

pub use self::batches::{Became, Before, Scope, Settled};
pub use self::kept::{Account, Kept, Money, Transfer, What, minor, plain};
use self::movements::{How, Moving};
use super::history::Request;

/// The bound of every balance, on either side of zero.
pub const MOST: i128 = 9_007_199_254_740_991;

/// The place of a command: where and when it takes effect, by which operation, and the id that a
/// new entity gets.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub sequence: u64,
    pub time: Timestamp,
    pub operation: OperationId,
    pub fresh: Option<EntityId>,
}

/// A posting: one entity's debit, credit or change of what is held.
#[derive(Debug, Clone, PartialEq)]
pub struct Post {
    /// The item of a batch that made it; 0 for other commands.
    pub item: u32,
    pub amount: i128,
    pub currency: Currency,
    pub balance: i128,
    pub held: i128,
    pub overdraft: Option<i128>,
}

/// One entity's part of an effect.
#[derive(Debug, Clone, PartialEq)]
pub struct Touch {
    pub entity: EntityId,
    pub previous: u64,
    /// The number by which its version grows.
    pub raised: u32,
    pub postings: Vec<Post>,
    pub after: Kept,
}

/// The result that an answer shows.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Shows {
    #[default]
    Nothing,
    Entity(EntityId, Kept),
    Ends(TransferEnds),
    /// The outcomes of a batch's items that were not simply done.
    Items(Vec<(u32, Became)>),
}

/// The effect of a command.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Effect {
    pub touched: Vec<Touch>,
    pub shown: Shows,
    /// The ends of a movement: source and target. `None` is the outside world.
    pub ends: (Option<EntityId>, Option<EntityId>),
    /// The transfers that it makes that are not entities.
    pub at_once: Vec<(EntityId, TransferMade)>,
    /// The parts of a batch that were done: each item, its operation, and its effect.
    pub items: Vec<(u32, OperationId, Effect)>,
    /// The keys of a batch's items that it settles.
    pub settles: Vec<Settled>,
    /// Set if it moved money along many legs.
    pub many_legs: bool,
}

/// The model's verdict on a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    Refused(Code),
    /// The whole command is refused because of one of its items or legs.
    Rejected {
        index: u32,
        code: Code,
    },
    /// The command is accepted and executed afterwards.
    Accepted,
    /// The outcome is still open: an item has the key of a command that is still to be executed.
    Open,
    Done(Box<Effect>),
}

/// A pending transfer whose time is over, or will be.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    pub transfer: EntityId,
    pub source: EntityId,
    pub expires_at: Timestamp,
}

/// All entities at one sequence.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    kept: BTreeMap<EntityId, Kept>,
    /// Transfers made at once, by the id of their operation.
    at_once: BTreeMap<EntityId, Rc<TransferMade>>,
    /// Transactions of many legs, by the id of their operation.
    many_legs: BTreeSet<EntityId>,
    /// The totals of all debits and of all credits, by currency.
    pub totals: BTreeMap<Currency, (u128, u128)>,
}

/// Returns the effect of a command that was done without a change.
fn unchanged(id: EntityId, kept: &Kept) -> Effect {
    Effect {
        shown: Shows::Entity(id, kept.clone()),
        ..Effect::default()
    }
}

impl Ledger {
    /// Returns the entity with this id.
    pub fn entity(&self, id: EntityId) -> Option<&Kept> {
        self.kept.get(&id)
    }

    /// Returns the account with this id.
    pub fn account(&self, id: EntityId) -> Option<(&Kept, &Rc<Account>)> {
        let kept = self.kept.get(&id)?;
        match &kept.what {
            What::Account(account) => Some((kept, account)),
            _ => None,
        }
    }

    /// Returns the money of an account or wallet.
    pub fn money(&self, id: EntityId) -> Option<&Money> {
        self.kept.get(&id)?.money()
    }

    /// Returns every entity, ordered by id.
    pub fn entities(&self) -> impl Iterator<Item = (EntityId, &Kept)> {
        self.kept.iter().map(|(id, kept)| (*id, kept))
    }

    /// Returns every account, ordered by id.
    pub fn accounts(&self) -> impl Iterator<Item = (EntityId, &Kept, &Rc<Account>)> {
        self.kept.iter().filter_map(|(id, kept)| match &kept.what {
            What::Account(account) => Some((*id, kept, account)),
            _ => None,
        })
    }

    /// Returns a transfer, whether it is an entity or was only made at once.
    pub fn transfer(&self, id: EntityId) -> Option<Transfer> {
        match self.kept.get(&id).map(|kept| &kept.what) {
            Some(What::Transfer(transfer)) => Some(Transfer::clone(transfer)),
            Some(_) => None,
            None => Some(Transfer::at_once(self.at_once.get(&id)?)),
        }
    }

    /// Returns a transfer as its ends see it.
    pub fn transfer_view(&self, id: EntityId) -> Option<TransferView> {
        Some(self.transfer(id)?.view(id))
    }

    /// Returns every transfer that was ever made.
    pub fn transfers(&self) -> impl Iterator<Item = EntityId> {
        let entities = self.kept.iter();
        let pending = entities.filter(|(_, kept)| kept.kind() == Kind::Transfer);
        pending
            .map(|(id, _)| *id)
            .chain(self.at_once.keys().copied())
    }

    /// Returns the pending transfers whose time is over at `time`.
    pub fn due(&self, time: Timestamp) -> impl Iterator<Item = Due> {
        self.kept.iter().filter_map(move |(id, kept)| {
            let What::Transfer(transfer) = &kept.what else {
                return None;
            };
            let expires_at = transfer.made.expires_at.filter(|at| *at <= time)?;
            let is_pending = transfer.status == TransferStatus::Pending;
            is_pending.then_some(Due {
                transfer: *id,
                source: transfer.made.from,
                expires_at,
            })
        })
    }

    /// Returns the verdict on a request in this state, regardless of its own key.
    pub fn decide(&self, request: &Request, place: Place, before: Before<'_>) -> Verdict {
        if request.is_accepted_first() {
            return match self.accepts(request) {
                Ok(()) => Verdict::Accepted,
                Err(code) => Verdict::Refused(code),
            };
        }
        match &request.command {
            Command::Transact(transact) => self.transact(transact, request, place),
            Command::Batch(batch) => self.batch(batch, request, place, before),
            _ => self
                .effect(request, place)
                .map_or_else(Verdict::Refused, |effect| Verdict::Done(Box::new(effect))),
        }
    }

    /// Checks whether a command may be accepted now and executed later. The entity that it names
    /// must exist, with that kind and version.
    fn accepts(&self, request: &Request) -> Result<(), Code> {
        let about = match &request.command {
            Command::Transact(_) | Command::Batch(_) => return Ok(()),
            Command::Post(messages::Post { transfer, .. })
            | Command::Void(Void { transfer })
            | Command::Reverse(Reverse { transfer, .. }) => {
                if self.many_legs.contains(transfer) {
                    return Ok(());
                }
                let made = self.transfer(*transfer).ok_or(Code::NotFound)?.made;
                made.from
            }
            command => command.routing_entity().ok_or(Code::NotFound)?,
        };
        self.of_kind(about, request)?;
        self.money(about).ok_or(Code::NotFound)?;
        self.at_version(about, request)
    }

    /// Checks that an entity has the kind that the request's path names.
    fn of_kind(&self, id: EntityId, request: &Request) -> Result<(), Code> {
        let kind = self.kept.get(&id).map(Kept::kind);
        match request.kind {
            Some(wanted) if kind != Some(wanted) => Err(Code::NotFound),
            _ => Ok(()),
        }
    }

    fn effect(&self, request: &Request, place: Place) -> Result<Effect, Code> {
        if let Some(entity) = request.command.routing_entity() {
            self.of_kind(entity, request)?;
        }
        match &request.command {
            Command::OpenAccount(open) => self.open(open, request, place),
            Command::UpdateAccount(update) => {
                self.undeleted(update.account, request)?;
                self.update(update, place)
            }
            Command::DeleteAccount(delete) => {
                self.undeleted(delete.account, request)?;
                self.delete(delete.account, place)
            }
            Command::EraseAccount(erase) => self
                .found(erase.account, request)
                .map(|account| self.erase(erase.account, account, place)),
            Command::OpenWallet(open) => self.open_wallet(open, place),
            Command::UpdateWallet(update) => self.update_wallet(update, request, place),
            Command::OpenMerchant(open) => self.open_merchant(open, request, place),
            Command::EraseMerchant(erase) => self.erase_merchant(erase.merchant, request, place),
            Command::Deposit(deposit) => {
                let moving = Moving {
                    from: None,
                    to: Some(deposit.to),
                    amount: minor(deposit.amount),
                    currency: deposit.currency,
                    about: deposit.to,
                    how: How::AtOnce,
                    state: Ok(()),
                };
                self.moved(&moving, request, place)
            }
            Command::Withdraw(withdraw) => {
                let moving = Moving {
                    from: Some(withdraw.from),
                    to: None,
                    amount: minor(withdraw.amount),
                    currency: withdraw.currency,
                    about: withdraw.from,
                    how: How::AtOnce,
                    state: Ok(()),
                };
                self.moved(&moving, request, place)
            }
            Command::Transfer(transfer) => self.transfer_at_once(transfer, request, place),
            Command::Hold(hold) => self.hold(hold, request, place),
            Command::Post(messages::Post { transfer, .. }) | Command::Void(Void { transfer })
                if self.many_legs.contains(transfer) =>
            {
                Err(Code::NotPending)
            }
            Command::Reverse(reverse) if self.many_legs.contains(&reverse.transfer) => {
                Err(Code::NotReversible)
            }
            Command::Post(post) => self.post(*post, request, place),
            Command::Void(void) => self.void(void.transfer, request, place),
            Command::Reverse(reverse) => self.reverse(reverse, request, place),
            Command::Resume(resume) => {
                let kind = self.kept.get(&resume.entity).map(Kept::kind);
                if kind != Some(resume.kind) {
                    return Err(Code::NotFound);
                }
                Ok(Effect::default())
            }
            // No caller may send these commands.
            Command::Quarantine(_) | Command::Expire(_) => Err(Code::NotFound),
            // No simulated client sends these commands.
            Command::OpenCard(_) | Command::DeleteCard(_) => Err(Code::NotFound),
            // These commands are decided part by part.
            Command::Transact(_) | Command::Batch(_) => Err(Code::NotFound),
        }
    }

    /// Applies an effect to the ledger.
    pub fn apply(&mut self, effect: &Effect, place: Place) {
        for touch in &effect.touched {
            self.kept.insert(touch.entity, touch.after.clone());
            for post in &touch.postings {
                let (debits, credits) = self.totals.entry(post.currency).or_default();
                if post.amount < 0 {
                    *debits += post.amount.unsigned_abs();
                } else {
                    *credits += post.amount.unsigned_abs();
                }
            }
        }
        for (id, made) in &effect.at_once {
            self.at_once.insert(*id, Rc::new(made.clone()));
        }
        if effect.many_legs {
            self.many_legs.insert(place.operation.transfer());
        }
    }

    fn touch(&self, entity: EntityId, what: What, posting: Option<Post>, place: Place) -> Touch {
        let before = self.kept.get(&entity);
        let (version, previous) = before.map_or((0, 0), |kept| (kept.version, kept.last));
        Touch {
            entity,
            previous,
            raised: 1,
            postings: posting.into_iter().collect(),
            after: Kept {
                version: version + 1,
                last: place.sequence,
                what,
            },
        }
    }
}
