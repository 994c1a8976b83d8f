//! The aliases: requests in the form of the source documents, mapped to Florin's own requests.

pub mod bodies;

use florin_actors::messages::Kind;
use std::sync::Arc;

use warp::reply::Response;

use self::bodies::{AliasOpenAccountRequest, AliasTransferRequest};
use super::accounts::bodies::AccountBody;
use super::beside::beside;
use super::cards::bodies::{CardBody, OpenCardRequest};
use super::shared::KeyOnlyRequest;
use super::transfers::MADE_TRANSFER;
use super::{accounts, cards, transfers};
use crate::http::ProblemCode::{BalanceNotZero, HoldsOpen, InvalidId};
use crate::http::{Problem, ProblemCode, RequestBody};
use crate::node::Service;
use crate::routing::refusals::*;
use crate::routing::{
    self, Call, Filter, Resource, Route, Scope, Subject, Tag, change, changed, create, created,
    listed, listing,
};

const ALIASES: Resource = Resource {
    tag: Tag::Aliases,
    owner: Some(Service::Core),
    subject: Subject::Any,
};
const ACCOUNT: Filter = Filter::id("account_id", "The account's id.").required();

/// The routes.
pub const ROUTES: &[Route] = &[
    ALIASES
        .post("/accounts/transfer", "transferAlias", Scope::MoneyMove)
        .to(|call, body| Box::pin(transfer(call, body)))
        .about(
            "Makes a transfer (alias of POST /transfers)",
            "Moves money between two accounts. Use `POST /transfers` instead.",
        )
        .purpose(change::<AliasTransferRequest>())
        .answers(MADE_TRANSFER)
        .problems(&[COMMAND, OF_ENTITY, DEBIT, TRANSFER]),
    ALIASES
        .post("/account", "openAccountAlias", Scope::AccountsWrite)
        .to(|call, body| Box::pin(open_account(call, body)))
        .about(
            "Opens an account (alias of POST /accounts)",
            "Opens an account in the default currency. Use `POST /accounts` instead.",
        )
        .with_document_names()
        .purpose(create::<AliasOpenAccountRequest>())
        .answers(&created::<AccountBody>())
        .problems(&[COMMAND]),
    ALIASES
        .delete("/account", "deleteAccountAlias", Scope::AccountsWrite)
        .to(|call, body| Box::pin(delete_account(call, body)))
        .about(
            "Deletes an account (alias of DELETE /accounts/{id})",
            "Deletes an account without money. Use `DELETE /accounts/{id}` instead.",
        )
        .with_document_names()
        .with_id_in_query(Subject::Entity(Kind::Account))
        .purpose(change::<KeyOnlyRequest>())
        .answers(&[changed::<AccountBody>()])
        .problems(&[COMMAND, OF_ENTITY, &[HoldsOpen, BalanceNotZero]]),
    ALIASES
        .post("/card", "openCardAlias", Scope::CardsWrite)
        .to(|call, body| Box::pin(cards::open(call, body)))
        .about(
            "Makes a card (alias of POST /cards)",
            "Makes a card for an account. Use `POST /cards` instead.",
        )
        .owner(Some(Service::Card))
        .purpose(create::<OpenCardRequest>())
        .answers(&created::<CardBody>())
        .problems(&[COMMAND, CARD_REFUSED]),
    ALIASES
        .get("/cards/by-account", "listCardsByAccount", Scope::CardsRead)
        .to(|call, _| beside(call, cards_by_account))
        .about(
            "Lists an account's cards (alias of GET /accounts/{id}/cards)",
            "Lists the cards of an account, oldest first. Use `GET \
             /accounts/{id}/cards` instead.",
        )
        .owner(Some(Service::Card))
        .purpose(listing(&[ACCOUNT]))
        .answers(&[listed::<CardBody>()])
        .problems(&[LIST, &[InvalidId], UNAVAILABLE]),
];

async fn transfer(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    let request: AliasTransferRequest = routing::read(&call, body).await?;
    transfers::submit(&call, request.into()).await
}

async fn open_account(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    let request: AliasOpenAccountRequest = routing::read(&call, body).await?;
    accounts::submit_opening(&call, request.into()).await
}

async fn delete_account(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    let query = call.query()?;
    let account = query
        .get("id")
        .ok_or_else(|| Problem::malformed("id", "is missing"))?;
    let account = account
        .parse()
        .map_err(|_| Problem::of_field(ProblemCode::InvalidId, "id", "is not a UUID"))?;
    let request: KeyOnlyRequest = routing::read(&call, body).await?;
    accounts::submit_deletion(&call, account, request).await
}

async fn cards_by_account(call: Arc<Call>) -> Result<Response, Problem> {
    let query = call.query()?;
    let account = query
        .get("account_id")
        .ok_or_else(|| Problem::malformed("account_id", "is missing"))?;
    let account = account
        .parse()
        .map_err(|_| Problem::of_field(ProblemCode::InvalidId, "account_id", "is not a UUID"))?;
    cards::page(&call, account).await
}
