//! Transfers: make, show, list, and end or undo.

pub mod bodies;
mod endings;

use std::sync::Arc;

use florin_actors::messages::{Command, EntityId, Hold, Transfer, TransferStatus};
use florin_actors::views::{TransferFilter, TransferMark};
use warp::http::StatusCode;
use warp::reply::Response;

use self::bodies::{PostRequest, ReverseRequest, TransferBody, TransferDoneBody, TransferRequest};
use super::beside::beside;
use super::command;
use super::operations::bodies::ACCEPTED;
use super::shared::{KeyOnlyRequest, REFERENCE};
use crate::http::ProblemCode::{
    AlreadyReversed, AmountExceedsHold, InvalidId, NotPosted, NotReversible,
};
use crate::http::cursor::List;
use crate::http::{PageBody, Problem, ProblemCode, RequestBody, response};
use crate::node::Service;
use crate::routing::refusals::*;
use crate::routing::{
    self, Answer, Call, Filter, Limits, Resource, Route, Scope, Subject, Tag, change, changed,
    created, listed, listing, shown,
};

const TRANSFERS: Resource = Resource {
    tag: Tag::Transfers,
    owner: Some(Service::Core),
    subject: Subject::Transfer,
};
const ENTITY: Filter = Filter::id(
    "entity",
    "Only transfers from or to this account, wallet or merchant.",
);
const STATUS: Filter = Filter::one_of(
    "status",
    || TransferStatus::ALL.map(TransferStatus::name).to_vec(),
    "Only transfers with this status.",
);

/// The answers to a request that makes a transfer.
pub(super) const MADE_TRANSFER: &[Answer] = {
    const CREATED: [Answer; 2] = created::<TransferDoneBody>();
    let [created, tried] = CREATED;
    &[created, tried, ACCEPTED]
};

/// The routes.
pub const ROUTES: &[Route] = &[
    TRANSFERS
        .post("/transfers", "transfer", Scope::MoneyMove)
        .to(|call, body| Box::pin(transfer(call, body)))
        .about(
            "Makes a transfer",
            "Moves money from one account, wallet or merchant to another. With `pending: true` \
             the transfer is a hold: the money is reserved at the source, and it moves \
             when the transfer is posted. The new transfer has the operation's id, and \
             `Location` names it.",
        )
        .purpose(change::<TransferRequest>())
        .answers(MADE_TRANSFER)
        .problems(&[COMMAND, OF_ENTITY, DEBIT, TRANSFER]),
    TRANSFERS
        .post("/transfers/{id}/post", "postTransfer", Scope::MoneyMove)
        .to(|call, body| Box::pin(endings::post(call, body)))
        .about(
            "Posts a pending transfer",
            "Moves the money of a pending transfer, all of it or the given amount. The \
             rest is released, or stays held with `final: false` for a later post.",
        )
        .purpose(change::<PostRequest>())
        .answers(&[changed::<TransferDoneBody>(), ACCEPTED])
        .problems(&[COMMAND, OF_ENTITY, DEBIT, PENDING, &[AmountExceedsHold]]),
    TRANSFERS
        .post("/transfers/{id}/void", "voidTransfer", Scope::MoneyMove)
        .to(|call, body| Box::pin(endings::void(call, body)))
        .about(
            "Voids a pending transfer",
            "Ends a pending transfer without moving money. The amount that it held is available again.",
        )
        .purpose(change::<KeyOnlyRequest>())
        .answers(&[changed::<TransferDoneBody>(), ACCEPTED])
        .problems(&[COMMAND, OF_ENTITY_EVEN_DELETED, PENDING]),
    TRANSFERS
        .post(
            "/transfers/{id}/reverse",
            "reverseTransfer",
            Scope::MoneyMove,
        )
        .to(|call, body| Box::pin(endings::reverse(call, body)))
        .about(
            "Reverses a transfer",
            "Makes a new transfer that moves back the whole amount that this transfer posted. A \
             transfer can be reversed only once, and the money must be available. The new \
             transfer has its own id.",
        )
        .purpose(change::<ReverseRequest>())
        .answers(&[changed::<TransferDoneBody>(), ACCEPTED])
        .problems(&[
            COMMAND,
            OF_ENTITY,
            DEBIT,
            &[NotPosted, NotReversible, AlreadyReversed],
        ]),
    TRANSFERS
        .get("/transfers", "listTransfers", Scope::TransfersRead)
        .to(|call, _| beside(call, list))
        .about(
            "Lists transfers",
            "Lists transfers, newest first: those of an entity, those with a reference, \
             or all that are pending. One of these filters is needed.",
        )
        .purpose(listing(&[ENTITY, STATUS, REFERENCE]))
        .answers(&[listed::<TransferBody>()])
        .problems(&[LIST, &[InvalidId], UNAVAILABLE]),
    TRANSFERS
        .get("/transfers/{id}", "getTransfer", Scope::TransfersRead)
        .to(|call, _| Box::pin(show(call)))
        .about(
            "Shows a transfer",
            "Shows a transfer: its ends, its amounts and its present status.",
        )
        .answers(&[shown::<TransferBody>()])
        .problems(&[READ, BY_ID, UNAVAILABLE]),
];

async fn transfer(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    let request: TransferRequest = routing::read(&call, body).await?;
    submit(&call, request).await
}

/// Submits a transfer, in whichever form its request was written.
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

/// Returns the transfer that a request asks for, and, if it is to be pending, after how many
/// seconds it expires. `path` returns the full path of one of its fields.
pub(super) fn asked(
    limits: &Limits,
    request: TransferRequest,
    path: impl Fn(&str) -> String,
) -> Result<(Transfer, Option<Option<u32>>), Problem> {
    let expires_in_seconds = request.expires_in_seconds.map(|seconds| seconds.0);
    let pending = match (request.pending, expires_in_seconds) {
        // The default is filled in here, so that a request that gives it and a request that omits
        // it are the same command.
        (Some(true), seconds) => Some(seconds.or(limits.hold_expiry_seconds)),
        (_, None) => None,
        (_, Some(_)) => {
            let field = path("expires_in_seconds");
            return Err(Problem::malformed(
                field,
                "is allowed only with pending: true",
            ));
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

async fn show(call: Arc<Call>) -> Result<Response, Problem> {
    let id: EntityId = call.id()?;
    call.query()?;
    let transfer = call.gateway.core.transfer(id).await?;
    let transfer = transfer.ok_or_else(|| Problem::not_found("no transfer has this id"))?;
    Ok(response::json(
        StatusCode::OK,
        &TransferBody::from(transfer),
    ))
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
        let detail = "is missing: the list needs an entity, a reference, or the status of \
                      pending transfers";
        return Err(Problem::malformed("entity", detail));
    }
    let entity = filter.entity.map(|entity| entity.to_string());
    let list = List::at("/transfers")
        .and(entity.as_deref())
        .and(query.get("status"))
        .and(query.get("reference"));
    let after = list.after(&query)?;
    let after = after.map(|place| TransferMark::from_bytes(&filter, place));
    let page = call.gateway.core.transfers(filter, after, limit).await?;
    let next = page.next.map(|next| list.cursor(next.to_bytes()));
    let transfers: Vec<TransferBody> = page.entries.into_iter().map(TransferBody::from).collect();
    Ok(response::json(
        StatusCode::OK,
        &PageBody::new(transfers, next),
    ))
}
