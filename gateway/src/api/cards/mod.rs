//! Cards: make, show, list, delete.

pub mod bodies;

use std::sync::Arc;

use florin_actors::messages::EntityId;
use florin_actors::messages::Kind;
use florin_actors::services::card::CardService;
use warp::http::StatusCode;
use warp::reply::Response;

use self::bodies::{CardBody, OpenCardRequest};
use super::beside::beside;
use super::command;
use super::shared::KeyOnlyRequest;
use crate::http::ProblemCode::InvalidId;
use crate::http::cursor::List;
use crate::http::{PageBody, Problem, ProblemCode, RequestBody, response};
use crate::node::Service;
use crate::routing::refusals::*;
use crate::routing::{
    self, Call, Resource, Route, Scope, Subject, Tag, change, changed, create, created, listed,
    listing, shown,
};

const CARDS: Resource = Resource {
    tag: Tag::Cards,
    owner: Some(Service::Card),
    subject: Subject::Entity(Kind::Card),
};

/// The routes.
pub const ROUTES: &[Route] = &[
    CARDS
        .post("/cards", "openCard", Scope::CardsWrite)
        .to(|call, body| Box::pin(open(call, body)))
        .about(
            "Makes a card",
            "Makes a card for an account. The card service checks the account in its own copy of \
             the accounts, which it builds from account events. An account that was opened just \
             now may be missing from the copy; the answer is then 404.",
        )
        .purpose(create::<OpenCardRequest>())
        .answers(&created::<CardBody>())
        .problems(&[COMMAND, CARD_REFUSED]),
    CARDS
        .get("/cards/{id}", "getCard", Scope::CardsRead)
        .to(|call, _| Box::pin(show(call)))
        .about("Shows a card", "Shows a card, also after it was deleted.")
        .answers(&[shown::<CardBody>().with_version()])
        .problems(&[READ, BY_ID, UNAVAILABLE]),
    CARDS
        .delete("/cards/{id}", "deleteCard", Scope::CardsWrite)
        .to(|call, body| Box::pin(delete(call, body)))
        .about(
            "Deletes a card",
            "Deletes a card. It stays readable with `deleted: true`.",
        )
        .purpose(change::<KeyOnlyRequest>())
        .answers(&[changed::<CardBody>()])
        .problems(&[COMMAND, OF_ENTITY_EVEN_DELETED]),
    CARDS
        .get("/accounts/{id}/cards", "listCards", Scope::CardsRead)
        .to(|call, _| beside(call, of_account))
        .about(
            "Lists an account's cards",
            "Lists the cards of an account, oldest first.",
        )
        .subject(Subject::Entity(Kind::Account))
        .purpose(listing(&[]))
        .answers(&[listed::<CardBody>()])
        .problems(&[LIST, &[InvalidId], UNAVAILABLE]),
];

/// Returns the card service. It runs in every process that serves these routes itself.
fn service(call: &Call) -> Result<&CardService, Problem> {
    call.gateway.services.card().ok_or_else(|| {
        Problem::new(
            ProblemCode::ServiceUnavailable,
            "the card service does not run in this process (services.run)",
        )
    })
}

/// Makes a card.
pub(super) async fn open(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    let request: OpenCardRequest = routing::read(&call, body).await?;
    let service = service(&call)?;
    if let Some(gap) = call.gateway.services.refuses_cards() {
        let detail = format!(
            "no card was made: the card service may have missed account events (services.incomplete); {gap}"
        );
        return Err(Problem::new(ProblemCode::ServiceUnavailable, detail));
    }
    let open = service.open(request.account_id.0, request.country.0);
    command::run(&call, open, request.idempotency_key).await
}

async fn show(call: Arc<Call>) -> Result<Response, Problem> {
    let id: EntityId = call.id()?;
    call.query()?;
    let card = service(&call)?.card(id).await?;
    let card = card.ok_or_else(|| Problem::not_found("no card has this id"))?;
    let mut response = response::json(StatusCode::OK, &CardBody::from(card));
    response::tag(&mut response, card.version);
    Ok(response)
}

async fn delete(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    let card: EntityId = call.id()?;
    let request: KeyOnlyRequest = routing::read(&call, body).await?;
    let delete = service(&call)?.delete(card);
    command::run(&call, delete, request.idempotency_key).await
}

async fn of_account(call: Arc<Call>) -> Result<Response, Problem> {
    let account = call.id()?;
    page(&call, account).await
}

/// Returns a page of the cards of an account.
pub(super) async fn page(call: &Call, account: EntityId) -> Result<Response, Problem> {
    let query = call.query()?;
    let limits = &call.gateway.limits;
    let limit = query.limit(limits.page_default, limits.page_max)?;
    let list = List::at("/cards").and(Some(&account.to_string()));
    let after = list.after(&query)?;
    let after = after.map(EntityId::from_bytes);
    let page = service(call)?.cards(account, after, limit).await?;
    let next = page.next.map(|id| list.cursor(id.to_bytes()));
    let cards: Vec<CardBody> = page.entries.into_iter().map(CardBody::from).collect();
    Ok(response::json(StatusCode::OK, &PageBody::new(cards, next)))
}
