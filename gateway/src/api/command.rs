//! The path of every command: read its headers, submit it, wait for the outcome, answer.

use std::sync::Arc;
use std::time::Duration;

use florin_actors::messages::{Caller, Command, Context, Outcome};
use florin_actors::runtime::{Decided, Operation, Reply, Unavailable, within};
use warp::reply::Response;

use super::answer;
use crate::http::headers::{self, CORRELATION_ID, PREFERENCE_APPLIED, Precondition};
use crate::http::values::Key;
use crate::http::{Problem, response};
use crate::routing::Call;

/// Submits a command with the options that the request's headers and query give. Waits for its
/// outcome, or, if the headers ask for that, only until it is accepted.
pub async fn run(
    call: &Call,
    command: Command,
    body_key: Option<Key>,
) -> Result<Response, Problem> {
    let asynchronous = command.moves_money() && headers::respond_async(&call.headers);
    let (wait, asked) = call.wait();
    let response = if asynchronous {
        accept(call, command, body_key, asked.then_some(wait)).await
    } else {
        let decided = submit(call, command, body_key, false, wait).await;
        let render = if call.route.has_document_names {
            answer::command_of_documents
        } else {
            answer::command
        };
        decided.map(|decided| render(&decided, &call.request_id))
    };
    let applied = match (asynchronous, asked) {
        (false, false) => return response,
        (true, false) => "respond-async".to_owned(),
        (false, true) => format!("wait={}", wait.as_secs()),
        (true, true) => format!("respond-async, wait={}", wait.as_secs()),
    };
    let mut response = call.respond(response);
    response::insert(&mut response, PREFERENCE_APPLIED, &applied);
    Ok(response)
}

/// Submits a command that is answered once it is durable, and executed later. With `wait`, the
/// outcome is awaited for that long first.
pub async fn accept(
    call: &Call,
    command: Command,
    body_key: Option<Key>,
    wait: Option<Duration>,
) -> Result<Response, Problem> {
    let bound = call.gateway.limits.confirmation_wait;
    let decided = submit(call, command, body_key, true, bound).await?;
    if decided.record.outcome != Outcome::Accepted {
        return Ok(answer::accepted(&decided, &call.request_id));
    }
    let Some(wait) = wait else {
        return Ok(answer::accepted(&decided, &call.request_id));
    };
    let core = &call.gateway.core;
    let id = decided.record.operation_id;
    if within(wait, core.wait_for_operation(id)).await.is_some()
        && let Some(Operation::Decided(executed)) = core.operation(id).await?
    {
        return Ok(answer::command(&executed, &call.request_id));
    }
    Ok(answer::accepted(&decided, &call.request_id))
}

async fn submit(
    call: &Call,
    command: Command,
    body_key: Option<Key>,
    asynchronous: bool,
    wait: Duration,
) -> Result<Box<Decided>, Problem> {
    let context = Context {
        asynchronous,
        ..context(call, body_key)?
    };
    if let (Command::Batch(batch), Some(own)) = (&command, &context.key) {
        let mut items = batch.items.iter();
        if let Some(index) = items.position(|item| item.key.as_ref() == Some(own)) {
            // One key can't stand for two commands.
            let field = format!("transfers[{index}].idempotency_key");
            return Err(Problem::malformed(
                field,
                "must differ from the key of the batch",
            ));
        }
    }
    if call.gateway.is_stopping() {
        return Err(Unavailable::ShuttingDown.into());
    }
    let confirmation = call.gateway.core.submit(command, context, wait)?;
    let operation_id = confirmation.operation_id();
    match confirmation.await {
        Reply::Decided(decided) => Ok(decided),
        Reply::TimedOut(operation) => Err(Problem::not_confirmed(operation)),
        Reply::Unavailable(reason) => {
            let problem = Problem::from(reason);
            Err(if reason == Unavailable::OutcomeUnknown {
                problem.with_operation(operation_id)
            } else {
                problem
            })
        }
    }
}

fn context(call: &Call, body_key: Option<Key>) -> Result<Context, Problem> {
    let dry_run = call.query()?.flag("dry_run")?;
    let key: Option<Arc<str>> = headers::key(&call.headers, body_key.map(|key| key.0))?;
    let has_entity = call.route.purpose.has_precondition();
    let if_match = match headers::precondition(&call.headers)? {
        Precondition::None => None,
        _ if !has_entity => {
            return Err(Problem::malformed(
                "If-Match",
                "is not supported by this route",
            ));
        }
        Precondition::Exists => None,
        Precondition::Version(version) => Some(version),
    };
    Ok(Context {
        caller: Caller::default(),
        key,
        request_id: call.request_id.clone(),
        correlation_id: headers::given_id(&call.headers, CORRELATION_ID),
        trace: headers::trace(&call.headers),
        kind: call.route.subject.kind(),
        if_match,
        dry_run,
        asynchronous: false,
        input: None,
    })
}
