//! Many transfers in one request, and transactions of many legs.

use std::sync::Arc;

use bytes::Buf;
use florin_actors::messages::{Batch, BatchItem, Command, Leg, Transact};
use futures_util::Stream;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::transfers;
use crate::call::Call;
use crate::dto::{BatchRequest, TransactionRequest, TransferRequest};
use crate::gateway::Limits;
use crate::problem::Problem;
use crate::{body, command};

/// The routes.
pub fn routes() -> BoxedFilter<(Response,)> {
    let batch = warp::path!("transfers" / "batch")
        .and(super::call())
        .and(warp::body::stream())
        .then(|call: Arc<Call>, body| async move {
            let outcome = batch(&call, body).await;
            call.respond(outcome)
        });
    let transact = warp::path!("transactions")
        .and(super::call())
        .and(warp::body::stream())
        .then(|call: Arc<Call>, body| async move {
            let outcome = transact(&call, body).await;
            call.respond(outcome)
        });
    warp::post().and(batch.or(transact).unify()).boxed()
}

async fn batch<B: Buf>(
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    let bytes_max = call.gateway.limits.batch_bytes_max;
    let request: BatchRequest = body::read_up_to(call, body, bytes_max).await?;
    let items = request.transfers.0.into_iter().enumerate();
    let limits = &call.gateway.limits;
    let items: Result<Vec<BatchItem>, Problem> = items
        .map(|(index, request)| item(limits, index, request))
        .collect();
    let batch = Batch {
        atomic: request.atomic,
        items: items?,
    };
    let batch = Command::Batch(Box::new(batch));
    command::run(call, batch, request.idempotency_key).await
}

fn item(limits: &Limits, index: usize, request: TransferRequest) -> Result<BatchItem, Problem> {
    let key = request.idempotency_key.as_ref();
    let key = key.map(|key| Arc::clone(&key.0));
    let path = |field: &str| format!("transfers[{index}].{field}");
    let (transfer, pending) = transfers::asked(limits, request, path)?;
    Ok(BatchItem {
        transfer,
        pending,
        key,
    })
}

async fn transact<B: Buf>(
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    let request: TransactionRequest = body::read(call, body).await?;
    let legs = request.legs.0.into_iter().map(|leg| Leg {
        from: leg.from.0,
        to: leg.to.0,
        amount: leg.amount.0,
    });
    let transact = Transact {
        legs: legs.collect(),
        reference: request.reference.map(|reference| reference.0),
        metadata: request.metadata.unwrap_or_default().0,
    };
    let transact = Command::Transact(Box::new(transact));
    command::run(call, transact, request.idempotency_key).await
}
