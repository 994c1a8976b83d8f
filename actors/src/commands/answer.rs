//! The parts of a command's answer that the record's changes alone don't tell.

use serde::{Deserialize, Serialize};

use crate::entities::{AccountView, Balances, CardView, MerchantView, TransferStatus, WalletView};
use crate::words::{EntityId, Metadata, Rejection};

/// A caller's reference and metadata.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Notes {
    /// The caller's reference.
    pub reference: Option<String>,
    /// The caller's metadata.
    pub metadata: Metadata,
}

/// A transfer's source, target and status, as the answer to a command about the transfer shows
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TransferEnds {
    /// The transfer.
    pub id: EntityId,
    /// The transfer's status.
    pub status: TransferStatus,
    /// The source, and its balances right after the command.
    pub from: (EntityId, Balances),
    /// The target, and its balances right after the command, if the command looked at them.
    pub to: (EntityId, Option<Balances>),
}

/// The part of a command's answer that can't be derived from the record's changes alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Shown {
    /// The account right after the command.
    Account(AccountView),
    /// The wallet right after the command.
    Wallet(WalletView),
    /// The transfer's source and target right after the command. If the command only names the
    /// transfer, the reference and metadata with which the transfer was made follow.
    Transfer(TransferEnds, Notes),
    /// First, the results of a batch's items that were not simply done, with their indexes, in
    /// order. Second, the target's balances of each pending item with a key, with the item's index:
    /// a repeat of the key shows them, and the item's postings don't contain them, because a hold
    /// changes its source only.
    Batch(Vec<(u32, ItemResult)>, Vec<(u32, Balances)>),
    /// The card right after the command.
    Card(CardView),
    /// The merchant right after the command.
    Merchant(MerchantView),
}

impl Shown {
    /// Returns the sequence of the record beside which the personal values of the shown entity are
    /// stored; `None` if it has none.
    pub const fn personal(&self) -> Option<u64> {
        match self {
            Self::Account(view) => Some(view.opened),
            Self::Merchant(view) => Some(view.opened),
            Self::Wallet(_) | Self::Transfer(..) | Self::Batch(..) | Self::Card(_) => None,
        }
    }
}

/// The result of a batch's item that was not simply done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ItemResult {
    /// A rule refused the item.
    Refused(Rejection),
    /// The item's key was used before, and this transfer was made then.
    Replayed(EntityId, TransferStatus),
    /// The item's key was used before, and the item was refused then with this refusal. This record
    /// settles nothing about the item.
    RefusedBefore(Rejection),
}
