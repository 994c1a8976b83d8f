//! Turns what the core decided about a command into an HTTP answer.

use florin_actors::messages::{Code, Outcome, RequestId};
use florin_actors::runtime::Decided;
use warp::http::header::LOCATION;
use warp::http::{HeaderValue, StatusCode};
use warp::reply::Response;

use super::operations::bodies::{AcceptedBody, OperationStatus};
use super::result::{ResultBody, created_in, result};
use crate::http::headers::IDEMPOTENT_REPLAYED;
use crate::http::response::{insert, json, tag};
use crate::http::{Problem, ProblemCode};

/// Returns the answer to a command that is executed later: 202 with the status of its operation. A
/// dry run, and a refusal that is not a replay, get the answer of [`command`] instead.
pub fn accepted(decided: &Decided, request_id: &RequestId) -> Response {
    if decided.dry_run {
        return command(decided, request_id);
    }
    let record = &decided.record;
    let status = match &record.outcome {
        Outcome::Refused(_) if !decided.replayed => return command(decided, request_id),
        Outcome::Accepted => OperationStatus::Pending,
        Outcome::Done(_) => OperationStatus::Completed,
        Outcome::Refused(_) => OperationStatus::Failed,
    };
    let body = AcceptedBody::new(record.operation_id, record.command.kind(), status);
    let mut response = json(StatusCode::ACCEPTED, &body);
    let location = format!("/operations/{}", record.operation_id);
    insert(&mut response, LOCATION, &location);
    mark_replayed(&mut response, decided);
    response
}

fn mark_replayed(response: &mut Response, decided: &Decided) {
    if decided.replayed {
        response
            .headers_mut()
            .insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
}

/// Returns the answer to a command.
pub fn command(decided: &Decided, request_id: &RequestId) -> Response {
    answered(decided, request_id, |_| {})
}

/// Returns the answer to a command of the alias `/account`. It is the answer of [`command`], but an
/// account also has `beholder_name`, the source documents' name for `holder_name`.
pub fn command_of_documents(decided: &Decided, request_id: &RequestId) -> Response {
    answered(decided, request_id, |body| {
        if let ResultBody::Account(account) = body {
            account.beholder_name = Some(account.holder_name.clone());
        }
    })
}

fn answered(
    decided: &Decided,
    request_id: &RequestId,
    also: impl FnOnce(&mut ResultBody),
) -> Response {
    let mut response = match &decided.record.outcome {
        Outcome::Refused(_) => refusal(decided).into_response(request_id),
        Outcome::Done(_) | Outcome::Accepted => match result(decided) {
            Some(mut body) => {
                also(&mut body);
                done(decided, &body)
            }
            None => Problem::not_confirmed(decided.record.operation_id).into_response(request_id),
        },
    };
    mark_replayed(&mut response, decided);
    response
}

fn done(decided: &Decided, body: &ResultBody) -> Response {
    let created = created_in(&decided.record.command).filter(|_| !decided.dry_run);
    let created = created.zip(body.entity());
    let status = if created.is_some() {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let mut response = json(status, body);
    if let Some((list, id)) = created {
        insert(&mut response, LOCATION, &format!("/{list}/{id}"));
    }
    if let Some(version) = body.version().filter(|_| !decided.dry_run) {
        tag(&mut response, version);
    }
    response
}

fn refusal(decided: &Decided) -> Problem {
    let operation_id = decided.record.operation_id;
    match &decided.record.outcome {
        Outcome::Refused(rejection) if rejection.code == Code::DeadlineExceeded => {
            Problem::not_confirmed(operation_id)
        }
        Outcome::Refused(rejection) => {
            let problem = Problem::refused(rejection, &decided.record.command);
            if decided.stored {
                problem.with_operation(operation_id)
            } else {
                problem
            }
        }
        // The command was not refused, so this branch can only report that the outcome is unknown.
        Outcome::Done(_) | Outcome::Accepted => {
            Problem::new(ProblemCode::OutcomeUnknown, "the outcome is unknown")
                .with_operation(operation_id)
        }
    }
}
