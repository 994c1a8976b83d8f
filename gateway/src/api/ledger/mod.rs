//! The ledger: single transactions, and the trial balance.

pub mod bodies;

use std::sync::Arc;

use florin_actors::messages::OperationId;
use florin_actors::runtime::Operation;
use warp::http::StatusCode;
use warp::reply::Response;

use self::bodies::{TransactionBody, TrialBalanceBody};
use super::beside::beside;
use crate::http::{Problem, response};
use crate::node::Service;
use crate::routing::refusals::*;
use crate::routing::{Call, Resource, Route, Scope, Subject, Tag, shown};

const LEDGER: Resource = Resource {
    tag: Tag::Ledger,
    owner: Some(Service::Core),
    subject: Subject::Transaction,
};

/// The routes.
pub const ROUTES: &[Route] = &[
    LEDGER
        .get(
            "/ledger/transactions/{id}",
            "getTransaction",
            Scope::LedgerRead,
        )
        .to(|call, _| Box::pin(show(call)))
        .about(
            "Shows the postings of a transaction",
            "Shows the postings of one transaction. In each currency they add up to \
             zero. `hash` is the link of the hash chain that seals the record.",
        )
        .answers(&[shown::<TransactionBody>()])
        .problems(&[READ, BY_ID, UNAVAILABLE]),
    LEDGER
        .get(
            "/ledger/trial-balance",
            "getTrialBalance",
            Scope::LedgerRead,
        )
        .to(|call, _| beside(call, trial_balance))
        .about(
            "Shows the trial balance",
            "Adds up all debits and all credits by currency; their difference is always 0.",
        )
        .answers(&[shown::<TrialBalanceBody>()])
        .problems(&[READ, UNAVAILABLE]),
];

async fn show(call: Arc<Call>) -> Result<Response, Problem> {
    let id: OperationId = call.id()?;
    call.query()?;
    let none = || Problem::not_found("no transaction has this id");
    let core = &call.gateway.core;
    let Some(Operation::Decided(decided)) = core.operation(id).await? else {
        return Err(none());
    };
    let link = core.link(decided.record.sequence).await?.ok_or_else(none)?;
    let transaction = TransactionBody::of(id, &decided.record, link).ok_or_else(none)?;
    Ok(response::json(StatusCode::OK, &transaction))
}

async fn trial_balance(call: Arc<Call>) -> Result<Response, Problem> {
    call.query()?;
    let balance = call.gateway.core.trial_balance().await?;
    Ok(response::json(
        StatusCode::OK,
        &TrialBalanceBody::from(balance),
    ))
}
