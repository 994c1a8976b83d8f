//! Operations, which are the client's view of one command.

use florin_actors::messages::{
    Code, Command, CommandKind, ItemResult, OperationId, Outcome, Record, Rejection, Timestamp,
};
use florin_actors::runtime::{Decided, Operation};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::batches::bodies::ItemBody;
use crate::api::names::OperationKind;
use crate::api::result::{OperationResult, ResultBody, result};
use crate::http::values::Time;
use crate::http::{ProblemCode, RefusalFields};
use crate::routing::Answer;

/// The answer to a command that moves money and is executed later.
pub const ACCEPTED: Answer = Answer {
    shared_as: Some("Accepted"),
    ..Answer::json::<AcceptedBody>(
        202,
        "The command is durable and is executed afterwards; `Location` names the operation to follow",
    )
};

/// The client's view of one command.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Operation)]
pub struct OperationBody {
    /// The id of the operation.
    #[schema(value_type = String, format = Uuid)]
    operation_id: OperationId,
    /// The kind of the command.
    #[schema(value_type = OperationKind)]
    kind: &'static str,
    /// The status of the operation.
    status: OperationStatus,
    /// The result of the command. Present only in a completed operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    result: Option<OperationResult>,
    /// The reason of the failure. Present only in a failed operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<OperationError>,
    /// The time when the command was accepted.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// The time when the command was decided. Present only after the decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    completed_at: Option<Time>,
}

/// The answer to a command that is executed later.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Accepted)]
pub struct AcceptedBody {
    /// The id of the operation to follow.
    #[schema(value_type = String, format = Uuid)]
    operation_id: OperationId,
    /// The status of the operation.
    status: OperationStatus,
    /// The status in a sentence.
    #[schema(example = "Deposit request accepted and is being processed")]
    message: String,
}

impl AcceptedBody {
    /// Creates the answer to a command of this kind.
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

/// The status of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OperationStatus {
    /// The command is accepted; it is not yet both decided and durable.
    Pending,
    /// The command was executed.
    Completed,
    /// The command was refused; nothing moved.
    Failed,
}

impl OperationStatus {
    /// Returns the name of the status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// The reason why an operation failed.
#[derive(Debug, Serialize, ToSchema)]
pub struct OperationError {
    /// The stable code of the failure.
    #[schema(value_type = ProblemCode)]
    code: &'static str,
    /// A sentence about this request: the values that were asked for, and the rule or state that
    /// refused them.
    #[schema(example = "insufficient funds: available 2500, requested 2501")]
    detail: String,
    #[serde(flatten)]
    refusal: RefusalFields,
    /// The index of the item or leg that was refused, starting at 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    failed_index: Option<u32>,
    /// The stable code of the rule that refused the item or leg.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ProblemCode>, nullable = false)]
    item_code: Option<&'static str>,
}

impl OperationError {
    fn new(rejection: &Rejection, command: &Command) -> Self {
        Self {
            code: Code::name(rejection.code),
            detail: rejection.detail.to_string(),
            refusal: RefusalFields::new(rejection, command),
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
            Outcome::Done(_) => (
                OperationStatus::Completed,
                result(decided).map(OperationResult::from),
                None,
            ),
            Outcome::Refused(rejection) => (
                OperationStatus::Failed,
                None,
                Some(OperationError::new(rejection, &record.command)),
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

    /// Returns the name of the status.
    pub const fn status(&self) -> &'static str {
        self.status.name()
    }

    /// Returns whether the operation is still pending.
    pub const fn is_pending(&self) -> bool {
        matches!(self.status, OperationStatus::Pending)
    }

    /// Creates the body of an operation. If `id` is that of an item of a batch, the body shows this
    /// item.
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
        let item = record.item(index);
        let held = item.is_some_and(|(item, _)| item.pending.is_some());
        let kind = if held {
            CommandKind::Hold
        } else {
            CommandKind::Transfer
        };
        let mut operation = Self::pending(id, kind.name(), record.time);
        operation.completed_at = Some(Time(record.time));
        if let Some((item, Some(ItemResult::Refused(rejection)))) = item {
            operation.status = OperationStatus::Failed;
            operation.error = Some(OperationError::new(rejection, &item.command()));
        } else {
            operation.status = OperationStatus::Completed;
            operation.result =
                ItemBody::new(record, index).map(|item| ResultBody::Item(item).into());
        }
        operation
    }
}
