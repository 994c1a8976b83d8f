//! The way of every command: its headers read, submitted, awaited, answered.

use std::sync::Arc;

use florin_actors::messages::{Caller, Command, Context};
use florin_actors::runtime::{Reply, Unavailable};
use warp::reply::Response;

use crate::answer;
use crate::call::Call;
use crate::dto::Key;
use crate::endpoints::Purpose;
use crate::headers::{self, CORRELATION_ID, PREFERENCE_APPLIED, Precondition};
use crate::problem::Problem;

/// Submits a command with what the request's headers and query say, and waits for its outcome.
pub async fn run(
    call: &Call,
    command: Command,
    body_key: Option<Key>,
) -> Result<Response, Problem> {
    let context = context(call, body_key)?;
    if call.gateway.is_stopping() {
        return Err(Unavailable::ShuttingDown.into());
    }
    let (wait, asked) = call.wait();
    let confirmation = call.gateway.core.submit(command, context, wait)?;
    let operation_id = confirmation.operation_id();
    let mut response = match confirmation.await {
        Reply::Decided(decided) => answer::command(&decided, &call.request_id),
        Reply::TimedOut(operation) => {
            Problem::not_confirmed(operation).into_response(&call.request_id)
        }
        Reply::Unavailable(reason) => {
            let problem = Problem::from(reason);
            let begun = reason == Unavailable::OutcomeUnknown;
            let problem = if begun {
                problem.with_operation(operation_id)
            } else {
                problem
            };
            problem.into_response(&call.request_id)
        }
    };
    if asked {
        answer::insert(
            &mut response,
            PREFERENCE_APPLIED,
            &format!("wait={}", wait.as_secs()),
        );
    }
    Ok(response)
}

fn context(call: &Call, body_key: Option<Key>) -> Result<Context, Problem> {
    let dry_run = call.query()?.flag("dry_run")?;
    let key: Option<Arc<str>> = headers::key(&call.headers, body_key.map(|key| key.0))?;
    let has_entity = matches!(
        call.endpoint.purpose,
        Purpose::Command {
            precondition: true,
            ..
        }
    );
    let if_match = match headers::precondition(&call.headers)? {
        Precondition::None => None,
        _ if !has_entity => {
            return Err(Problem::malformed("If-Match", "has no entity to be about"));
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
        kind: call.endpoint.kind(),
        if_match,
        dry_run,
    })
}
