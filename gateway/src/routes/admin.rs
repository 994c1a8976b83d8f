//! What operators look into.

use std::sync::Arc;

use florin_actors::messages::{EntityId, Kind};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::StatusCode;
use warp::reply::Response;

use crate::answer;
use crate::call::Call;
use crate::cursor::Scope;
use crate::dto::{ActorBody, PageBody};
use crate::problem::Problem;

/// The states an actor can be in.
const STATES: [&str; 5] = ["loading", "live", "restarting", "draining", "quarantined"];

/// The routes.
pub fn routes() -> BoxedFilter<(Response,)> {
    warp::path!("admin" / "actors")
        .and(warp::get())
        .and(super::call())
        .then(|call: Arc<Call>| async move {
            let outcome = super::beside(&call, actors(Arc::clone(&call))).await;
            call.respond(outcome)
        })
        .boxed()
}

async fn actors(call: Arc<Call>) -> Result<Response, Problem> {
    let query = call.query()?;
    let limits = &call.gateway.limits;
    let limit = query.limit(limits.page_default, limits.page_max)?;
    let kind = query.one_of("kind", &Kind::ALL, Kind::name)?;
    let state = query.one_of("state", &STATES, |state| state)?;
    let scope = Scope::list("/admin/actors")
        .and(query.get("kind"))
        .and(state);
    let after = query
        .get("cursor")
        .map(|cursor| scope.place(cursor))
        .transpose()?;
    let after = after.map(EntityId::from_bytes);
    let page = call
        .gateway
        .core
        .actors(kind, state.map(str::to_owned), after, limit)
        .await?;
    let next = page.next.map(|id| scope.cursor(id.to_bytes()));
    let actors: Vec<ActorBody> = page.entries.into_iter().map(ActorBody::from).collect();
    Ok(answer::json(StatusCode::OK, &PageBody::new(actors, next)))
}
