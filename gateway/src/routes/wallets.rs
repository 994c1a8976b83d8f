//! Wallets: opened, shown, listed, changed. What moves their money is in `money.rs`, what they had
//! in `history.rs`.

use std::sync::Arc;

use bytes::Buf;
use florin_actors::messages::{
    AccountStatus, Command, EntityId, OpenWallet, Overdraft, UpdateWallet, WalletLimits,
    WalletLimitsChange,
};
use futures_util::Stream;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::StatusCode;
use warp::reply::Response;

use super::EntitySegment;
use crate::call::Call;
use crate::codes::ProblemCode;
use crate::cursor::Scope;
use crate::dto::{OpenWalletRequest, PageBody, UpdateWalletRequest, WalletBody};
use crate::problem::Problem;
use crate::{answer, body, command};

/// The routes.
pub fn routes() -> BoxedFilter<(Response,)> {
    let show = warp::path!("wallets" / EntitySegment)
        .and(warp::get())
        .and(super::call())
        .then(|id, call: Arc<Call>| async move {
            let outcome = show(id, &call).await;
            call.respond(outcome)
        });
    let open = warp::path!("wallets")
        .and(warp::post())
        .and(super::call())
        .and(warp::body::stream())
        .then(|call: Arc<Call>, body| async move {
            let outcome = open(&call, body).await;
            call.respond(outcome)
        });
    let update = warp::path!("wallets" / EntitySegment)
        .and(warp::patch())
        .and(super::call())
        .and(warp::body::stream())
        .then(|id, call: Arc<Call>, body| async move {
            let outcome = update(id, &call, body).await;
            call.respond(outcome)
        });
    let list = warp::path!("wallets")
        .and(warp::get())
        .and(super::call())
        .then(|call: Arc<Call>| async move {
            let outcome = super::beside(&call, list(Arc::clone(&call))).await;
            call.respond(outcome)
        });
    let of_customer = warp::path!("customers" / EntitySegment / "wallets")
        .and(warp::get())
        .and(super::call())
        .then(|id, call: Arc<Call>| async move {
            let outcome = super::beside(&call, of_customer(id, Arc::clone(&call))).await;
            call.respond(outcome)
        });
    show.or(open)
        .unify()
        .or(update)
        .unify()
        .or(list)
        .unify()
        .or(of_customer)
        .unify()
        .boxed()
}

async fn show(id: EntitySegment, call: &Call) -> Result<Response, Problem> {
    let id = id.id()?;
    call.query()?;
    let wallet = call.gateway.core.wallet(id).await?;
    let wallet = wallet.ok_or_else(|| Problem::not_found("no wallet has this id"))?;
    let version = wallet.balances.version;
    let mut response = answer::json(StatusCode::OK, &WalletBody::from(wallet));
    answer::tag(&mut response, version);
    Ok(response)
}

async fn open<B: Buf>(
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    let request: OpenWalletRequest = body::read(call, body).await?;
    let limits = &call.gateway.limits;
    let currency = limits.currency(request.currency.as_ref(), || "currency".to_owned())?;
    let default_currency = limits.default_currency;
    let limits = WalletLimitsChange::from(request.limits.unwrap_or_default());
    let wallet = OpenWallet {
        customer: request.customer_id.0,
        name: request.name.map(|name| name.0.to_string()),
        currency: currency.unwrap_or(default_currency),
        overdraft: request
            .overdraft_limit
            .map_or(Overdraft::Limit(0), Overdraft::from),
        limits: WalletLimits::default().changed(&limits),
    };
    let open = Command::OpenWallet(Box::new(wallet));
    command::run(call, open, request.idempotency_key).await
}

async fn update<B: Buf>(
    id: EntitySegment,
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    let wallet = id.id()?;
    let request: UpdateWalletRequest = body::read(call, body).await?;
    let update = UpdateWallet {
        wallet,
        status: request.status.map(AccountStatus::from),
        overdraft: request.overdraft_limit.map(Overdraft::from),
        limits: request.limits.unwrap_or_default().into(),
    };
    let update = Command::UpdateWallet(update);
    command::run(call, update, request.idempotency_key).await
}

async fn list(call: Arc<Call>) -> Result<Response, Problem> {
    let query = call.query()?;
    let customer = query
        .get("customer_id")
        .ok_or_else(|| Problem::malformed("customer_id", "is missing"))?;
    let customer = customer
        .parse()
        .map_err(|_| Problem::of_field(ProblemCode::InvalidId, "customer_id", "is not a UUID"))?;
    page(&call, customer).await
}

async fn of_customer(id: EntitySegment, call: Arc<Call>) -> Result<Response, Problem> {
    let customer = id.id()?;
    page(&call, customer).await
}

async fn page(call: &Call, customer: EntityId) -> Result<Response, Problem> {
    let query = call.query()?;
    let limits = &call.gateway.limits;
    let limit = query.limit(limits.page_default, limits.page_max)?;
    let scope = Scope::list("/wallets").and(Some(&customer.to_string()));
    let after = query
        .get("cursor")
        .map(|cursor| scope.place(cursor))
        .transpose()?;
    let after = after.map(EntityId::from_bytes);
    let page = call.gateway.core.wallets(customer, after, limit).await?;
    let next = page.next.map(|id| scope.cursor(id.to_bytes()));
    let wallets: Vec<WalletBody> = page.entries.into_iter().map(WalletBody::from).collect();
    Ok(answer::json(StatusCode::OK, &PageBody::new(wallets, next)))
}
