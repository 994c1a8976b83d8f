//! Transfers: the answer to one that was done, and one looked up later.

use florin_actors::messages::{
    self as core, Balances, EntityId, Metadata, OperationId, TransferEnds, TransferView,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::values::Time;

/// A transfer that was done, and both ends' balances right after.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransferDone)]
pub struct TransferDoneBody {
    /// The operation; not there in the answer to a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid, nullable = false)]
    operation_id: Option<OperationId>,
    /// Always `completed`.
    #[schema(example = "completed")]
    status: &'static str,
    /// The transfer: of one that is made the operation's id, and not there in the answer to a dry
    /// run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid, nullable = false)]
    transfer_id: Option<EntityId>,
    /// What became of it.
    #[schema(value_type = TransferStatus)]
    transfer_status: &'static str,
    /// Where it was taken.
    from: EndBody,
    /// Where it went.
    to: EndBody,
    /// Only in the answer to a dry run: nothing was done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    dry_run: bool,
}

/// How far a transfer is.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(
    dead_code,
    reason = "describes the names of TransferStatus in the core"
)]
pub(super) enum TransferStatus {
    Pending,
    Posted,
    Voided,
    Expired,
    Reversed,
}

impl TransferDoneBody {
    /// The answer to a transfer of that operation; without one it is a dry run's.
    pub fn new(operation_id: Option<OperationId>, from: EndBody, to: EndBody) -> Self {
        Self {
            operation_id,
            status: "completed",
            transfer_id: operation_id.map(OperationId::transfer),
            transfer_status: core::TransferStatus::Posted.name(),
            from,
            to,
            dry_run: operation_id.is_none(),
        }
    }

    /// The answer of that operation about a transfer that `made` it, or that was there before;
    /// `None` where its target was not looked at.
    pub fn of(operation_id: Option<OperationId>, made: bool, ends: &TransferEnds) -> Option<Self> {
        let (from, to) = (&ends.from, &ends.to);
        let (from, to) = (
            EndBody::new(from.0, &from.1),
            EndBody::new(to.0, to.1.as_ref()?),
        );
        Some(Self {
            transfer_id: (!made || operation_id.is_some()).then_some(ends.id),
            transfer_status: ends.status.name(),
            ..Self::new(operation_id, from, to)
        })
    }

    /// The version of the transfer's source.
    pub const fn source_version(&self) -> u64 {
        self.from.version
    }
}

/// One end of a transfer, right after it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransferEnd)]
pub struct EndBody {
    /// The account.
    #[schema(value_type = String, format = Uuid)]
    id: EntityId,
    /// What is posted, in minor units.
    balance: i64,
    /// What pending transfers hold of it.
    held: i64,
    /// What a debit may take; null without a limit.
    #[schema(required)]
    available: Option<i64>,
    /// The account's version.
    #[schema(minimum = 1)]
    version: u64,
}

impl EndBody {
    /// An end with its balances.
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
    /// Its id, which is its operation's too.
    #[schema(value_type = String, format = Uuid)]
    id: EntityId,
    /// What became of it.
    #[schema(value_type = TransferStatus)]
    status: &'static str,
    /// Where it was taken.
    #[schema(value_type = String, format = Uuid)]
    from: EntityId,
    /// Where it went.
    #[schema(value_type = String, format = Uuid)]
    to: EntityId,
    /// How much, in minor units.
    #[schema(minimum = 1)]
    amount: u64,
    /// How much of it was moved.
    posted_amount: u64,
    /// The currency of both.
    #[schema(pattern = "^[A-Z0-9]{3,8}$", example = "USD")]
    currency: String,
    /// When it expires; null if it doesn't.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    expires_at: Option<Time>,
    /// The caller's own name for it.
    #[schema(required)]
    reference: Option<String>,
    /// The caller's own pairs.
    #[schema(value_type = BTreeMap<String, String>)]
    metadata: Metadata,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
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
        }
    }
}
