//! The routes of operators: actors, the clock and backups.

pub mod backup;
pub mod bodies;

use std::path::Path;
use std::sync::Arc;

use florin_actors::messages::{Command, EntityId, Kind, Resume};
use florin_actors::runtime::{ACTOR_STATES, ActorFilter};
use warp::http::StatusCode;
use warp::reply::Response;

use self::backup::{BackupBody, BackupRequest};
use self::bodies::{ActorBody, ClockBody, ResumedBody};
use super::beside::beside;
use super::command;
use super::shared::KeyOnlyRequest;
use crate::http::cursor::List;
use crate::http::{PageBody, Problem, ProblemCode, RequestBody, response};
use crate::routing::refusals::*;
use crate::routing::{
    self, Call, Filter, Parameter, Resource, Route, Scope, Subject, Tag, create, done, listed,
    listing, task,
};

const ADMIN: Resource = Resource {
    tag: Tag::Administration,
    // Each process has its own journal, so it has its own actors.
    owner: None,
    subject: Subject::Any,
};
const KIND: Filter = Filter::one_of(
    "kind",
    || Kind::ALL.map(Kind::name).to_vec(),
    "Only actors of this kind.",
);
const STATE: Filter = Filter::one_of(
    "state",
    || ACTOR_STATES.to_vec(),
    "Only actors in this state.",
);

/// The routes.
pub const ROUTES: &[Route] = &[
    ADMIN
        .get("/admin/actors", "listActors", Scope::AdminRead)
        .to(|call, _| beside(call, actors))
        .about(
            "Lists actors",
            "Lists the actors in memory: their state, their restarts and their last fault.",
        )
        .purpose(listing(&[KIND, STATE]))
        .answers(&[listed::<ActorBody>()])
        .problems(&[LIST, UNAVAILABLE]),
    ADMIN
        .post(
            "/admin/actors/{kind}/{id}/resume",
            "resumeActor",
            Scope::AdminOperate,
        )
        .to(|call, body| Box::pin(resume(call, body)))
        .about(
            "Resumes a quarantined actor",
            "Puts a quarantined actor back into service. An actor in service stays as \
             it is.",
        )
        .purpose(create::<KeyOnlyRequest>())
        .answers(&[done::<ResumedBody>()])
        .problems(&[COMMAND, BY_ID, NO_SUCH_KIND]),
    ADMIN
        .post("/admin/clock/confirm", "confirmClock", Scope::AdminOperate)
        .to(|call, _| Box::pin(confirm_clock(call)))
        .about(
            "Confirms the machine's clock",
            "Accepts the machine's time of day after it jumped ahead. Until then the \
             node's time goes on by the monotonic clock.",
        )
        .answers(&[done::<ClockBody>()])
        .problems(&[READ]),
    ADMIN
        .post("/admin/backup", "makeBackup", Scope::AdminOperate)
        .to(|call, body| Box::pin(backup(call, body)))
        .about(
            "Makes a backup",
            "Copies the journal to an empty directory on the server's machine, and \
             answers once the copy is complete and synced.",
        )
        .purpose(task::<BackupRequest>())
        .answers(&[done::<BackupBody>()])
        .problems(&[BACKUP]),
];

async fn actors(call: Arc<Call>) -> Result<Response, Problem> {
    let query = call.query()?;
    let limits = &call.gateway.limits;
    let limit = query.limit(limits.page_default, limits.page_max)?;
    let kind = query.one_of("kind", &Kind::ALL, Kind::name)?;
    let state = query.one_of("state", &ACTOR_STATES, |state| state)?;
    let list = List::at("/admin/actors").and(query.get("kind")).and(state);
    let after = list.after(&query)?;
    let after = after.map(EntityId::from_bytes);
    let state = state.map(str::to_owned);
    let filter = ActorFilter { kind, state };
    let page = call.gateway.core.actors(filter, after, limit).await?;
    let next = page.next.map(|id| list.cursor(id.to_bytes()));
    let actors: Vec<ActorBody> = page.entries.into_iter().map(ActorBody::from).collect();
    Ok(response::json(StatusCode::OK, &PageBody::new(actors, next)))
}

async fn resume(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    let entity: EntityId = call.id()?;
    let named = call.parameter(Parameter::Kind);
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == named);
    let kind = kind.ok_or_else(|| Problem::not_found("there are no actors of this kind"))?;
    let request: KeyOnlyRequest = routing::read(&call, body).await?;
    let resume = Resume { entity, kind };
    command::run(&call, Command::Resume(resume), request.idempotency_key).await
}

/// Makes a backup. It runs to its end on a thread of its own, even if the client no longer waits
/// for it.
async fn backup(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    call.query()?;
    let request: BackupRequest = routing::read(&call, body).await?;
    let gateway = Arc::clone(&call.gateway);
    let made = call.gateway.beside.spawn_blocking(move || {
        let goes_on = || !gateway.is_stopping();
        let directory = Path::new(&request.directory);
        let data_dir = request.data_dir.as_deref().map(Path::new);
        let backups = &gateway.backups;
        let made = backups.make(&gateway.core, directory, data_dir, &goes_on);
        made.map(|manifest| BackupBody::new(request.directory.clone(), &manifest))
    });
    let made = made
        .await
        .unwrap_or_else(|_| Err(Problem::new(ProblemCode::BackupFailed, "the backup failed")));
    Ok(response::json(StatusCode::OK, &made?))
}

async fn confirm_clock(call: Arc<Call>) -> Result<Response, Problem> {
    call.query()?;
    let leapt = call.gateway.core.confirm_clock();
    let body = ClockBody::new(call.gateway.core.now(), leapt);
    Ok(response::json(StatusCode::OK, &body))
}
