//! Replays of the journal's events.

mod bodies;

use std::sync::Arc;

use florin_actors::bus::{Order, Replay, ReplayError, Replays, Selection};
use florin_actors::messages::{OperationId, Timestamp};
use warp::http::StatusCode;
use warp::http::header::LOCATION;
use warp::reply::Response;

use self::bodies::{ReplayBody, ReplayRequest};
use super::events::selection::{key, no_type, types};
use crate::http::ProblemCode::InvalidId;
use crate::http::{Problem, ProblemCode, RequestBody, response};
use crate::node::Service;
use crate::routing::refusals::*;
use crate::routing::{self, Answer, Call, Resource, Route, Scope, Subject, Tag, done, shown, task};

const REPLAYS: Resource = Resource {
    tag: Tag::Events,
    owner: Some(Service::Core),
    subject: Subject::Replay,
};

/// The routes.
pub const ROUTES: &[Route] = &[
    REPLAYS
        .post("/admin/replay", "beginReplay", Scope::AdminOperate)
        .to(|call, body| Box::pin(begin(call, body)))
        .about(
            "Starts a replay of events",
            "Publishes the selected events of the journal again, each with its original id and \
             value. One replay runs at a time. With `dry_run: true` it only counts \
             them.",
        )
        .purpose(task::<ReplayRequest>())
        .answers(&[Answer::json::<ReplayBody>(
            202,
            "The replay has started; `Location` names it",
        )])
        .problems(&[TASK, &[InvalidId], REPLAY]),
    REPLAYS
        .get("/admin/replay/{id}", "getReplay", Scope::AdminRead)
        .to(|call, _| Box::pin(show(call)))
        .about("Shows a replay", "Shows the progress of a replay.")
        .answers(&[shown::<ReplayBody>()])
        .problems(&[READ, BY_ID]),
    REPLAYS
        .post("/admin/replay/{id}/stop", "stopReplay", Scope::AdminOperate)
        .to(|call, _| Box::pin(stop(call)))
        .about(
            "Stops a replay",
            "Stops a replay after the events that it is publishing now. It can be resumed.",
        )
        .answers(&[done::<ReplayBody>()])
        .problems(&[READ, BY_ID, REPLAY]),
    REPLAYS
        .post(
            "/admin/replay/{id}/resume",
            "resumeReplay",
            Scope::AdminOperate,
        )
        .to(|call, _| Box::pin(resume(call)))
        .about(
            "Resumes a replay",
            "Continues a replay that was stopped or has failed, from where it ended.",
        )
        .answers(&[done::<ReplayBody>()])
        .problems(&[READ, BY_ID, REPLAY]),
];

async fn begin(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    call.query()?;
    let request: ReplayRequest = routing::read(&call, body).await?;
    let order = order(&call, request)?;
    let core = &call.gateway.core;
    let (id, now) = (core.new_id(), core.now());
    let begun = blocking(&call, move |replays| replays.begin(id, order, now)).await?;
    let mut response = response::json(StatusCode::ACCEPTED, &ReplayBody::from(begun));
    response::insert(&mut response, LOCATION, &format!("/admin/replay/{id}"));
    Ok(response)
}

/// Converts a request into the order of a replay.
fn order(call: &Call, request: ReplayRequest) -> Result<Order, Problem> {
    let time = |field: &'static str, text: Option<String>| {
        let read = |text: String| {
            let time = text.parse::<Timestamp>();
            time.map_err(|error| Problem::malformed(field, error.to_string()))
        };
        text.map(read).transpose()
    };
    let mut selection = Selection {
        from: request.from.unwrap_or_default(),
        to: request.to,
        from_time: time("from_time", request.from_time)?,
        to_time: time("to_time", request.to_time)?,
        correlation: request.correlation_id,
        ..Selection::default()
    };
    for (place, named) in request.types.iter().flatten().enumerate() {
        let field = || format!("types[{place}]");
        selection
            .types
            .extend(types(named).ok_or_else(|| no_type(field()))?);
    }
    selection.key = request.key.as_deref().map(key).transpose()?;
    let known = call.gateway.event_log.bindings().all_topics();
    let topics = request.topics.unwrap_or_default();
    for (place, topic) in topics.iter().enumerate() {
        if !known.contains(&topic.as_str()) {
            let field = format!("topics[{place}]");
            return Err(Problem::malformed(
                field,
                "is not a topic to which events are published",
            ));
        }
    }
    Ok(Order {
        selection,
        topics,
        dry_run: request.dry_run.unwrap_or_default(),
    })
}

async fn show(call: Arc<Call>) -> Result<Response, Problem> {
    let id: OperationId = call.id()?;
    call.query()?;
    let get = move |replays: &Replays| replays.get(id).ok_or(ReplayError::Unknown);
    let replay = blocking(&call, get).await?;
    Ok(response::json(StatusCode::OK, &ReplayBody::from(replay)))
}

async fn stop(call: Arc<Call>) -> Result<Response, Problem> {
    turn(&call, Replays::stop).await
}

async fn resume(call: Arc<Call>) -> Result<Response, Problem> {
    turn(&call, Replays::resume).await
}

async fn turn(
    call: &Call,
    turn: fn(&Replays, OperationId) -> Result<Replay, ReplayError>,
) -> Result<Response, Problem> {
    let id: OperationId = call.id()?;
    call.query()?;
    let turned = blocking(call, move |replays| turn(replays, id)).await?;
    Ok(response::json(StatusCode::OK, &ReplayBody::from(turned)))
}

/// Runs work that may wait for the file of replays on a thread where blocking is allowed.
async fn blocking(
    call: &Call,
    work: impl FnOnce(&Replays) -> Result<Replay, ReplayError> + Send + 'static,
) -> Result<Replay, Problem> {
    let gateway = Arc::clone(&call.gateway);
    let done = call
        .gateway
        .beside
        .spawn_blocking(move || work(&gateway.replays));
    let stopping = |_| Problem::new(ProblemCode::ShuttingDown, "the server is stopping");
    done.await
        .map_err(stopping)?
        .map_err(|error| refused(&error))
}

fn refused(error: &ReplayError) -> Problem {
    let code = match error {
        ReplayError::Unknown => ProblemCode::NotFound,
        ReplayError::Busy(_) | ReplayError::Ended | ReplayError::NoTarget => {
            ProblemCode::ReplayRefused
        }
        ReplayError::File(error) if error.kind() == std::io::ErrorKind::StorageFull => {
            ProblemCode::DiskLow
        }
        ReplayError::File(_) => ProblemCode::ServiceUnavailable,
    };
    Problem::new(code, error.to_string())
}
