//! Accounts: opened, shown, listed, changed, deleted.

use std::sync::Arc;

use bytes::Buf;
use florin_actors::messages::{
    AccountStatus, Command, DeleteAccount, EntityId, OpenAccount, Overdraft, Personal,
    UpdateAccount,
};
use florin_actors::views::AccountFilter;
use futures_util::Stream;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::StatusCode;
use warp::reply::Response;

use super::EntitySegment;
use crate::call::Call;
use crate::cursor::Scope;
use crate::dto::{AccountBody, KeyOnlyRequest, OpenAccountRequest, PageBody, UpdateAccountRequest};
use crate::problem::Problem;
use crate::{answer, body, command};

/// The routes.
pub fn routes() -> BoxedFilter<(Response,)> {
    let show = warp::path!("accounts" / EntitySegment)
        .and(warp::get())
        .and(super::call())
        .then(|id, call: Arc<Call>| async move {
            let outcome = show(id, &call).await;
            call.respond(outcome)
        });
    let open = warp::path!("accounts")
        .and(warp::post())
        .and(super::call())
        .and(warp::body::stream())
        .then(|call: Arc<Call>, body| async move {
            let outcome = open(&call, body).await;
            call.respond(outcome)
        });
    let list = warp::path!("accounts")
        .and(warp::get())
        .and(super::call())
        .then(|call: Arc<Call>| async move {
            let outcome = super::beside(&call, list(Arc::clone(&call))).await;
            call.respond(outcome)
        });
    let update = warp::path!("accounts" / EntitySegment)
        .and(warp::patch())
        .and(super::call())
        .and(warp::body::stream())
        .then(|id, call: Arc<Call>, body| async move {
            let outcome = update(id, &call, body).await;
            call.respond(outcome)
        });
    let delete = warp::path!("accounts" / EntitySegment)
        .and(warp::delete())
        .and(super::call())
        .and(warp::body::stream())
        .then(|id, call: Arc<Call>, body| async move {
            let outcome = delete(id, &call, body).await;
            call.respond(outcome)
        });
    show.or(open)
        .unify()
        .or(list)
        .unify()
        .or(update)
        .unify()
        .or(delete)
        .unify()
        .boxed()
}

async fn show(id: EntitySegment, call: &Call) -> Result<Response, Problem> {
    let id = id.id()?;
    call.query()?;
    let account = call.gateway.core.account(id).await?;
    let account = account.ok_or_else(no_such_account)?;
    let version = account.view.balances.version;
    let body = AccountBody::new(account.view, account.holder.as_deref());
    let mut response = answer::json(StatusCode::OK, &body);
    answer::tag(&mut response, version);
    Ok(response)
}

/// Nobody has this id.
pub(super) fn no_such_account() -> Problem {
    Problem::not_found("no account has this id")
}

async fn open<B: Buf>(
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    let request: OpenAccountRequest = body::read(call, body).await?;
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
    let limits = &call.gateway.limits;
    let limit = query.limit(limits.page_default, limits.page_max)?;
    let status = query.one_of("status", &AccountStatus::ALL, AccountStatus::name)?;
    let reference = query.get("reference");
    let scope = Scope::list("/accounts")
        .and(query.get("status"))
        .and(reference);
    let after = query
        .get("cursor")
        .map(|cursor| scope.place(cursor))
        .transpose()?;
    let filter = AccountFilter {
        status,
        reference: reference.map(str::to_owned),
    };
    let after = after.map(EntityId::from_bytes);
    let page = call.gateway.core.accounts(filter, after, limit).await?;
    let next = page.next.map(|id| scope.cursor(id.to_bytes()));
    let accounts = page.entries.into_iter();
    let accounts =
        accounts.map(|account| AccountBody::new(account.view, account.holder.as_deref()));
    Ok(answer::json(
        StatusCode::OK,
        &PageBody::new(accounts.collect(), next),
    ))
}

async fn update<B: Buf>(
    id: EntitySegment,
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    let account = id.id()?;
    let request: UpdateAccountRequest = body::read(call, body).await?;
    let status = request.status.map(AccountStatus::from);
    let overdraft = request.overdraft_limit.map(Overdraft::from);
    let update = UpdateAccount {
        account,
        status,
        overdraft,
    };
    command::run(
        call,
        Command::UpdateAccount(update),
        request.idempotency_key,
    )
    .await
}

async fn delete<B: Buf>(
    id: EntitySegment,
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    let account = id.id()?;
    let request: KeyOnlyRequest = body::read(call, body).await?;
    let delete = DeleteAccount { account };
    command::run(
        call,
        Command::DeleteAccount(delete),
        request.idempotency_key,
    )
    .await
}
