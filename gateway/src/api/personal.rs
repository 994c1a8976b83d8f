//! Personal data: its erasure. Everything else about the account stays.

use std::sync::Arc;

use florin_actors::messages::{Command, EntityId, EraseAccount, Kind};
use warp::reply::Response;

use super::accounts::bodies::AccountBody;
use super::command;
use super::shared::KeyOnlyRequest;
use crate::http::{Problem, RequestBody};
use crate::node::Service;
use crate::routing::refusals::*;
use crate::routing::{self, Call, Resource, Route, Scope, Subject, Tag, change, changed};

const ACCOUNTS: Resource = Resource {
    tag: Tag::Accounts,
    owner: Some(Service::Core),
    subject: Subject::Entity(Kind::Account),
};

/// The routes.
pub const ROUTES: &[Route] = &[ACCOUNTS
    .delete(
        "/accounts/{id}/personal-data",
        "erasePersonalData",
        Scope::PersonalErase,
    )
    .to(|call, body| Box::pin(erase(call, body)))
    .about(
        "Erases an account's personal data",
        "Erases the holder's name everywhere and permanently. The account, its money, its number \
             and its history stay.",
    )
    .purpose(change::<KeyOnlyRequest>())
    .answers(&[changed::<AccountBody>()])
    .problems(&[COMMAND, OF_ENTITY_EVEN_DELETED])];

async fn erase(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    let account: EntityId = call.id()?;
    let request: KeyOnlyRequest = routing::read(&call, body).await?;
    let erase = Command::EraseAccount(EraseAccount { account });
    command::run(&call, erase, request.idempotency_key).await
}
