//! Operations: the client's view of one command, and the results that commands have.

use florin_actors::messages::{
    Code, CommandKind, OperationId, Outcome, Record, Rejection, Timestamp,
};
use florin_actors::runtime::{Decided, Operation};
use serde::Serialize;
use utoipa::ToSchema;

use super::account::AccountBody;
use super::admin::ResumedBody;
use super::batch::{BatchDoneBody, ItemBody, TransactionDoneBody};
use super::card::CardBody;
use super::movement::MoneyBody;
use super::transfer::TransferDoneBody;
use super::values::Time;
use super::wallet::WalletBody;
use crate::answer;

/// What a command answers with; the same in its own answer and in its operation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = CommandResult)]
pub enum ResultBody {
    /// An account opened, changed, deleted or without its personal data.
    Account(Box<AccountBody>),
    /// A deposit or withdrawal.
    Money(MoneyBody),
    /// A transfer.
    Transfer(TransferDoneBody),
    /// A transaction of many legs.
    Transaction(TransactionDoneBody),
    /// A batch.
    Batch(BatchDoneBody),
    /// An item of a batch.
    Item(ItemBody),
    /// A wallet opened or changed.
    Wallet(Box<WalletBody>),
    /// A card made or deleted.
    Card(CardBody),
    /// An actor put back into service.
    Resumed(ResumedBody),
}

impl ResultBody {
    /// The version of the entity that the answer is about: of a transfer its source. `None` where
    /// it is about no entity's state.
    pub const fn version(&self) -> Option<u64> {
        match self {
            Self::Account(account) => Some(account.version),
            Self::Money(money) => Some(money.version),
            Self::Transfer(transfer) => Some(transfer.source_version()),
            Self::Wallet(wallet) => Some(wallet.version),
            Self::Card(card) => Some(card.version),
            Self::Transaction(_) | Self::Batch(_) | Self::Item(_) | Self::Resumed(_) => None,
        }
    }
}

/// The client's view of one command.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Operation)]
pub struct OperationBody {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    operation_id: OperationId,
    /// What was asked.
    #[schema(value_type = OperationKind)]
    kind: &'static str,
    /// How far it is.
    status: OperationStatus,
    /// What the command's own answer said, once it is completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    result: Option<ResultBody>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<OperationError>,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// When it was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    completed_at: Option<Time>,
}

/// A command that is executed afterwards.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Accepted)]
pub struct AcceptedBody {
    /// The operation to follow.
    #[schema(value_type = String, format = Uuid)]
    operation_id: OperationId,
    /// How far it is.
    status: OperationStatus,
    /// The same in words.
    #[schema(example = "Deposit request accepted and is being processed")]
    message: String,
}

impl AcceptedBody {
    /// The answer to a command of that kind.
    pub fn new(operation_id: OperationId, kind: CommandKind, status: OperationStatus) -> Self {
        let mut name = kind.name().replace('_', " ");
        if let Some(first) = name.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let message = match status {
            OperationStatus::Pending => "accepted and is being processed",
            OperationStatus::Completed => "completed",
            OperationStatus::Failed => "failed",
        };
        Self {
            operation_id,
            status,
            message: format!("{name} request {message}"),
        }
    }
}

/// How far an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OperationStatus {
    /// Accepted, not yet decided and durable.
    Pending,
    /// Done.
    Completed,
    /// Refused; nothing moved.
    Failed,
}

/// Why an operation failed.
#[derive(Debug, Serialize, ToSchema)]
pub struct OperationError {
    /// The stable code.
    #[schema(example = "insufficient_funds")]
    code: &'static str,
    /// What was asked and what stood against it.
    detail: String,
    /// The place of the item or leg that it was refused for, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    failed_index: Option<u32>,
    /// The stable code of the rule that refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    item_code: Option<&'static str>,
}

/// What was asked.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "describes the names of CommandKind in the core")]
enum OperationKind {
    OpenAccount,
    UpdateAccount,
    DeleteAccount,
    Deposit,
    Withdrawal,
    Transfer,
    EraseAccount,
    Quarantine,
    Resume,
    Hold,
    Post,
    Void,
    Expire,
    Reversal,
    OpenWallet,
    UpdateWallet,
    Transaction,
    Batch,
    OpenCard,
    DeleteCard,
}

impl From<Rejection> for OperationError {
    fn from(rejection: Rejection) -> Self {
        Self {
            code: Code::name(rejection.code),
            detail: rejection.detail.into_owned(),
            failed_index: rejection.item.map(|item| item.index),
            item_code: rejection.item.map(|item| Code::name(item.code)),
        }
    }
}

impl OperationBody {
    fn pending(id: OperationId, kind: &'static str, created_at: Timestamp) -> Self {
        Self {
            operation_id: id,
            kind,
            status: OperationStatus::Pending,
            result: None,
            error: None,
            created_at: Time(created_at),
            completed_at: None,
        }
    }

    fn decided(decided: &Decided) -> Self {
        let record = &decided.record;
        let kind = record.command.kind().name();
        let pending = Self::pending(record.operation_id, kind, record.time);
        let (status, result, error) = match &record.outcome {
            Outcome::Accepted => return pending,
            Outcome::Done(_) => (OperationStatus::Completed, answer::result(decided), None),
            Outcome::Refused(rejection) => (
                OperationStatus::Failed,
                None,
                Some(rejection.clone().into()),
            ),
        };
        let accepted_at = record.execution.map(|execution| execution.accepted_at);
        Self {
            status,
            result,
            error,
            created_at: Time(accepted_at.unwrap_or(record.time)),
            completed_at: Some(Time(record.time)),
            ..pending
        }
    }

    /// The name of its status.
    pub const fn status(&self) -> &'static str {
        match self.status {
            OperationStatus::Pending => "pending",
            OperationStatus::Completed => "completed",
            OperationStatus::Failed => "failed",
        }
    }

    /// Whether it is still to be decided.
    pub const fn is_pending(&self) -> bool {
        matches!(self.status, OperationStatus::Pending)
    }

    /// The operation as it is; `id` is that of an item where it was a batch's.
    pub fn new(id: OperationId, operation: &Operation) -> Self {
        match operation {
            Operation::Pending {
                id,
                kind,
                created_at,
            } => Self::pending(*id, kind.name(), *created_at),
            Operation::Decided(decided) => match decided.record.item_of(id) {
                None => Self::decided(decided),
                Some(index) => Self::item(id, index, &decided.record),
            },
        }
    }

    fn item(id: OperationId, index: u32, record: &Record) -> Self {
        let held = record
            .item(index)
            .is_some_and(|(item, _)| item.pending.is_some());
        let kind = if held {
            CommandKind::Hold
        } else {
            CommandKind::Transfer
        };
        Self {
            status: OperationStatus::Completed,
            result: ItemBody::new(record, index, false).map(ResultBody::Item),
            completed_at: Some(Time(record.time)),
            ..Self::pending(id, kind.name(), record.time)
        }
    }
}
