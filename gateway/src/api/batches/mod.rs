//! Batches of transfers, and transactions of many legs.

pub mod bodies;

use std::sync::Arc;

use florin_actors::messages::{Batch, BatchItem, Command, Leg, Transact};
use warp::reply::Response;

use self::bodies::{BatchDoneBody, BatchRequest, TransactionDoneBody, TransactionRequest};
use super::operations::bodies::ACCEPTED;
use super::transfers::bodies::TransferRequest;
use super::{command, transfers};
use crate::http::{Problem, RequestBody};
use crate::node::Service;
use crate::routing::refusals::*;
use crate::routing::{self, Call, Limits, Resource, Route, Scope, Subject, Tag, create, done};

const TRANSFERS: Resource = Resource {
    tag: Tag::Transfers,
    owner: Some(Service::Core),
    subject: Subject::Transfer,
};

/// The routes.
pub const ROUTES: &[Route] = &[
    TRANSFERS
        .post("/transfers/batch", "transferBatch", Scope::MoneyMove)
        .to(|call, body| Box::pin(batch(call, body)))
        .about(
            "Makes many transfers in one request",
            "Makes 1 to 10,000 transfers in order; each sees the ones before it. With \
             `atomic: true` all of them are made or none. With `atomic: false` each one \
             is made or refused by itself, and `results` shows the result of each one, in the \
             order of the request.",
        )
        .purpose(create::<BatchRequest>())
        .answers(&[done::<BatchDoneBody>(), ACCEPTED])
        .problems(&[COMMAND, WHOLE]),
    TRANSFERS
        .post("/transactions", "transact", Scope::MoneyMove)
        .to(|call, body| Box::pin(transact(call, body)))
        .about(
            "Makes one transaction of many legs",
            "Moves money along 1 to 100 legs in one atomic transaction. The legs run in \
             order, and each sees the ones before it. Currencies may differ between \
             legs, as in an exchange.",
        )
        .purpose(create::<TransactionRequest>())
        .answers(&[done::<TransactionDoneBody>(), ACCEPTED])
        .problems(&[COMMAND, WHOLE]),
];

async fn batch(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    let bytes_max = call.gateway.limits.batch_bytes_max;
    let request: BatchRequest = routing::read_up_to(&call, body, bytes_max).await?;
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
    command::run(&call, batch, request.idempotency_key).await
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

async fn transact(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    let request: TransactionRequest = routing::read(&call, body).await?;
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
    command::run(&call, transact, request.idempotency_key).await
}
