//! The ledger: the postings of one transaction, and the trial balance.

use std::collections::BTreeMap;

use florin_actors::messages::{
    Command, EntityId, Kind, Metadata, OperationId, Outcome, Posting, Record,
};
use florin_actors::runtime::{Totals, TrialBalance};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::names::TransactionType;
use crate::http::values::{Decimal, Time};

/// The balanced postings of one record.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Transaction)]
pub struct TransactionBody {
    /// The transaction's id, which is the same as the operation's.
    #[schema(value_type = String, format = Uuid)]
    id: OperationId,
    /// The type of the transaction.
    #[schema(value_type = TransactionType)]
    transaction_type: &'static str,
    /// The time when the transaction was recorded.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Time,
    /// The postings, one per entity. In each currency they sum to zero.
    postings: Vec<PostingBody>,
    /// The caller's own reference; null if there is none.
    #[schema(required, example = "order-1042")]
    reference: Option<String>,
    /// The caller's own data: pairs of strings.
    #[schema(value_type = BTreeMap<String, String>, example = json!({"order": "1042"}))]
    metadata: Metadata,
    /// Present only for a reversal: the id of the transfer that it reverses.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid, nullable = false, example = "01a1fd0a-c21b-7a0f-9e35-0a5a425a4b25")]
    reverses: Option<EntityId>,
    /// The link of the hash chain that seals the transaction's record, in hexadecimal.
    #[schema(
        pattern = "^[0-9a-f]{64}$",
        example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    )]
    hash: String,
}

/// A debit or credit of one entity.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Posting)]
pub struct PostingBody {
    /// The id of the entity.
    #[schema(value_type = String, format = Uuid)]
    entity_id: EntityId,
    /// The kind of the entity, such as `account`; `external` stands for the world outside.
    #[schema(example = "account")]
    kind: &'static str,
    /// The amount in minor units, negative for a debit.
    amount: i64,
    /// The currency of the amount and the balance.
    #[schema(pattern = "^[A-Z0-9]{3,8}$", example = "USD")]
    currency: String,
    /// The balance right after the posting, in minor units; null for an `external` account, which
    /// has a total instead.
    #[schema(required)]
    balance_after: Option<i64>,
    /// The total of an `external` account right after the posting, in minor units as a decimal
    /// string; null for any other entity. It sums the postings of many entities, so it may be
    /// larger than a JSON integer.
    #[schema(required, value_type = Option<String>, pattern = "^-?[0-9]+$", example = "-1000")]
    total_after: Option<Decimal>,
    /// The entity's version right after the posting.
    #[schema(minimum = 1)]
    version: u64,
}

/// A balance in the export: an integer for an ordinary entity, a decimal string for an external
/// account.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum BalanceAfter {
    One(i64),
    Total(Decimal),
}

impl BalanceAfter {
    /// Returns the balance of an entity of this kind.
    pub fn of(kind: Kind, balance: i128) -> Self {
        match i64::try_from(balance) {
            Ok(balance) if kind != Kind::External => Self::One(balance),
            Ok(_) | Err(_) => Self::Total(Decimal(balance)),
        }
    }
}

impl TransactionBody {
    /// Creates the transaction that an operation made, sealed by `link`. Returns `None` if the
    /// operation moved nothing. In a batch each item has its own transaction, and the batch itself
    /// has none.
    pub fn of(id: OperationId, record: &Record, link: [u8; 32]) -> Option<Self> {
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
            None => record.notes(),
        };
        Some(Self {
            id,
            transaction_type: record.transaction_type(),
            timestamp: Time(record.time),
            postings: own.filter_map(|one| posting(record, one)).collect(),
            reference: reference.map(str::to_owned),
            metadata: metadata.cloned().unwrap_or_default(),
            reverses: reversed(&record.command),
            hash: blake3::Hash::from_bytes(link).to_hex().to_string(),
        })
    }
}

/// Returns the transfer that a command reverses.
fn reversed(command: &Command) -> Option<EntityId> {
    if let Command::Reverse(reverse) = command {
        Some(reverse.transfer)
    } else {
        None
    }
}

fn posting(record: &Record, posting: &Posting) -> Option<PostingBody> {
    let change = record.changes.get(posting.change as usize)?;
    let kind = change.kind()?;
    let (balance_after, total_after) = match BalanceAfter::of(kind, posting.balance) {
        BalanceAfter::One(balance) => (Some(balance), None),
        BalanceAfter::Total(total) => (None, Some(total)),
    };
    Some(PostingBody {
        entity_id: change.entity,
        kind: kind.name(),
        amount: posting.amount,
        currency: posting.currency.code().to_owned(),
        balance_after,
        total_after,
        version: record.version_after(posting)?,
    })
}

/// The sums of all postings of the ledger.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TrialBalance)]
pub struct TrialBalanceBody {
    /// The sequence of the last record that is counted.
    as_of_sequence: u64,
    /// The totals by currency.
    currencies: BTreeMap<String, TotalsBody>,
}

/// The totals of one currency, in minor units as decimal strings.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Totals)]
pub struct TotalsBody {
    /// The sum of all debits, as a positive number.
    #[schema(value_type = String, example = "1000")]
    debits: Decimal,
    /// The sum of all credits.
    #[schema(value_type = String, example = "1000")]
    credits: Decimal,
    /// The debits minus the credits: always 0.
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
            // An asset whose scale was changed counts as another currency with totals of its own,
            // so the second one is listed under its recorded name.
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
