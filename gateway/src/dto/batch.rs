//! What a batch and a transaction of many legs answer.

use florin_actors::messages::{
    Balances, Code, Command, EntityId, ItemResult, OperationId, Record, TransferStatus as Status,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::transfer::{EndBody, TransferStatus};

/// A batch that was made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BatchDone)]
pub struct BatchDoneBody {
    /// The operation, which names the batch; not there in the answer to a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid, nullable = false)]
    operation_id: Option<OperationId>,
    /// Always `completed`.
    #[schema(example = "completed")]
    status: &'static str,
    /// What became of each item, in their order.
    results: Vec<ItemBody>,
    /// Only in the answer to a dry run: nothing was done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    dry_run: bool,
}

/// What became of one item of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = BatchItem)]
pub enum ItemBody {
    /// Its transfer was made.
    Done {
        /// The transfer; not there in the answer to a dry run.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<String>, format = Uuid, nullable = false)]
        transfer_id: Option<EntityId>,
        /// What became of it.
        #[schema(value_type = TransferStatus)]
        transfer_status: &'static str,
    },
    /// A rule forbade it.
    Refused {
        /// The stable code.
        #[schema(example = "insufficient_funds")]
        code: &'static str,
        /// What was asked and what stood against it.
        detail: String,
    },
}

impl BatchDoneBody {
    /// The answer to the batch of a record; without an operation it is a dry run's.
    pub fn new(operation_id: Option<OperationId>, record: &Record) -> Option<Self> {
        let Command::Batch(batch) = &record.command else {
            return None;
        };
        let dry_run = operation_id.is_none();
        let results = 0..batch.items.len() as u32;
        Some(Self {
            operation_id,
            status: "completed",
            results: results
                .filter_map(|index| ItemBody::new(record, index, dry_run))
                .collect(),
            dry_run,
        })
    }
}

impl ItemBody {
    /// What became of a batch's item.
    pub fn new(record: &Record, index: u32, dry_run: bool) -> Option<Self> {
        let (item, other) = record.item(index)?;
        Some(match other {
            Some(ItemResult::Refused(rejection) | ItemResult::RefusedBefore(rejection)) => {
                Self::Refused {
                    code: Code::name(rejection.code),
                    detail: rejection.detail.to_string(),
                }
            }
            Some(ItemResult::Replayed(transfer, status)) => Self::Done {
                // One that the same batch would have made has no id in a dry run.
                transfer_id: (!dry_run).then_some(*transfer),
                transfer_status: status.name(),
            },
            None => {
                let shard = item.transfer.from.shard();
                let transfer = record.operation_id.item(index, shard).transfer();
                let status = match item.pending {
                    Some(_) => Status::Pending,
                    None => Status::Posted,
                };
                Self::Done {
                    transfer_id: (!dry_run).then_some(transfer),
                    transfer_status: status.name(),
                }
            }
        })
    }
}

/// A transaction of many legs that was made, and what everyone in it has right after.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransactionDone)]
pub struct TransactionDoneBody {
    /// The operation; not there in the answer to a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid, nullable = false)]
    operation_id: Option<OperationId>,
    /// Always `completed`.
    #[schema(example = "completed")]
    status: &'static str,
    /// The transaction, the same id; not there in the answer to a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid, nullable = false)]
    transaction_id: Option<OperationId>,
    /// Everyone that a leg names, once.
    entities: Vec<EndBody>,
    /// Only in the answer to a dry run: nothing was done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    dry_run: bool,
}

impl TransactionDoneBody {
    /// The answer to the transaction of a record; without an operation it is a dry run's.
    pub fn new(operation_id: Option<OperationId>, record: &Record) -> Self {
        let ends = record.postings.iter().filter_map(|posting| {
            let change = record.changes.get(posting.change as usize)?;
            let balances = Balances {
                balance: i64::try_from(posting.balance).ok()?,
                held: posting.held,
                overdraft: posting.overdraft,
                version: change.version,
            };
            Some(EndBody::new(change.entity, &balances))
        });
        Self {
            operation_id,
            status: "completed",
            transaction_id: operation_id,
            entities: ends.collect(),
            dry_run: operation_id.is_none(),
        }
    }
}
