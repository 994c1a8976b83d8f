//! The requests for a batch and for a transaction of many legs, and their answers.

use florin_actors::messages::{
    Balances, Code, Command, EntityId, ItemResult, OperationId, Record, TransferStatus as Status,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::names::TransferStatus;
use crate::api::transfers::bodies::{EndBody, TransferRequest};
use crate::http::values::{Amount, Completed, Failed, Id, Key, Pairs, Reference, UpTo};
use crate::http::{ProblemCode, RefusalFields};

/// The request to make many transfers.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// True: all transfers are made or none. False: each one is made or refused by itself.
    pub atomic: bool,
    /// The transfers. They are made in order, and each one sees the effects of the earlier ones.
    #[schema(value_type = Vec<TransferRequest>, min_items = 1, max_items = 10_000)]
    pub transfers: UpTo<TransferRequest, 10_000>,
    /// The same as the header `Idempotency-Key`: the key of the whole batch.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$", example = "order-1042-payment")]
    pub idempotency_key: Option<Key>,
}

/// The request for one transaction of many legs.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransactionRequest {
    /// The legs. They are made in order, and each one sees the effects of the earlier ones.
    #[schema(value_type = Vec<LegRequest>, min_items = 1, max_items = 100)]
    pub legs: UpTo<LegRequest, 100>,
    /// The caller's own reference, such as an order number.
    #[schema(value_type = Option<String>, max_length = 255, example = "order-1042")]
    pub reference: Option<Reference>,
    /// The caller's own data: at most 32 pairs of strings, 4 KiB in total.
    #[schema(value_type = Option<BTreeMap<String, String>>, example = json!({"order": "1042"}))]
    pub metadata: Option<Pairs>,
    /// The same as the header `Idempotency-Key`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$", example = "order-1042-payment")]
    pub idempotency_key: Option<Key>,
}

/// One leg of a transaction. Both ends must have the same currency; other legs may have another
/// one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LegRequest {
    /// The id of the account, wallet or merchant that the money is taken from.
    #[schema(value_type = String, format = Uuid)]
    pub from: Id,
    /// The id of the account, wallet or merchant that the money goes to.
    #[schema(value_type = String, format = Uuid)]
    pub to: Id,
    /// The amount in minor units.
    #[schema(value_type = u64, minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 1000)]
    pub amount: Amount,
}

/// A batch that was executed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BatchDone)]
pub struct BatchDoneBody {
    /// The operation's id, which is also the id of the batch. In a dry run there is no operation:
    /// `/operations/{id}` answers 404.
    #[schema(value_type = String, format = Uuid)]
    operation_id: OperationId,
    /// Always `completed`.
    status: Completed,
    /// The result of each item, in the order of the request.
    results: Vec<ItemBody>,
    /// Present only in the answer to a dry run: nothing was done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    dry_run: bool,
}

/// The result of one item of a batch: `status` says which of the two forms it has.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = BatchItem, discriminator(property_name = "status", mapping(
    ("completed" = "#/components/schemas/BatchItemCompleted"),
    ("failed" = "#/components/schemas/BatchItemFailed"),
)))]
pub enum ItemBody {
    /// The transfer was made.
    Completed(ItemCompletedBody),
    /// The item was refused.
    Failed(ItemFailedBody),
}

/// An item of a batch whose transfer was made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BatchItemCompleted)]
pub struct ItemCompletedBody {
    /// Always `completed`.
    status: Completed,
    /// The transfer's id, which is also the id of its operation. In a dry run nothing exists under
    /// this id.
    #[schema(value_type = String, format = Uuid)]
    transfer_id: EntityId,
    /// The status of the transfer.
    #[schema(value_type = TransferStatus)]
    transfer_status: &'static str,
}

/// An item of a batch that was refused; it moved nothing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BatchItemFailed)]
pub struct ItemFailedBody {
    /// Always `failed`.
    status: Failed,
    /// The stable code of the rule that refused the item.
    #[schema(value_type = ProblemCode)]
    code: &'static str,
    /// The reason in a sentence.
    #[schema(example = "30 is available, the transfer takes 200")]
    detail: String,
    #[serde(flatten)]
    refusal: RefusalFields,
}

impl BatchDoneBody {
    /// Creates the answer to the batch of a record; `None` if the record's command is not a batch.
    pub fn new(record: &Record, dry_run: bool) -> Option<Self> {
        let Command::Batch(batch) = &record.command else {
            return None;
        };
        let results = 0..batch.items.len() as u32;
        Some(Self {
            operation_id: record.operation_id,
            status: Completed::Completed,
            results: results
                .filter_map(|index| ItemBody::new(record, index))
                .collect(),
            dry_run,
        })
    }
}

impl ItemBody {
    /// Creates the result of a batch's item; `None` if the batch has no item with this index.
    pub fn new(record: &Record, index: u32) -> Option<Self> {
        let (item, other) = record.item(index)?;
        Some(match other {
            Some(ItemResult::Refused(rejection) | ItemResult::RefusedBefore(rejection)) => {
                Self::Failed(ItemFailedBody {
                    status: Failed::Failed,
                    code: Code::name(rejection.code),
                    detail: rejection.detail.to_string(),
                    refusal: RefusalFields::new(rejection, &item.command()),
                })
            }
            Some(ItemResult::Replayed(transfer, status)) => {
                Self::Completed(ItemCompletedBody::new(*transfer, *status))
            }
            None => {
                let shard = item.transfer.from.shard();
                let transfer = record.operation_id.item(index, shard).transfer();
                let status = match item.pending {
                    Some(_) => Status::Pending,
                    None => Status::Posted,
                };
                Self::Completed(ItemCompletedBody::new(transfer, status))
            }
        })
    }
}

impl ItemCompletedBody {
    const fn new(transfer_id: EntityId, status: Status) -> Self {
        Self {
            status: Completed::Completed,
            transfer_id,
            transfer_status: status.name(),
        }
    }
}

/// A transaction of many legs that was executed, with the balances of its entities right after it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransactionDone)]
pub struct TransactionDoneBody {
    /// The operation's id. In a dry run there is no operation: `/operations/{id}` answers 404.
    #[schema(value_type = String, format = Uuid)]
    operation_id: OperationId,
    /// Always `completed`.
    status: Completed,
    /// The transaction's id, which is the same as the operation's. In a dry run nothing exists
    /// under this id.
    #[schema(value_type = String, format = Uuid)]
    transaction_id: OperationId,
    /// All entities that the legs name, each once.
    entities: Vec<EndBody>,
    /// Present only in the answer to a dry run: nothing was done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    dry_run: bool,
}

impl TransactionDoneBody {
    /// Creates the answer to the transaction of a record.
    pub fn new(record: &Record, dry_run: bool) -> Self {
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
            operation_id: record.operation_id,
            status: Completed::Completed,
            transaction_id: record.operation_id,
            entities: ends.collect(),
            dry_run,
        }
    }
}
