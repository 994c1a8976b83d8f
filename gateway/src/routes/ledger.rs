//! The ledger as a whole: single transactions, and everything added up.

use std::sync::Arc;

use florin_actors::messages::Command;
use florin_actors::runtime::Operation;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::StatusCode;
use warp::reply::Response;

use super::OperationSegment;
use crate::answer;
use crate::call::Call;
use crate::dto::{TransactionBody, TrialBalanceBody};
use crate::problem::Problem;

/// The routes.
pub fn routes() -> BoxedFilter<(Response,)> {
    let show = warp::path!("ledger" / "transactions" / OperationSegment)
        .and(super::call())
        .then(|id, call: Arc<Call>| async move {
            let outcome = show(id, &call).await;
            call.respond(outcome)
        });
    let balance = warp::path!("ledger" / "trial-balance")
        .and(super::call())
        .then(|call: Arc<Call>| async move {
            let outcome = super::beside(&call, trial_balance(Arc::clone(&call))).await;
            call.respond(outcome)
        });
    warp::get().and(show.or(balance).unify()).boxed()
}

async fn show(id: OperationSegment, call: &Call) -> Result<Response, Problem> {
    let id = id.id()?;
    call.query()?;
    let none = || Problem::not_found("no transaction has this id");
    let core = &call.gateway.core;
    let Some(Operation::Decided(decided)) = core.operation(id).await? else {
        return Err(none());
    };
    let link = core.link(decided.record.sequence).await?.ok_or_else(none)?;
    let posted = match &decided.record.command {
        Command::Post(post) => core.transfer(post.transfer).await?,
        _ => None,
    };
    let transaction = TransactionBody::of(id, &decided.record, link, posted).ok_or_else(none)?;
    Ok(answer::json(StatusCode::OK, &transaction))
}

async fn trial_balance(call: Arc<Call>) -> Result<Response, Problem> {
    call.query()?;
    let balance = call.gateway.core.trial_balance().await?;
    Ok(answer::json(
        StatusCode::OK,
        &TrialBalanceBody::from(balance),
    ))
}
