//! Transfers: made at once or pending, looked up and listed.

use std::sync::Arc;

use bytes::Buf;
use florin_actors::messages::{Command, EntityId, Hold, Transfer, TransferStatus};
use florin_actors::views::{TransferFilter, TransferMark};
use futures_util::Stream;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::StatusCode;
use warp::reply::Response;

use super::EntitySegment;
use crate::call::Call;
use crate::codes::ProblemCode;
use crate::cursor::Scope;
use crate::dto::{PageBody, TransferBody, TransferRequest};
use crate::gateway::Limits;
use crate::problem::Problem;
use crate::{answer, body, command};

/// The routes.
pub fn routes() -> BoxedFilter<(Response,)> {
    let transfer = warp::path!("transfers")
        .and(warp::post())
        .and(super::call())
        .and(warp::body::stream())
        .then(|call: Arc<Call>, body| async move {
            let outcome = transfer(&call, body).await;
            call.respond(outcome)
        });
    let show = warp::path!("transfers" / EntitySegment)
        .and(warp::get())
        .and(super::call())
        .then(|id, call: Arc<Call>| async move {
            let outcome = show(id, &call).await;
            call.respond(outcome)
        });
    let list = warp::path!("transfers")
        .and(warp::get())
        .and(super::call())
        .then(|call: Arc<Call>| async move {
            let outcome = super::beside(&call, list(Arc::clone(&call))).await;
            call.respond(outcome)
        });
    transfer.or(list).unify().or(show).unify().boxed()
}

async fn transfer<B: Buf>(
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    let request: TransferRequest = body::read(call, body).await?;
    submit(call, request).await
}

/// Makes a transfer, however its request was written.
pub(super) async fn submit(call: &Call, request: TransferRequest) -> Result<Response, Problem> {
    let key = request.idempotency_key.clone();
    let limits = &call.gateway.limits;
    let command = match asked(limits, request, str::to_owned)? {
        (transfer, None) => Command::Transfer(transfer),
        (transfer, Some(expires_in_seconds)) => Command::Hold(Box::new(Hold {
            transfer,
            expires_in_seconds,
        })),
    };
    command::run(call, command, key).await
}

/// The transfer that a request asks for, and, if that is to be pending, after how many seconds it
/// expires; `path` gives the whole path of one of its fields.
pub(super) fn asked(
    limits: &Limits,
    request: TransferRequest,
    path: impl Fn(&str) -> String,
) -> Result<(Transfer, Option<Option<u32>>), Problem> {
    let expires_in_seconds = request.expires_in_seconds.map(|seconds| seconds.0);
    let pending = match (request.pending, expires_in_seconds) {
        // A default written out or left away is the same request.
        (Some(true), seconds) => Some(seconds.or(limits.hold_expiry_seconds)),
        (_, None) => None,
        (_, Some(_)) => {
            let field = path("expires_in_seconds");
            return Err(Problem::malformed(field, "is for pending transfers only"));
        }
    };
    let transfer = Transfer {
        from: request.from.0,
        to: request.to.0,
        amount: request.amount.0,
        currency: limits.currency(request.currency.as_ref(), || path("currency"))?,
        reference: request.reference.map(|reference| reference.0),
        metadata: request.metadata.unwrap_or_default().0,
    };
    Ok((transfer, pending))
}

async fn show(id: EntitySegment, call: &Call) -> Result<Response, Problem> {
    let id = id.id()?;
    call.query()?;
    let transfer = call.gateway.core.transfer(id).await?;
    let transfer = transfer.ok_or_else(|| Problem::not_found("no transfer has this id"))?;
    Ok(answer::json(StatusCode::OK, &TransferBody::from(transfer)))
}

async fn list(call: Arc<Call>) -> Result<Response, Problem> {
    let query = call.query()?;
    let limits = &call.gateway.limits;
    let limit = query.limit(limits.page_default, limits.page_max)?;
    let status = query.one_of("status", &TransferStatus::ALL, TransferStatus::name)?;
    let entity = query.get("entity").map(str::parse::<EntityId>).transpose();
    let entity =
        entity.map_err(|_| Problem::of_field(ProblemCode::InvalidId, "entity", "is not a UUID"))?;
    let filter = TransferFilter {
        entity,
        status,
        reference: query.get("reference").map(str::to_owned),
    };
    if !filter.is_bounded() {
        let detail = "is missing: a list of transfers is of an entity, of a reference, or of all \
                      that are pending";
        return Err(Problem::malformed("entity", detail));
    }
    let entity = filter.entity.map(|entity| entity.to_string());
    let scope = Scope::list("/transfers")
        .and(entity.as_deref())
        .and(query.get("status"))
        .and(query.get("reference"));
    let after = query.get("cursor").map(|cursor| scope.place(cursor));
    let after = after.transpose()?;
    let after = after.map(|place| TransferMark::from_bytes(&filter, place));
    let page = call.gateway.core.transfers(filter, after, limit).await?;
    let next = page.next.map(|next| scope.cursor(next.to_bytes()));
    let transfers: Vec<TransferBody> = page.entries.into_iter().map(TransferBody::from).collect();
    Ok(answer::json(
        StatusCode::OK,
        &PageBody::new(transfers, next),
    ))
}
