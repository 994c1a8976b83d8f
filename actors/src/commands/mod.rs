//! Commands: typed requests to change something.
//!
//! A command has a type in the file of its family, with its rules: the entities that it touches, the
//! step that each of them takes, what its answer shows, and how it may be accepted. It is registered
//! by one line of `commands!` below. An enum that follows from the registration is matched without a
//! `_` arm elsewhere, so that a command that was forgotten does not compile.

mod accounts;
mod answer;
mod batches;
mod cards;
mod context;
mod merchants;
mod movements;
mod pending;
mod plan;
mod rules;
mod supervision;
mod wallets;

#[cfg(test)]
mod laws;

use std::borrow::{Borrow, BorrowMut};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::words::{Currency, EntityId, Moving, Personal, PersonalRow};

pub use accounts::{DeleteAccount, EraseAccount, OpenAccount, UpdateAccount};
pub use answer::{ItemResult, Notes, Shown, TransferEnds};
pub use batches::{Batch, BatchItem, Leg, Transact};
pub use cards::{DeleteCard, OpenCard};
pub use context::Context;
pub use merchants::{EraseMerchant, OpenMerchant};
pub use movements::{Deposit, Transfer, Withdraw};
pub use pending::{Expire, Hold, Post, Reverse, Void};
pub use plan::{After, Known, Lookup, Original, Part, PlanInput, States, Stop, decide};
pub use rules::{Acceptance, CallerNotes, CommandRules, Makes};
pub use supervision::{Quarantine, Resume};
pub use wallets::{OpenWallet, UpdateWallet};

macro_rules! commands {
    ($( $(#[doc = $doc:literal])+ $name:ident($contents:ty) = $label:literal; )+) => {
        /// A request to change something. Variants and fields are appended, never reordered: a
        /// record contains the command that made it.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub enum Command {
            $( $(#[doc = $doc])+ $name($contents), )+
        }

        /// A command without its contents: the label of metrics and operations.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum CommandKind {
            $( $(#[doc = $doc])+ $name, )+
        }

        impl CommandKind {
            /// All kinds, in the order of their registration.
            pub const ALL: [Self; [$( Self::$name, )+].len()] = [$( Self::$name, )+];

            /// Returns the kind's public name, e.g. `transfer`.
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$name => $label, )+
                }
            }
        }

        impl Command {
            /// Returns the command's kind.
            pub const fn kind(&self) -> CommandKind {
                match self {
                    $( Self::$name(_) => CommandKind::$name, )+
                }
            }

            /// Returns the rules of the command's type.
            pub fn rules(&self) -> &dyn CommandRules {
                match self {
                    $( Self::$name(command) => Borrow::<$name>::borrow(command), )+
                }
            }

            fn rules_mut(&mut self) -> &mut dyn CommandRules {
                match self {
                    $( Self::$name(command) => BorrowMut::<$name>::borrow_mut(command), )+
                }
            }

            /// Returns whether this request, not sealed yet, is the same as the recorded one.
            pub fn is_same_request(&self, recorded: &Self, row: Option<&PersonalRow>) -> bool {
                match (self, recorded) {
                    $( (Self::$name(own), Self::$name(recorded)) => {
                        let (own, recorded): (&$name, &$name) = (own.borrow(), recorded.borrow());
                        own.is_same_request(recorded, row)
                    } )+
                    _ => false,
                }
            }
        }
    };
}

commands! {
    /// Opens an account.
    OpenAccount(Box<OpenAccount>) = "open_account";
    /// Freezes or unfreezes an account, or changes its overdraft limit.
    UpdateAccount(UpdateAccount) = "update_account";
    /// Deletes an account; it stays readable.
    DeleteAccount(DeleteAccount) = "delete_account";
    /// Brings money in from outside.
    Deposit(Deposit) = "deposit";
    /// Sends money out.
    Withdraw(Withdraw) = "withdrawal";
    /// Moves money between two entities.
    Transfer(Transfer) = "transfer";
    /// Erases an account's personal values; the account itself stays.
    EraseAccount(EraseAccount) = "erase_account";
    /// Takes an entity's actor out of service. The supervision itself issues this command.
    Quarantine(Quarantine) = "quarantine";
    /// Puts an entity's actor back into service.
    Resume(Resume) = "resume";
    /// Makes a pending transfer: the source holds the money.
    Hold(Box<Hold>) = "hold";
    /// Posts all or a part of a pending transfer.
    Post(Post) = "post";
    /// Voids a pending transfer.
    Void(Void) = "void";
    /// Ends a pending transfer whose expiry time has passed. The node itself issues this command.
    Expire(Expire) = "expire";
    /// Reverses a posted transfer by making the opposite one.
    Reverse(Reverse) = "reversal";
    /// Opens a wallet.
    OpenWallet(Box<OpenWallet>) = "open_wallet";
    /// Freezes or unfreezes a wallet, or changes its limits.
    UpdateWallet(UpdateWallet) = "update_wallet";
    /// Moves money along many legs; either all of them are made or none.
    Transact(Box<Transact>) = "transaction";
    /// Makes many transfers. Each item is equivalent to a command of its own.
    Batch(Box<Batch>) = "batch";
    /// Makes a card.
    OpenCard(OpenCard) = "open_card";
    /// Deletes a card; it stays readable.
    DeleteCard(DeleteCard) = "delete_card";
    /// Opens a merchant.
    OpenMerchant(OpenMerchant) = "open_merchant";
    /// Erases a merchant's personal values; the merchant itself stays.
    EraseMerchant(EraseMerchant) = "erase_merchant";
}

impl CommandKind {
    /// Returns whether a movement can have this type: the kind of the command that moved the money.
    /// The movements of a post or a batch have the type of a transfer.
    pub const fn is_transaction_type(self) -> bool {
        match self {
            Self::Deposit | Self::Withdraw | Self::Transfer | Self::Reverse | Self::Transact => {
                true
            }
            Self::OpenAccount
            | Self::UpdateAccount
            | Self::DeleteAccount
            | Self::EraseAccount
            | Self::Quarantine
            | Self::Resume
            | Self::Hold
            | Self::Post
            | Self::Void
            | Self::Expire
            | Self::OpenWallet
            | Self::UpdateWallet
            | Self::Batch
            | Self::OpenCard
            | Self::DeleteCard
            | Self::OpenMerchant
            | Self::EraseMerchant => false,
        }
    }
}

impl Command {
    /// Returns the entity whose actor handles this command. For a transfer or a hold that is the
    /// source, for a transaction or a batch the source of the first leg or item. `None` for a
    /// command that creates an entity.
    pub fn routing_entity(&self) -> Option<EntityId> {
        self.rules().subject()
    }

    /// Returns the steps of the entities, debits before credits.
    ///
    /// # Errors
    /// Those of [`CommandRules::plan`].
    pub fn plan(&self, input: PlanInput, states: &mut dyn States) -> Result<Vec<Part>, Stop> {
        self.rules().plan(input, states)
    }

    /// Returns the amount that the command would move, as far as the entities in memory tell.
    pub fn moving(&self, known: &dyn Known) -> Option<Moving> {
        self.rules().moving(known)
    }

    /// Returns the caller's reference and metadata, if the command has them.
    pub fn notes(&self) -> CallerNotes<'_> {
        self.rules().notes()
    }

    /// Returns how the command may be accepted first and executed afterwards.
    pub fn acceptance(&self) -> Acceptance {
        self.rules().acceptance()
    }

    /// Returns whether the command moves, holds or releases money at a caller's request. Such
    /// commands may be accepted first and executed afterwards.
    pub fn moves_money(&self) -> bool {
        self.acceptance() != Acceptance::Never
    }

    /// Returns the currency that the caller may name.
    pub fn currency_mut(&mut self) -> Option<&mut Option<Currency>> {
        self.rules_mut().currency_mut()
    }

    /// Returns the entities of a command with many parts; empty for any other command.
    pub fn parties(&self) -> Vec<EntityId> {
        self.rules().parties()
    }

    /// Returns the number of parts; `None` for a command without parts.
    pub fn items(&self) -> Option<usize> {
        self.rules().items()
    }

    /// Returns the approximate memory that the parts take, in bytes.
    pub fn items_bytes(&self) -> usize {
        self.rules().items_bytes()
    }

    /// Returns the salted hashes of the personal values of a sealed command.
    pub fn sealed(&self) -> impl Iterator<Item = [u8; 16]> {
        let values = self.rules().personal().into_iter();
        values.filter_map(|value| match value {
            Personal::Sealed(hash) => Some(*hash),
            Personal::Plain(_) => None,
        })
    }

    /// Replaces every personal value by its salted hash. Returns the row that contains the values;
    /// `None`, without drawing a salt, if the command has none.
    pub fn seal(&mut self, salt: impl FnOnce() -> [u8; 16]) -> Option<PersonalRow> {
        let values = self.rules_mut().personal_mut();
        (!values.is_empty()).then(|| rules::seal(values, salt()))
    }

    /// Restores the personal values of `row`: the command as it was before [`Command::seal`].
    pub fn unseal(&mut self, row: &PersonalRow) {
        for (place, value) in self.rules_mut().personal_mut().into_iter().enumerate() {
            if let Some(plain) = row.value(place) {
                *value = Personal::Plain(Arc::clone(plain));
            }
        }
    }
}

impl BatchItem {
    /// Returns the command that the item would be if it were sent alone.
    pub fn command(&self) -> Command {
        let transfer = self.transfer.clone();
        match self.pending {
            None => Command::Transfer(transfer),
            Some(expires_in_seconds) => Command::Hold(Box::new(Hold {
                transfer,
                expires_in_seconds,
            })),
        }
    }
}
