//! The commands that end a pending transfer or undo a transfer.

use std::sync::Arc;

use florin_actors::messages::{Command, EntityId, Post, Reverse, Void};
use warp::reply::Response;

use super::bodies::{PostRequest, ReverseRequest};
use crate::api::command;
use crate::api::shared::KeyOnlyRequest;
use crate::http::{Problem, RequestBody};
use crate::routing::{self, Call};

/// Posts a pending transfer.
pub(super) async fn post(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    let transfer: EntityId = call.id()?;
    let request: PostRequest = routing::read(&call, body).await?;
    let post = Post {
        transfer,
        amount: request.amount.map(|amount| amount.0),
        is_final: request.is_final.unwrap_or(true),
    };
    command::run(&call, Command::Post(post), request.idempotency_key).await
}

/// Voids a pending transfer.
pub(super) async fn void(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    let transfer: EntityId = call.id()?;
    let request: KeyOnlyRequest = routing::read(&call, body).await?;
    let void = Command::Void(Void { transfer });
    command::run(&call, void, request.idempotency_key).await
}

/// Reverses a transfer.
pub(super) async fn reverse(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    let transfer: EntityId = call.id()?;
    let request: ReverseRequest = routing::read(&call, body).await?;
    let reverse = Command::Reverse(Reverse {
        transfer,
        reference: request.reference.map(|reference| reference.0),
        metadata: request.metadata.unwrap_or_default().0,
    });
    command::run(&call, reverse, request.idempotency_key).await
}
