//! What operators look into, and what they put right.

use std::convert::Infallible;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Buf;
use florin_actors::messages::{Command, EntityId, Kind, Resume};
use florin_actors::runtime::{ACTOR_STATES, ActorFilter};
use futures_util::Stream;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::StatusCode;
use warp::reply::Response;

use super::EntitySegment;
use crate::call::Call;
use crate::codes::ProblemCode;
use crate::cursor::Scope;
use crate::dto::{ActorBody, BackupRequest, ClockBody, KeyOnlyRequest, PageBody};
use crate::problem::Problem;
use crate::{answer, body, command};

/// The routes.
pub fn routes() -> BoxedFilter<(Response,)> {
    let list = warp::path!("admin" / "actors")
        .and(warp::get())
        .and(super::call())
        .then(|call: Arc<Call>| async move {
            let outcome = super::beside(&call, actors(Arc::clone(&call))).await;
            call.respond(outcome)
        });
    let resume = warp::path!("admin" / "actors" / KindSegment / EntitySegment / "resume")
        .and(warp::post())
        .and(super::call())
        .and(warp::body::stream())
        .then(|kind, id, call: Arc<Call>, body| async move {
            let outcome = resume(kind, id, &call, body).await;
            call.respond(outcome)
        });
    let confirm = warp::path!("admin" / "clock" / "confirm")
        .and(warp::post())
        .and(super::call())
        .map(|call: Arc<Call>| call.respond(confirm_clock(&call)));
    let backup = warp::path!("admin" / "backup")
        .and(warp::post())
        .and(super::call())
        .and(warp::body::stream())
        .then(|call: Arc<Call>, body| async move {
            let outcome = backup(&call, body).await;
            call.respond(outcome)
        });
    list.or(resume)
        .unify()
        .or(confirm)
        .unify()
        .or(backup)
        .unify()
        .boxed()
}

/// A path segment that names a kind of actor; the table lets no other pass.
struct KindSegment(Option<Kind>);

impl FromStr for KindSegment {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let named = |kind: &Kind| kind.name() == text;
        Ok(Self(Kind::ALL.into_iter().find(named)))
    }
}

async fn actors(call: Arc<Call>) -> Result<Response, Problem> {
    let query = call.query()?;
    let limits = &call.gateway.limits;
    let limit = query.limit(limits.page_default, limits.page_max)?;
    let kind = query.one_of("kind", &Kind::ALL, Kind::name)?;
    let state = query.one_of("state", &ACTOR_STATES, |state| state)?;
    let scope = Scope::list("/admin/actors")
        .and(query.get("kind"))
        .and(state);
    let after = query
        .get("cursor")
        .map(|cursor| scope.place(cursor))
        .transpose()?;
    let after = after.map(EntityId::from_bytes);
    let state = state.map(str::to_owned);
    let filter = ActorFilter { kind, state };
    let page = call.gateway.core.actors(filter, after, limit).await?;
    let next = page.next.map(|id| scope.cursor(id.to_bytes()));
    let actors: Vec<ActorBody> = page.entries.into_iter().map(ActorBody::from).collect();
    Ok(answer::json(StatusCode::OK, &PageBody::new(actors, next)))
}

async fn resume<B: Buf>(
    kind: KindSegment,
    id: EntitySegment,
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    let entity = id.id()?;
    let kind = kind
        .0
        .ok_or_else(|| Problem::not_found("there are no actors of this kind"))?;
    let request: KeyOnlyRequest = body::read(call, body).await?;
    let resume = Resume { entity, kind };
    command::run(call, Command::Resume(resume), request.idempotency_key).await
}

/// Goes on to its end on a thread of its own, also when nobody waits for it any more.
async fn backup<B: Buf>(
    call: &Call,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Problem> {
    call.query()?;
    let request: BackupRequest = body::read(call, body).await?;
    let gateway = Arc::clone(&call.gateway);
    let made = call.gateway.beside.spawn_blocking(move || {
        let goes_on = || !gateway.is_stopping();
        gateway.backups.make(&gateway.core, &request, &goes_on)
    });
    let made = made
        .await
        .unwrap_or_else(|_| Err(Problem::new(ProblemCode::BackupFailed, "the backup failed")));
    Ok(answer::json(StatusCode::OK, &made?))
}

fn confirm_clock(call: &Call) -> Result<Response, Problem> {
    call.query()?;
    let leapt = call.gateway.core.confirm_clock();
    let body = ClockBody::new(call.gateway.core.now(), leapt);
    Ok(answer::json(StatusCode::OK, &body))
}
