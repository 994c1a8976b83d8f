//! The rules: every entity is a pure state machine. No clock, no randomness, no input or output.
//!
//! A new entity is one file here and one line in `entities!` below.

pub mod account;
pub mod balance;
pub mod card;
pub mod card_number;
pub mod external;
pub mod numbering;
mod plan;
pub mod transfer;
pub mod wallet;

use serde::{Deserialize, Serialize};

use crate::messages::{
    AccountStatus, Amount, CardCopy, Currency, EntityId, Event, Kind, OpenAccount, OpenCard,
    OpenWallet, Overdraft, Rejection, Timestamp, TransferMade, WalletLimitsChange,
};
pub use balance::Balance;
pub use transfer::Taken;

/// The refusal of a command about an entity of that kind that there isn't.
pub fn no_such(kind: Kind) -> Rejection {
    balance::no_such(kind.name())
}
pub use plan::{Asked, Lookup, Original, Part, States, Stop, decide, plan};

/// What one entity is asked to do as its part of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A numbering: give out the next number.
    Issue,
    /// An account: come into being.
    Open(Box<OpenAccount>, u64),
    /// An account: change what is given.
    Update(Option<AccountStatus>, Option<Overdraft>),
    /// An account: end.
    Delete,
    /// An account: lose its personal values.
    Erase,
    /// Give this much of this currency.
    Debit(Amount, Currency),
    /// Take this much of this currency.
    Credit(Amount, Currency),
    /// Hold this much of this currency.
    Hold(Amount, Currency),
    /// Be ready to take this currency later; changes nothing.
    Expect(Currency),
    /// Give `amount` out of what was held since `held_at`; `freed` is no longer held.
    PostHold {
        /// What moves.
        amount: Amount,
        /// That, and what is released.
        freed: Amount,
        /// When the hold was made.
        held_at: Timestamp,
    },
    /// No longer hold this.
    ReleaseHold {
        /// How much.
        amount: Amount,
        /// When the hold was made.
        held_at: Timestamp,
    },
    /// A wallet: come into being.
    OpenWallet(Box<OpenWallet>),
    /// A wallet: change what is given.
    UpdateWallet(Option<AccountStatus>, Option<Overdraft>, WalletLimitsChange),
    /// A transfer: come into being, pending.
    BeginTransfer(Box<TransferMade>),
    /// A transfer made at once: come into being as an entity, and be reversed.
    NoteTransfer(Box<TransferMade>),
    /// A transfer: be posted so far.
    Post(Taken),
    /// A transfer: be voided.
    Void,
    /// A transfer: end if its time is over.
    Expire,
    /// A transfer: be reversed.
    Reverse,
    /// A card: come into being, with this number.
    OpenCard(OpenCard, u32),
    /// A card: end; of one made elsewhere what is known of it.
    DeleteCard(Option<Box<CardCopy>>),
    /// A card's number: be given to this card.
    Take(EntityId),
}

impl Step {
    /// The currency that it names, where it moves money or will.
    const fn currency(&self) -> Option<Currency> {
        match self {
            Self::Debit(_, currency)
            | Self::Credit(_, currency)
            | Self::Hold(_, currency)
            | Self::Expect(currency) => Some(*currency),
            _ => None,
        }
    }
}

/// Where and when a record is made: what `evolve` may know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The record's sequence.
    pub sequence: u64,
    /// The record's time.
    pub time: Timestamp,
}

/// One kind of entity.
pub trait Entity: Sized {
    /// Its facts.
    type Event;

    /// What `step` would do to it, or the first rule that forbids it. `None` is an entity that
    /// doesn't exist yet; `now` is the time of the record that would be made. Changes nothing.
    fn decide(
        state: Option<&Self>,
        step: &Step,
        now: Timestamp,
    ) -> Result<Vec<Self::Event>, Rejection>;

    /// The entity after one of its facts. `None` only where the fact can't follow the state: the
    /// record is damaged.
    fn evolve(state: Option<Self>, event: &Self::Event, stamp: Stamp) -> Option<Self>;

    /// Its money, if it has any that commands may name, and the currency.
    fn money(&self) -> Option<(Currency, Balance)> {
        None
    }

    /// How many copies of it share what never changes.
    fn copies(&self) -> usize {
        1
    }

    /// What a posting of this entity shows: its currency, balance, holds and overdraft.
    fn posted(&self) -> Option<(Currency, i128, i64, Overdraft)> {
        let (currency, balance) = self.money()?;
        Some((
            currency,
            i128::from(balance.posted),
            balance.held,
            balance.overdraft,
        ))
    }
}

macro_rules! entities {
    ($($kind:ident($entity:ty)),* $(,)?) => {
        /// The state of any entity.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub enum State {
            $(#[allow(missing_docs)] $kind($entity),)*
        }

        impl State {
            /// Its kind.
            pub const fn kind(&self) -> Kind {
                match self {
                    $(Self::$kind(_) => Kind::$kind,)*
                }
            }

            /// Its money, if it has any that commands may name, and the currency.
            pub fn money(&self) -> Option<(Currency, Balance)> {
                match self {
                    $(Self::$kind(entity) => entity.money(),)*
                }
            }

            /// How many copies of it share what never changes.
            pub fn copies(&self) -> usize {
                match self {
                    $(Self::$kind(entity) => entity.copies(),)*
                }
            }

            /// What a posting of this entity shows: its currency, balance, holds and overdraft.
            pub fn posted(&self) -> Option<(Currency, i128, i64, Overdraft)> {
                match self {
                    $(Self::$kind(entity) => entity.posted(),)*
                }
            }

            /// What `step` would do to an entity of `kind`. An entity of another kind under the
            /// same id is as good as none.
            pub fn decide(
                kind: Kind,
                state: Option<&Self>,
                step: &Step,
                now: Timestamp,
            ) -> Result<Vec<Event>, Rejection> {
                match kind {
                    $(Kind::$kind => {
                        let state = match state {
                            Some(Self::$kind(entity)) => Some(entity),
                            _ => None,
                        };
                        let events = <$entity>::decide(state, step, now)?;
                        Ok(events.into_iter().map(Event::$kind).collect())
                    })*
                }
            }

            /// The entity after one of its facts; `None` where the fact can't follow the state.
            pub fn evolve(state: Option<Self>, event: &Event, stamp: Stamp) -> Option<Self> {
                match (event, state) {
                    $((Event::$kind(event), None) => {
                        <$entity>::evolve(None, event, stamp).map(Self::$kind)
                    }
                    (Event::$kind(event), Some(Self::$kind(entity))) => {
                        <$entity>::evolve(Some(entity), event, stamp).map(Self::$kind)
                    })*
                    _ => None,
                }
            }
        }
    };
}

entities! {
    Account(account::Account),
    External(external::External),
    Numbering(numbering::Numbering),
    Wallet(wallet::Wallet),
    Transfer(transfer::Transfer),
    Card(card::Card),
    CardNumber(card_number::CardNumber),
}

#[cfg(test)]
mod laws;
