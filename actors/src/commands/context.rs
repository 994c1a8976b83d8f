//! The context of a command: its caller and its conditions.

use std::sync::Arc;

use crate::entities::Kind;
use crate::words::{Caller, Input, RequestId, TraceParent};

/// The context of a command: the caller, the idempotency key, and the preconditions.
#[derive(Debug, Clone)]
pub struct Context {
    /// The authenticated principal.
    pub caller: Caller,
    /// The idempotency key, 1–255 visible ASCII characters.
    pub key: Option<Arc<str>>,
    /// The request's id.
    pub request_id: RequestId,
    /// The id of the flow that the request belongs to. `None`: the request's own id stands for it.
    pub correlation_id: Option<RequestId>,
    /// The caller's trace.
    pub trace: Option<TraceParent>,
    /// The kind that the routing entity must have, if the request's path names one.
    pub kind: Option<Kind>,
    /// The version that the routing entity must have. For a command about a transfer it is the
    /// version of the transfer's source.
    pub if_match: Option<u64>,
    /// Whether the command is only decided and nothing is changed.
    pub dry_run: bool,
    /// Whether the command is answered once it is durable and is executed afterwards.
    pub asynchronous: bool,
    /// The message that brought the command, if one did. A refusal is recorded too then.
    pub input: Option<Box<Input>>,
}
