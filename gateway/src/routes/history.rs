//! An account's movements.

use std::sync::Arc;

use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::StatusCode;
use warp::reply::Response;

use super::AccountId;
use super::accounts::no_such_account;
use crate::answer;
use crate::call::Call;
use crate::cursor::Scope;
use crate::dto::{MovementBody, PageBody};
use crate::problem::Problem;

/// The routes.
pub fn routes() -> BoxedFilter<(Response,)> {
    warp::path!("accounts" / AccountId / "transactions")
        .and(warp::get())
        .and(super::call())
        .then(|id, call: Arc<Call>| async move {
            let outcome = super::beside(&call, list(id, Arc::clone(&call))).await;
            call.respond(outcome)
        })
        .boxed()
}

async fn list(id: AccountId, call: Arc<Call>) -> Result<Response, Problem> {
    let id = id.id()?;
    let query = call.query()?;
    let limits = &call.gateway.limits;
    let limit = query.limit(limits.page_default, limits.page_max)?;
    let scope = Scope::list("/accounts/{id}/transactions").and(Some(&id.to_string()));
    let before = query
        .get("cursor")
        .map(|cursor| scope.place(cursor))
        .transpose()?;
    let before = before.map(u64::from_be_bytes);
    let page = call.gateway.core.movements(id, before, limit).await?;
    let page = page.ok_or_else(no_such_account)?;
    let next = page.next.map(|before| scope.cursor(before.to_be_bytes()));
    let movements: Vec<MovementBody> = page.entries.into_iter().map(MovementBody::from).collect();
    Ok(answer::json(
        StatusCode::OK,
        &PageBody::new(movements, next),
    ))
}
