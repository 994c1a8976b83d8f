//! The requests for transfers, the answer to a command about one, and a transfer that is looked up later.

use crate::api::names::TransferStatus;
use crate::http::values::{
    Amount, Completed, CurrencyCode, Id, Key, Pairs, Reference, Seconds, Time,
};
use florin_actors::messages::{
    self as core, Balances, EntityId, Metadata, OperationId, TransferEnds, TransferView,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The request to transfer money between any two accounts or wallets.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferRequest {
    /// The id of the account, wallet or merchant that the money is taken from.
    #[schema(value_type = String, format = Uuid)]
    pub from: Id,
    /// The id of the account, wallet or merchant that the money goes to.
    #[schema(value_type = String, format = Uuid)]
    pub to: Id,
    /// The amount in minor units.
    #[schema(value_type = u64, minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 1000)]
    pub amount: Amount,
    /// The currency. If given, it must be the currency of both ends.
    #[schema(value_type = Option<String>, pattern = "^[A-Z0-9]{3,8}$", example = "USD")]
    pub currency: Option<CurrencyCode>,
    /// True if the transfer only holds the money. In this case the money moves when the transfer is
    /// posted. By default, it is false.
    pub pending: Option<bool>,
    /// The number of seconds after which a pending transfer expires; allowed only with `pending`.
    /// By default, it is the setting `ledger.hold_expiry_seconds`; with the default of this setting,
    /// the transfer never expires.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 315_360_000)]
    pub expires_in_seconds: Option<Seconds>,
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

/// The request to post a pending transfer or a part of it. The body may be omitted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostRequest {
    /// The amount to post, in minor units. By default, it is the whole amount that is still held.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub amount: Option<Amount>,
    /// True if the rest that is not posted is released; if it is false, the rest stays held. By
    /// default, it is true.
    #[serde(rename = "final")]
    pub is_final: Option<bool>,
    /// The same as the header `Idempotency-Key`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$", example = "order-1042-payment")]
    pub idempotency_key: Option<Key>,
}

/// The request to reverse a transfer. The body may be omitted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReverseRequest {
    /// The caller's own reference for the reversal.
    #[schema(value_type = Option<String>, max_length = 255, example = "refund-17")]
    pub reference: Option<Reference>,
    /// The caller's own data for the reversal: at most 32 pairs of strings, 4 KiB in total.
    #[schema(value_type = Option<BTreeMap<String, String>>, example = json!({"order": "1042"}))]
    pub metadata: Option<Pairs>,
    /// The same as the header `Idempotency-Key`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[!-~]+$", example = "order-1042-payment")]
    pub idempotency_key: Option<Key>,
}

/// A transfer right after a command, with the balances of both ends.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransferDone)]
pub struct TransferDoneBody {
    /// The operation's id. In a dry run there is no operation: `/operations/{id}` answers 404.
    #[schema(value_type = String, format = Uuid)]
    operation_id: OperationId,
    /// Always `completed`.
    status: Completed,
    /// The transfer's id. A new transfer has the id of its operation; if a dry run makes it, nothing
    /// exists under this id.
    #[schema(value_type = String, format = Uuid)]
    transfer_id: EntityId,
    /// The status of the transfer.
    #[schema(value_type = TransferStatus)]
    transfer_status: &'static str,
    /// The end that the money is taken from.
    from: EndBody,
    /// The end that the money goes to.
    to: EndBody,
    /// Present only in the answer to a reversal: the id of the transfer that is reversed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid, nullable = false, example = "01a1fd0a-c21b-7a0f-9e35-0a5a425a4b25")]
    reverses: Option<EntityId>,
    /// Present only in the answer to a dry run: nothing was done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    dry_run: bool,
}

impl TransferDoneBody {
    /// Creates the answer to an operation that made and posted a transfer.
    pub fn new(operation_id: OperationId, dry_run: bool, from: EndBody, to: EndBody) -> Self {
        Self {
            operation_id,
            status: Completed::Completed,
            transfer_id: operation_id.transfer(),
            transfer_status: core::TransferStatus::Posted.name(),
            from,
            to,
            reverses: None,
            dry_run,
        }
    }

    /// Creates the answer to an operation about a transfer; `None` if the target was not read.
    pub fn of(operation_id: OperationId, dry_run: bool, ends: &TransferEnds) -> Option<Self> {
        let (from, to) = (&ends.from, &ends.to);
        let (from, to) = (
            EndBody::new(from.0, &from.1),
            EndBody::new(to.0, to.1.as_ref()?),
        );
        Some(Self {
            transfer_id: ends.id,
            transfer_status: ends.status.name(),
            ..Self::new(operation_id, dry_run, from, to)
        })
    }

    /// Returns the transfer's id.
    pub const fn transfer_id(&self) -> EntityId {
        self.transfer_id
    }

    /// Marks the answer as that of a reversal of `transfer`.
    #[must_use]
    pub const fn reversing(mut self, transfer: EntityId) -> Self {
        self.reverses = Some(transfer);
        self
    }

    /// Returns the version of the transfer's source.
    pub const fn source_version(&self) -> u64 {
        self.from.version
    }
}

/// One end of a transfer or a leg, with its balances right after the command.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransferEnd)]
pub struct EndBody {
    /// The id of the account, wallet or merchant.
    #[schema(value_type = String, format = Uuid)]
    id: EntityId,
    /// The posted balance in minor units.
    balance: i64,
    /// The part of the balance that pending transfers hold, in minor units.
    held: i64,
    /// The amount that a debit may take, in minor units; null if the overdraft limit is unlimited.
    #[schema(required)]
    available: Option<i64>,
    /// The version of the account, wallet or merchant.
    #[schema(minimum = 1)]
    version: u64,
}

impl EndBody {
    /// Creates an end from its balances.
    pub const fn new(id: EntityId, balances: &Balances) -> Self {
        Self {
            id,
            balance: balances.balance,
            held: balances.held,
            available: balances.available(),
            version: balances.version,
        }
    }
}

/// A transfer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Transfer)]
pub struct TransferBody {
    /// The transfer's id, which is the same as that of the operation that made it.
    #[schema(value_type = String, format = Uuid)]
    id: EntityId,
    /// The status of the transfer.
    #[schema(value_type = TransferStatus)]
    status: &'static str,
    /// The id of the account, wallet or merchant that the money is taken from.
    #[schema(value_type = String, format = Uuid)]
    from: EntityId,
    /// The id of the account, wallet or merchant that the money goes to.
    #[schema(value_type = String, format = Uuid)]
    to: EntityId,
    /// The amount in minor units.
    #[schema(minimum = 1)]
    amount: u64,
    /// The amount that was posted, in minor units.
    posted_amount: u64,
    /// The currency of the amounts.
    #[schema(pattern = "^[A-Z0-9]{3,8}$", example = "USD")]
    currency: String,
    /// The time when the pending transfer expires; null if it does not expire.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    expires_at: Option<Time>,
    /// The caller's own reference; null if there is none.
    #[schema(required, example = "order-1042")]
    reference: Option<String>,
    /// The caller's own data: pairs of strings.
    #[schema(value_type = BTreeMap<String, String>, example = json!({"order": "1042"}))]
    metadata: Metadata,
    /// The time when the transfer was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// Present only for a reversal: the id of the transfer that it reverses.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid, nullable = false, example = "01a1fd0a-c21b-7a0f-9e35-0a5a425a4b25")]
    reverses: Option<EntityId>,
    /// Present only if the transfer was reversed: the id of the reversal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid, nullable = false, example = "01a1fd0a-c21b-7a0f-9e35-0a5a425a4b25")]
    reversed_by: Option<EntityId>,
}

impl From<TransferView> for TransferBody {
    fn from(view: TransferView) -> Self {
        let made = view.made;
        Self {
            id: view.id,
            status: view.status.name(),
            from: made.from,
            to: made.to,
            amount: made.amount.get(),
            posted_amount: view.posted_amount,
            currency: made.currency.code().to_owned(),
            expires_at: made.expires_at.map(Time),
            reference: made.reference,
            metadata: made.metadata,
            created_at: Time(made.made_at),
            reverses: made.reverses,
            reversed_by: view.reversed_by,
        }
    }
}
