//! The lines that commands and changes share: accounts, cards and wallets as they are opened, and
//! hashes.

use florin_actors::messages::{
    CardCopy, CardOpened, Currency, EntityId, Metadata, Overdraft, Personal, WalletLimits,
};
use serde::{Serialize, Serializer};

use crate::api::wallets::bodies::LimitsBody;
use crate::http::values::Time;

/// A value that is serialized by its `Display` form.
#[derive(Debug)]
pub(super) struct Shown<'a, T>(pub(super) &'a T);

impl<T: std::fmt::Display> Serialize for Shown<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

/// An overdraft limit in the export: an integer, or `unlimited`. It is never null, because null
/// means that a command leaves the limit unchanged.
#[derive(Debug)]
pub(super) struct OverdraftLimit(Overdraft);

impl From<Overdraft> for OverdraftLimit {
    fn from(overdraft: Overdraft) -> Self {
        Self(overdraft)
    }
}

impl Serialize for OverdraftLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Overdraft::Limit(limit) => serializer.serialize_u64(limit),
            Overdraft::Unlimited => serializer.serialize_str("unlimited"),
        }
    }
}

/// A card as it was made. `created_at` is present only if another instance of the card service made
/// it.
#[derive(Debug, Serialize)]
pub(super) struct CardLine<'a> {
    pub(super) account_id: EntityId,
    pub(super) card_number: String,
    pub(super) country: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created_at: Option<Time>,
}

/// An account as it is opened. `number` is present only in the change, where the number was issued.
#[derive(Debug, Serialize)]
pub(super) struct OpenedLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) number: Option<u64>,
    pub(super) holder_hash: Option<String>,
    pub(super) country_code: &'a str,
    pub(super) currency: &'a str,
    pub(super) overdraft_limit: OverdraftLimit,
    pub(super) reference: Option<&'a str>,
    pub(super) metadata: &'a Metadata,
}

/// A wallet as it is opened.
#[derive(Debug, Serialize)]
pub(super) struct WalletLine<'a> {
    pub(super) customer_id: EntityId,
    pub(super) name: Option<&'a str>,
    pub(super) currency: &'a str,
    pub(super) overdraft_limit: OverdraftLimit,
    pub(super) limits: LimitsBody,
}

pub(super) fn card(opened: &CardOpened) -> CardLine<'_> {
    CardLine {
        account_id: opened.account,
        card_number: opened.card_number(),
        country: opened.country.code(),
        created_at: None,
    }
}

pub(super) fn card_copy(copy: &CardCopy) -> CardLine<'_> {
    CardLine {
        created_at: Some(Time(copy.created_at)),
        ..card(&copy.opened)
    }
}

pub(super) fn wallet<'a>(
    customer: EntityId,
    name: Option<&'a str>,
    currency: &'a Currency,
    overdraft: Overdraft,
    limits: WalletLimits,
) -> WalletLine<'a> {
    WalletLine {
        customer_id: customer,
        name,
        currency: currency.code(),
        overdraft_limit: overdraft.into(),
        limits: limits.into(),
    }
}

/// Returns the salted hash that replaces a personal value, in hexadecimal.
pub(super) fn sealed(personal: &Personal) -> Option<String> {
    match personal {
        Personal::Sealed(hash) => Some(const_hex::encode(hash)),
        Personal::Plain(_) => None,
    }
}
