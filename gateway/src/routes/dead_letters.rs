//! Dead letters: what consumers could not handle, for operators to look at and to try again.

use std::sync::Arc;

use florin_actors::bus::{DeadLetter, DeadLetterId, DeadLetters, DeadLettersError};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::StatusCode;
use warp::reply::Response;

use crate::answer;
use crate::call::Call;
use crate::codes::ProblemCode;
use crate::cursor::Scope;
use crate::dto::{DeadLetterBody, PageBody, RedrivenBody, WholeDeadLetterBody};
use crate::problem::Problem;

/// The routes.
pub fn routes() -> BoxedFilter<(Response,)> {
    let list = warp::path!("admin" / "dlq")
        .and(warp::get())
        .and(super::call())
        .then(|call: Arc<Call>| async move {
            let outcome = super::beside(&call, list(Arc::clone(&call))).await;
            call.respond(outcome)
        });
    let show = warp::path!("admin" / "dlq" / String)
        .and(warp::get())
        .and(super::call())
        .then(|id: String, call: Arc<Call>| async move {
            let outcome = super::beside(&call, show(id, Arc::clone(&call))).await;
            call.respond(outcome)
        });
    let redrive = warp::path!("admin" / "dlq" / String / "redrive")
        .and(warp::post())
        .and(super::call())
        .then(|id: String, call: Arc<Call>| async move {
            let outcome = super::beside(&call, redrive(id, Arc::clone(&call))).await;
            call.respond(outcome)
        });
    list.or(show).unify().or(redrive).unify().boxed()
}

async fn list(call: Arc<Call>) -> Result<Response, Problem> {
    let query = call.query()?;
    let limits = &call.gateway.limits;
    let limit = query.limit(limits.page_default, limits.page_max)?;
    let topic = query.get("topic");
    let scope = Scope::list("/admin/dlq").and(topic);
    let after = query.get("cursor").map(|cursor| scope.text(cursor));
    let after = after.transpose()?;
    let after = after.map(|after| id(&after)).transpose()?;
    let mut letters: Vec<DeadLetter> = match letters(&call) {
        None => Vec::new(),
        // One more, to know whether there is more.
        Some(letters) => letters.list(topic, after.as_ref(), limit + 1).await?,
    };
    let has_more = letters.len() > limit;
    letters.truncate(limit);
    let next = letters.last().filter(|_| has_more);
    let next = next.map(|last| scope.text_cursor(&last.id.to_string()));
    let bodies: Vec<DeadLetterBody> = letters.iter().map(DeadLetterBody::from).collect();
    Ok(answer::json(StatusCode::OK, &PageBody::new(bodies, next)))
}

async fn show(named: String, call: Arc<Call>) -> Result<Response, Problem> {
    call.query()?;
    let id = id(&named)?;
    let letter = letters(&call)
        .ok_or(DeadLettersError::NotFound)?
        .get(&id)
        .await?;
    Ok(answer::json(
        StatusCode::OK,
        &WholeDeadLetterBody::from(&letter),
    ))
}

async fn redrive(named: String, call: Arc<Call>) -> Result<Response, Problem> {
    call.query()?;
    let id = id(&named)?;
    let letters = letters(&call).ok_or(DeadLettersError::NotFound)?;
    let redriven = letters.redrive(&id).await?;
    Ok(answer::json(
        StatusCode::OK,
        &RedrivenBody::new(&id, redriven),
    ))
}

fn letters(call: &Call) -> Option<&dyn DeadLetters> {
    call.gateway.dead_letters.as_deref()
}

/// The id in a path, where its colons may be escaped.
fn id(text: &str) -> Result<DeadLetterId, Problem> {
    let text = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
    text.parse()
        .map_err(|error: florin_actors::bus::DeadLetterIdError| {
            Problem::new(
                ProblemCode::InvalidId,
                format!("the dead letter's id {error}"),
            )
        })
}

impl From<DeadLettersError> for Problem {
    fn from(error: DeadLettersError) -> Self {
        let code = match &error {
            DeadLettersError::NotFound => ProblemCode::NotFound,
            DeadLettersError::TooOften(_)
            | DeadLettersError::NoConsumer(_)
            | DeadLettersError::Busy => ProblemCode::RedriveRefused,
            DeadLettersError::Unavailable(_) => ProblemCode::ServiceUnavailable,
        };
        Self::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_colons_of_an_id_may_be_escaped_as_clients_do_in_a_path() {
        let plain = id("deposit-requests.dlq:0:7").unwrap();
        assert_eq!(id("deposit-requests.dlq%3A0%3a7").unwrap(), plain);
        for wrong in [
            "deposit-requests.dlq%253A0%253A7",
            "a.dlq:0:%",
            "a.dlq:0:%FF",
        ] {
            let refused = id(wrong).unwrap_err();
            assert_eq!(refused.code(), ProblemCode::InvalidId, "{wrong}");
        }
    }
}
