//! Cards: made, shown, listed, deleted.

use std::sync::Arc;

use bytes::Buf;
use florin_actors::messages::EntityId;
use florin_actors::services::card::CardService;
use futures_util::Stream;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::StatusCode;
use warp::reply::Response;

use super::EntitySegment;
use crate::call::Call;
use crate::codes::ProblemCode;
use crate::cursor::Scope;
use crate::dto::{CardBody, KeyOnlyRequest, OpenCardRequest, PageBody};
use crate::problem::Problem;
use crate::{answer, body, command};

/// The routes.
pub fn routes() -> BoxedFilter<(Response,)> {
    let open_card = warp::path!("cards")
        .and(warp::post())
        .and(super::call())
        .and(warp::body::stream())
        .then(|call: Arc<Call>, body| async move {
            let outcome = open(&call, body).await;
            call.respond(outcome)
        });
    let by_account = warp::path!("cards" / "by-account")
        .and(warp::get())
        .and(super::call())
        .then(|call: Arc<Call>| async move {
            let outcome = super::beside(&call, by_account(Arc::clone(&call))).await;
            call.respond(outcome)
        });
    let show = warp::path!("cards" / EntitySegment)
        .and(warp::get())
        .and(super::call())
        .then(|id, call: Arc<Call>| async move {
            let outcome = show(id, &call).await;
            call.respond(outcome)
        });
    let delete = warp::path!("cards" / EntitySegment)
        .and(warp::delete())
        .and(super::call())
        .and(warp::body::stream())
        .then(|id, call: Arc<Call>, body| async move {
            let outcome = delete(id, &call, body).await;
            call.respond(outcome)
        });
    let of_account = warp::path!("accounts" / EntitySegment / "cards")
        .and(warp::get())
        .and(super::call())
        .then(|id, call: Arc<Call>| async move {
            let outcome = super::beside(&call, of_account(id, Arc::clone(&call))).await;
            call.respond(outcome)
        });
    open_card
        .or(by_account)
        .unify()
        .or(show)
        .unify()
        .or(delete)
        .unify()
        .or(of_account)
        .unify()
        .boxed()
}

/// The card service, which runs where its routes are served.
fn service(call: &Call) -> Result<&CardService, Problem> {
    call.gateway.services.card().ok_or_else(|| {
        Problem::new(
            ProblemCode::ServiceUnavailable,
            "the card service doesn't run here (services.run)",
        )
    })
}

/// Makes a card.
pub(super) async fn open<B: Buf>(
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    let request: OpenCardRequest = body::read(call, body).await?;
    let open = service(call)?.open(request.account_id.0, request.country.0);
    command::run(call, open, request.idempotency_key).await
}

async fn show(id: EntitySegment, call: &Call) -> Result<Response, Problem> {
    let id = id.id()?;
    call.query()?;
    let card = service(call)?.card(id).await?;
    let card = card.ok_or_else(|| Problem::not_found("no card has this id"))?;
    let mut response = answer::json(StatusCode::OK, &CardBody::from(card));
    answer::tag(&mut response, card.version);
    Ok(response)
}

async fn delete<B: Buf>(
    id: EntitySegment,
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    let card = id.id()?;
    let request: KeyOnlyRequest = body::read(call, body).await?;
    let delete = service(call)?.delete(card);
    command::run(call, delete, request.idempotency_key).await
}

async fn by_account(call: Arc<Call>) -> Result<Response, Problem> {
    let query = call.query()?;
    let account = query
        .get("account_id")
        .ok_or_else(|| Problem::malformed("account_id", "is missing"))?;
    let account = account
        .parse()
        .map_err(|_| Problem::of_field(ProblemCode::InvalidId, "account_id", "is not a UUID"))?;
    page(&call, account).await
}

async fn of_account(id: EntitySegment, call: Arc<Call>) -> Result<Response, Problem> {
    let account = id.id()?;
    page(&call, account).await
}

async fn page(call: &Call, account: EntityId) -> Result<Response, Problem> {
    let query = call.query()?;
    let limits = &call.gateway.limits;
    let limit = query.limit(limits.page_default, limits.page_max)?;
    let scope = Scope::list("/cards").and(Some(&account.to_string()));
    let after = query
        .get("cursor")
        .map(|cursor| scope.place(cursor))
        .transpose()?;
    let after = after.map(EntityId::from_bytes);
    let page = service(call)?.cards(account, after, limit).await?;
    let next = page.next.map(|id| scope.cursor(id.to_bytes()));
    let cards: Vec<CardBody> = page.entries.into_iter().map(CardBody::from).collect();
    Ok(answer::json(StatusCode::OK, &PageBody::new(cards, next)))
}
