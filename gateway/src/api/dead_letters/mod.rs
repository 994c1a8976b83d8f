//! Dead letters, for operators to look at them and to redrive them.

mod bodies;

use std::sync::Arc;

use florin_actors::bus::{DeadLetter, DeadLetterId, DeadLetters, DeadLettersError};
use warp::http::StatusCode;
use warp::reply::Response;

use self::bodies::{DeadLetterBody, RedrivenBody, WholeDeadLetterBody};
use super::beside::beside;
use crate::http::ProblemCode::{InvalidId, RedriveRefused, ServiceUnavailable};
use crate::http::cursor::List;
use crate::http::{PageBody, Problem, ProblemCode, response};
use crate::node::Service;
use crate::routing::refusals::*;
use crate::routing::{
    Call, Filter, Parameter, Resource, Route, Scope, Subject, Tag, done, listed, listing, shown,
};

const DEAD_LETTERS: Resource = Resource {
    tag: Tag::DeadLetters,
    owner: Some(Service::Core),
    subject: Subject::Any,
};
const TOPIC: Filter = Filter::text(
    "topic",
    "Only dead letters that came from this topic.",
    "deposit-requests",
);

/// The routes.
pub const ROUTES: &[Route] = &[
    DEAD_LETTERS
        .get("/admin/dlq", "listDeadLetters", Scope::AdminRead)
        .to(|call, _| beside(call, list))
        .about(
            "Lists dead letters",
            "Lists the messages that their consumers could not handle, by topic, \
             partition and offset.",
        )
        .purpose(listing(&[TOPIC]))
        .answers(&[listed::<DeadLetterBody>()])
        .problems(&[LIST, &[InvalidId, ServiceUnavailable]]),
    DEAD_LETTERS
        .get("/admin/dlq/{letter}", "getDeadLetter", Scope::AdminRead)
        .to(|call, _| beside(call, show))
        .about(
            "Shows a dead letter",
            "Shows a dead letter with its value and headers as they came.",
        )
        .answers(&[shown::<WholeDeadLetterBody>()])
        .problems(&[READ, BY_ID, &[ServiceUnavailable]]),
    DEAD_LETTERS
        .post(
            "/admin/dlq/{letter}/redrive",
            "redriveDeadLetter",
            Scope::AdminOperate,
        )
        .to(|call, _| beside(call, redrive))
        .about(
            "Redrives a dead letter",
            "Sends a dead letter through its consumer again, and answers when the consumer has \
             finished. If the consumer fails again, the dead letter stays.",
        )
        .answers(&[done::<RedrivenBody>()])
        .problems(&[READ, BY_ID, &[RedriveRefused, ServiceUnavailable]]),
];

async fn list(call: Arc<Call>) -> Result<Response, Problem> {
    let query = call.query()?;
    let limits = &call.gateway.limits;
    let limit = query.limit(limits.page_default, limits.page_max)?;
    let topic = query.get("topic");
    let list = List::at("/admin/dlq").and(topic);
    let after = query.get("cursor").map(|cursor| list.text(cursor));
    let after = after.transpose()?;
    let after = after.map(|after| id(&after)).transpose()?;
    let mut letters: Vec<DeadLetter> = match letters(&call) {
        None => Vec::new(),
        // One more entry than the page has shows whether there is a next page.
        Some(letters) => letters.list(topic, after.as_ref(), limit + 1).await?,
    };
    let has_more = letters.len() > limit;
    letters.truncate(limit);
    let next = letters.last().filter(|_| has_more);
    let next = next.map(|last| list.text_cursor(&last.id.to_string()));
    let bodies: Vec<DeadLetterBody> = letters.iter().map(DeadLetterBody::from).collect();
    Ok(response::json(StatusCode::OK, &PageBody::new(bodies, next)))
}

async fn show(call: Arc<Call>) -> Result<Response, Problem> {
    call.query()?;
    let id = id(call.parameter(Parameter::Letter))?;
    let letter = letters(&call)
        .ok_or(DeadLettersError::NotFound)?
        .get(&id)
        .await?;
    Ok(response::json(
        StatusCode::OK,
        &WholeDeadLetterBody::from(&letter),
    ))
}

async fn redrive(call: Arc<Call>) -> Result<Response, Problem> {
    call.query()?;
    let id = id(call.parameter(Parameter::Letter))?;
    let letters = letters(&call).ok_or(DeadLettersError::NotFound)?;
    let redriven = letters.redrive(&id).await?;
    Ok(response::json(
        StatusCode::OK,
        &RedrivenBody::new(&id, redriven),
    ))
}

fn letters(call: &Call) -> Option<&dyn DeadLetters> {
    call.gateway.dead_letters.as_deref()
}

/// Parses the id in a path, where its colons may be escaped.
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
