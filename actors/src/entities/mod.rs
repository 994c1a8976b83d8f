//! The rules: every entity is a pure state machine. It knows no clock, no randomness, no input or
//! output, and imports `words` only.
//!
//! A kind of entity is a file here: its state, its events, its steps, `decide` and `evolve`, its view
//! and its public name. It is registered by one line of `entities!` below. An enum that follows from
//! the registration is matched without a `_` arm elsewhere, so that a kind that was forgotten does
//! not compile.

pub mod account;
pub mod balance;
pub mod card;
pub mod card_number;
mod entity;
pub mod external;
mod limits;
mod listing;
pub mod merchant;
pub mod money;
pub mod numbering;
pub mod transfer;
pub mod wallet;

use serde::{Deserialize, Serialize};

use crate::words::{Currency, EntityId, Overdraft, Rejection, Timestamp};

pub use account::{Account, AccountEvent, AccountStep, AccountView, Opened};
pub use balance::Balance;
pub use card::{Card, CardCopy, CardEvent, CardOpened, CardStep, CardView};
pub use card_number::{CardNumber, CardNumberEvent, CardNumberStep};
pub use entity::{Entity, Fact, Stamp, Viewed};
pub use external::{External, ExternalEvent};
pub use limits::Spending;
pub use listing::{List, ListKey, ListRow};
pub use merchant::{Merchant, MerchantEvent, MerchantOpened, MerchantStep, MerchantView};
pub use money::{AccountStatus, Balances, MoneyEvent, MoneyStep};
pub use numbering::{Numbering, NumberingEvent, NumberingStep};
pub use transfer::{
    Taken, Transfer, TransferEvent, TransferMade, TransferStatus, TransferStep, TransferView,
};
pub use wallet::{Wallet, WalletEvent, WalletOpened, WalletStep, WalletView};

macro_rules! entities {
    ($( $(#[doc = $doc:literal])+ $kind:ident; )+) => {
        /// A kind of entity. Kinds are appended, never reordered: records and views contain their
        /// positions.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Kind {
            $( $(#[doc = $doc])+ $kind, )+
        }

        impl Kind {
            /// All kinds, in the order of their registration.
            pub const ALL: [Self; [$( Self::$kind, )+].len()] = [$( Self::$kind, )+];

            /// Returns the kind's public name, e.g. `account`.
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$kind => <$kind as Entity>::NAME, )+
                }
            }

            /// Returns the refusal for an entity that doesn't exist or has another kind.
            pub fn not_found(self) -> Rejection {
                match self {
                    $( Self::$kind => <$kind as Entity>::not_found(), )+
                }
            }
        }

        /// An event of any entity.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub enum Event {
            $( $(#[doc = $doc])+ $kind(<$kind as Entity>::Event), )+
        }

        impl Event {
            /// Returns the kind of the entity.
            pub const fn kind(&self) -> Kind {
                match self {
                    $( Self::$kind(_) => Kind::$kind, )+
                }
            }

            /// Returns what happened to the money of an entity that callers may name.
            pub fn money(&self) -> Option<&MoneyEvent> {
                match self {
                    $( Self::$kind(event) => event.money(), )+
                }
            }

            /// Returns the amount that the event moved, in minor units, negative for a debit.
            pub fn moved(&self) -> i64 {
                match self {
                    $( Self::$kind(event) => event.moved(), )+
                }
            }

            /// Returns whether the event only moves or holds money. Such an event changes no list.
            pub fn only_moves_money(&self) -> bool {
                self.money().is_some() || self.moved() != 0
            }

            /// Returns the overdraft limit that the entity has from this event on, if the event
            /// sets it.
            pub fn overdraft(&self) -> Option<Overdraft> {
                match self {
                    $( Self::$kind(event) => event.overdraft(), )+
                }
            }

            /// Returns the sequence of the record whose personal values the event erases.
            pub fn erased(&self) -> Option<u64> {
                match self {
                    $( Self::$kind(event) => event.erased(), )+
                }
            }
        }

        /// A step that one entity takes as its part of a command.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Step {
            /// An entity of this kind moves or holds money.
            Money(Kind, MoneyStep),
            $( $(#[doc = $doc])+ $kind(<$kind as Entity>::Step), )+
        }

        impl Step {
            /// Returns the kind of the entity that takes the step.
            pub const fn kind(&self) -> Kind {
                match self {
                    Self::Money(kind, _) => *kind,
                    $( Self::$kind(_) => Kind::$kind, )+
                }
            }

            /// Returns the currency that the step names, if it moves money or will.
            pub const fn currency(&self) -> Option<Currency> {
                match self {
                    Self::Money(_, step) => step.currency(),
                    $( Self::$kind(_) => None, )+
                }
            }
        }

        /// An entity of a registered kind.
        pub trait Registered: Entity {
            /// The entity's kind.
            const KIND: Kind;

            /// Returns the entity if the state is of this kind.
            fn of(state: &State) -> Option<&Self>;
        }

        $( impl Registered for $kind {
            const KIND: Kind = Kind::$kind;

            fn of(state: &State) -> Option<&Self> {
                match state {
                    State::$kind(entity) => Some(entity),
                    _ => None,
                }
            }
        } )+

        /// The state of any entity.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub enum State {
            $( $(#[doc = $doc])+ $kind($kind), )+
        }

        impl State {
            /// Returns the entity's kind.
            pub const fn kind(&self) -> Kind {
                match self {
                    $( Self::$kind(_) => Kind::$kind, )+
                }
            }

            /// Returns the currency and the balance, if the entity has money that callers may name.
            pub fn money(&self) -> Option<(Currency, Balance)> {
                match self {
                    $( Self::$kind(entity) => entity.money(), )+
                }
            }

            /// Returns the currency, balance, held amount and overdraft for a posting.
            pub fn posted(&self) -> Option<(Currency, i128, i64, Overdraft)> {
                match self {
                    $( Self::$kind(entity) => entity.posted(), )+
                }
            }

            /// Returns the sequence of the record beside which the entity's personal values are
            /// stored; `None` if there are none.
            pub fn personal(&self) -> Option<u64> {
                match self {
                    $( Self::$kind(entity) => entity.personal(), )+
                }
            }

            /// Returns the entity's rows in lists.
            pub fn rows(&self) -> Vec<ListRow> {
                match self {
                    $( Self::$kind(entity) => entity.rows(), )+
                }
            }

            /// Returns the events that `step` causes. An entity of another kind under the same id
            /// counts as none.
            ///
            /// # Errors
            /// The first rule that forbids the step.
            pub fn decide(
                state: Option<&Self>,
                step: &Step,
                now: Timestamp,
            ) -> Result<Vec<Event>, Rejection> {
                match step {
                    Step::Money(kind, step) => match kind {
                        $( Kind::$kind => {
                            let entity = match state {
                                Some(Self::$kind(entity)) => Some(entity),
                                _ => None,
                            };
                            let events = $kind::decide_money(entity, step, now)?;
                            Ok(events.into_iter().map(Event::$kind).collect())
                        } )+
                    },
                    $( Step::$kind(step) => {
                        let entity = match state {
                            Some(Self::$kind(entity)) => Some(entity),
                            _ => None,
                        };
                        let events = $kind::decide(entity, step, now)?;
                        Ok(events.into_iter().map(Event::$kind).collect())
                    } )+
                }
            }

            /// Returns the entity after one of its events; `None` if the event can't follow the
            /// state.
            pub fn evolve(state: Option<Self>, event: &Event, stamp: Stamp) -> Option<Self> {
                match (event, state) {
                    $( (Event::$kind(event), None) => {
                        $kind::evolve(None, event, stamp).map(Self::$kind)
                    }
                    (Event::$kind(event), Some(Self::$kind(entity))) => {
                        $kind::evolve(Some(entity), event, stamp).map(Self::$kind)
                    } )+
                    _ => None,
                }
            }
        }
    };
}

entities! {
    /// An account: money of a client.
    Account;
    /// An external account: the other end of deposits and withdrawals, one per currency and shard.
    External;
    /// The counter of account numbers, one per shard.
    Numbering;
    /// A wallet: money of a customer, with limits.
    Wallet;
    /// A transfer that was pending, or was reversed.
    Transfer;
    /// A card of an account.
    Card;
    /// A card number that is taken.
    CardNumber;
    /// A merchant: money of a merchant.
    Merchant;
}

impl Kind {
    /// Returns the id of the only entity of this kind for a currency (or without one) in a shard.
    /// The id is derived from these alone, so that no look-up is needed.
    pub fn system_id(self, currency: Option<Currency>, shard: u8) -> EntityId {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"florin system entity");
        hasher.update(self.name().as_bytes());
        if let Some(currency) = currency {
            hasher.update(currency.recorded().to_string().as_bytes());
        }
        let mut random = [0; 16];
        random.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        EntityId::from_parts(0, u128::from_be_bytes(random), shard)
    }
}
