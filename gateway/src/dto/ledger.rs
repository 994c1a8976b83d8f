//! The ledger: one transaction's postings, and the trial balance.

use std::collections::BTreeMap;

use florin_actors::messages::{
    Command, EntityId, Kind, Metadata, OperationId, Outcome, Posting, Record, TransferView,
};
use florin_actors::runtime::{Totals, TrialBalance};
use serde::Serialize;
use utoipa::ToSchema;

use super::movement::TransactionType;
use super::values::{Decimal, Time};

/// The balanced postings of one record.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Transaction)]
pub struct TransactionBody {
    /// Its id, which is its operation's too.
    #[schema(value_type = String, format = Uuid)]
    id: OperationId,
    /// What it was.
    #[schema(value_type = TransactionType)]
    transaction_type: &'static str,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Time,
    /// One posting an entity; they add up to zero in each currency.
    postings: Vec<PostingBody>,
    /// The caller's own name for it.
    #[schema(required)]
    reference: Option<String>,
    /// The caller's own pairs.
    #[schema(value_type = BTreeMap<String, String>)]
    metadata: Metadata,
    /// The link of the hash chain that seals its record, in hexadecimal.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    hash: String,
}

/// One entity's debit or credit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Posting)]
pub struct PostingBody {
    /// The entity.
    #[schema(value_type = String, format = Uuid)]
    entity_id: EntityId,
    /// What it is: `account`, or `external` for the world outside.
    #[schema(example = "account")]
    kind: &'static str,
    /// Minor units, negative for a debit.
    amount: i64,
    /// The currency of both.
    #[schema(pattern = "^[A-Z0-9]{3,8}$", example = "USD")]
    currency: String,
    /// The balance right after. Of an `external` account a decimal string: it is a total over
    /// many entities.
    balance_after: BalanceAfter,
    /// The entity's version right after.
    #[schema(minimum = 1)]
    version: u64,
}

/// A balance: an integer of one entity, a decimal string of an external account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum BalanceAfter {
    One(i64),
    Total(Decimal),
}

impl BalanceAfter {
    /// The balance of an entity of that kind.
    pub(super) fn of(kind: Kind, balance: i128) -> Self {
        match (kind, i64::try_from(balance)) {
            (Kind::External, _) | (_, Err(_)) => Self::Total(Decimal(balance)),
            (_, Ok(balance)) => Self::One(balance),
        }
    }
}

impl TransactionBody {
    /// The transaction that an operation made, sealed by `link`; `None` when it moved nothing. A
    /// batch makes one an item, and none by itself. `posted`: the pending transfer that it posts, whose
    /// reference and metadata it carries.
    pub fn of(
        id: OperationId,
        record: &Record,
        link: [u8; 32],
        posted: Option<TransferView>,
    ) -> Option<Self> {
        let item = record.item_of(id);
        let is_batch = matches!(record.command, Command::Batch(_));
        if !matches!(record.outcome, Outcome::Done(_)) || is_batch != item.is_some() {
            return None;
        }
        let own = |posting: &&Posting| posting.item == item.unwrap_or(0);
        let own = record.postings.iter().filter(own);
        if own.clone().all(|posting| posting.amount == 0) {
            return None;
        }
        let (reference, metadata) = match item.and_then(|index| record.item(index)) {
            Some((item, _)) => {
                let transfer = &item.transfer;
                (transfer.reference.as_deref(), Some(&transfer.metadata))
            }
            None => match &posted {
                Some(transfer) => {
                    let made = &transfer.made;
                    (made.reference.as_deref(), Some(&made.metadata))
                }
                None => record.command.notes(),
            },
        };
        Some(Self {
            id,
            transaction_type: record.transaction_type(),
            timestamp: Time(record.time),
            postings: own.filter_map(|one| posting(record, one)).collect(),
            reference: reference.map(str::to_owned),
            metadata: metadata.cloned().unwrap_or_default(),
            hash: blake3::Hash::from_bytes(link).to_hex().to_string(),
        })
    }
}

fn posting(record: &Record, posting: &Posting) -> Option<PostingBody> {
    let change = record.changes.get(posting.change as usize)?;
    let kind = change.kind()?;
    Some(PostingBody {
        entity_id: change.entity,
        kind: kind.name(),
        amount: posting.amount,
        currency: posting.currency.code().to_owned(),
        balance_after: BalanceAfter::of(kind, posting.balance),
        version: record.version_after(posting)?,
    })
}

/// Every posting of the ledger, added up.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TrialBalance)]
pub struct TrialBalanceBody {
    /// The last record counted.
    as_of_sequence: u64,
    /// The totals by currency.
    currencies: BTreeMap<String, TotalsBody>,
}

/// One currency's totals, in minor units as decimal strings.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Totals)]
pub struct TotalsBody {
    /// All debits, as a positive number.
    #[schema(value_type = String, example = "1000")]
    debits: Decimal,
    /// All credits.
    #[schema(value_type = String, example = "1000")]
    credits: Decimal,
    /// Debits less credits: 0.
    #[schema(value_type = String, example = "0")]
    difference: Decimal,
}

impl From<Totals> for TotalsBody {
    fn from(totals: Totals) -> Self {
        let signed = |total: u128| i128::try_from(total).unwrap_or(i128::MAX);
        let (debits, credits) = (signed(totals.debits), signed(totals.credits));
        Self {
            debits: Decimal(debits),
            credits: Decimal(credits),
            difference: Decimal(debits.saturating_sub(credits)),
        }
    }
}

impl From<TrialBalance> for TrialBalanceBody {
    fn from(balance: TrialBalance) -> Self {
        let currencies = balance.currencies.into_iter();
        let mut by_code = BTreeMap::new();
        for (currency, totals) in currencies {
            let code = currency.code().to_owned();
            // An asset that had another scale once is another one, with totals of its own.
            let name = match by_code.contains_key(&code) {
                true => currency.recorded().to_string(),
                false => code,
            };
            by_code.insert(name, totals.into());
        }
        Self {
            as_of_sequence: balance.as_of_sequence,
            currencies: by_code,
        }
    }
}
