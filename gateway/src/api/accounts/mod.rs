//! Accounts: open, show, list, change, delete.

pub(super) mod bodies;

use std::sync::Arc;

use florin_actors::messages::{
    Account, AccountStatus, Command, DeleteAccount, EntityId, Kind, OpenAccount, Overdraft,
    Personal, UpdateAccount,
};
use warp::http::StatusCode;
use warp::reply::Response;

use self::bodies::{AccountBody, OpenAccountRequest, UpdateAccountRequest};
use super::beside::beside;
use super::command;
use super::shared::{KeyOnlyRequest, REFERENCE, page};
use crate::http::ProblemCode::{BalanceNotZero, HoldsOpen};
use crate::http::cursor::List;
use crate::http::{Problem, RequestBody, response};
use crate::node::Service;
use crate::routing::refusals::*;
use crate::routing::{
    self, Call, Filter, Resource, Route, Scope, Subject, Tag, change, changed, create, created,
    listed, listing, shown,
};

const ACCOUNTS: Resource = Resource {
    tag: Tag::Accounts,
    owner: Some(Service::Core),
    subject: Subject::Entity(Kind::Account),
};
const STATUS: Filter = Filter::one_of(
    "status",
    || AccountStatus::ALL.map(AccountStatus::name).to_vec(),
    "Only accounts with this status.",
);

/// The routes.
pub const ROUTES: &[Route] = &[
    ACCOUNTS
        .post("/accounts", "openAccount", Scope::AccountsWrite)
        .to(|call, body| Box::pin(open(call, body)))
        .about(
            "Opens an account",
            "Opens an account for a holder. The account's currency never changes; without \
             `currency`, it is the default currency of the settings.",
        )
        .purpose(create::<OpenAccountRequest>())
        .answers(&created::<AccountBody>())
        .problems(&[COMMAND]),
    ACCOUNTS
        .get("/accounts", "listAccounts", Scope::AccountsRead)
        .to(|call, _| beside(call, list))
        .about(
            "Lists accounts",
            "Lists accounts, oldest first, optionally by status and reference.",
        )
        .purpose(listing(&[STATUS, REFERENCE]))
        .answers(&[listed::<AccountBody>()])
        .problems(&[LIST, UNAVAILABLE]),
    ACCOUNTS
        .get("/accounts/{id}", "getAccount", Scope::AccountsRead)
        .to(|call, _| Box::pin(show(call)))
        .about(
            "Shows an account",
            "Shows an account and its balances, also after it was deleted.",
        )
        .answers(&[shown::<AccountBody>().with_version()])
        .problems(&[READ, BY_ID, UNAVAILABLE]),
    ACCOUNTS
        .patch("/accounts/{id}", "updateAccount", Scope::AccountsWrite)
        .to(|call, body| Box::pin(update(call, body)))
        .about(
            "Changes an account",
            "Changes the fields that the request contains: the status (ACTIVE or FROZEN) and the \
             overdraft limit. A request that changes nothing is answered with 200 and leaves no \
             record.",
        )
        .purpose(change::<UpdateAccountRequest>())
        .answers(&[changed::<AccountBody>()])
        .problems(&[COMMAND, OF_ENTITY]),
    ACCOUNTS
        .delete("/accounts/{id}", "deleteAccount", Scope::AccountsWrite)
        .to(|call, body| Box::pin(delete(call, body)))
        .about(
            "Deletes an account",
            "Deletes an account whose balance is zero and that has no open holds. It \
             stays readable with the status DELETED.",
        )
        .purpose(change::<KeyOnlyRequest>())
        .answers(&[changed::<AccountBody>()])
        .problems(&[COMMAND, OF_ENTITY, &[HoldsOpen, BalanceNotZero]]),
];

async fn show(call: Arc<Call>) -> Result<Response, Problem> {
    let id: EntityId = call.id()?;
    call.query()?;
    let account = call.gateway.core.account(id).await?;
    let account = account.ok_or_else(no_such_account)?;
    let version = account.view.balances.version;
    let body = AccountBody::new(account.view.clone(), account.personal_value(0));
    let mut response = response::json(StatusCode::OK, &body);
    response::tag(&mut response, version);
    Ok(response)
}

/// Returns the problem that no account has the id.
pub(super) fn no_such_account() -> Problem {
    Problem::not_found("no account has this id")
}

async fn open(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    let request: OpenAccountRequest = routing::read(&call, body).await?;
    submit_opening(&call, request).await
}

/// Opens the account that a request describes.
pub(super) async fn submit_opening(
    call: &Call,
    request: OpenAccountRequest,
) -> Result<Response, Problem> {
    let limits = &call.gateway.limits;
    let currency = limits.currency(request.currency.as_ref(), || "currency".to_owned())?;
    let account = OpenAccount {
        holder: Personal::Plain(request.holder_name.0),
        country: request.country_code.0,
        currency: currency.unwrap_or(limits.default_currency),
        overdraft: request
            .overdraft_limit
            .map_or(Overdraft::Limit(0), Overdraft::from),
        reference: request.reference.map(|reference| reference.0),
        metadata: request.metadata.unwrap_or_default().0,
    };
    command::run(
        call,
        Command::OpenAccount(Box::new(account)),
        request.idempotency_key,
    )
    .await
}

async fn list(call: Arc<Call>) -> Result<Response, Problem> {
    let query = call.query()?;
    let status = query.one_of("status", &AccountStatus::ALL, AccountStatus::name)?;
    let reference = query.get("reference");
    let list = List::at("/accounts")
        .and(query.get("status"))
        .and(reference);
    page::<Account, _>(&call, list, Account::row(status, reference), |account| {
        AccountBody::new(account.view.clone(), account.personal_value(0))
    })
    .await
}

async fn update(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    let account: EntityId = call.id()?;
    let request: UpdateAccountRequest = routing::read(&call, body).await?;
    let status = request.status.map(AccountStatus::from);
    let overdraft = request.overdraft_limit.map(Overdraft::from);
    let update = UpdateAccount {
        account,
        status,
        overdraft,
    };
    command::run(
        &call,
        Command::UpdateAccount(update),
        request.idempotency_key,
    )
    .await
}

async fn delete(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    let account: EntityId = call.id()?;
    let request: KeyOnlyRequest = routing::read(&call, body).await?;
    submit_deletion(&call, account, request).await
}

/// Deletes an account.
pub(super) async fn submit_deletion(
    call: &Call,
    account: EntityId,
    request: KeyOnlyRequest,
) -> Result<Response, Problem> {
    let delete = DeleteAccount { account };
    command::run(
        call,
        Command::DeleteAccount(delete),
        request.idempotency_key,
    )
    .await
}
