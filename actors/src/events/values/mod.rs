//! The values of events, in the field names of the source documents.

mod accounts;
mod cards;
mod movements;
mod parts;
mod transactions;
mod transfers;
mod wallets;

use serde::Serialize;

pub(super) use parts::LEDGER;
pub use parts::{End, Part, Source};

pub use accounts::AccountChanged;
pub use cards::CardTold;
pub use movements::MovementTold;
pub use transactions::TransactionTold;
pub use transfers::TransferTold;
pub use wallets::{FundsAdded, WalletOpened};

/// The value of an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A change of an account itself.
    Account(AccountChanged),
    /// A change of a card.
    Card(CardTold),
    /// The opening of a wallet.
    Wallet(WalletOpened),
    /// A deposit to a wallet.
    FundsAdded(FundsAdded),
    /// A step of a transaction.
    Transaction(Box<TransactionTold>),
    /// A deposit or withdrawal: its request or its result.
    Movement(MovementTold),
    /// A transfer: its request or its result.
    Transfer(Box<TransferTold>),
}
