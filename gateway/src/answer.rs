//! From what the core decided to an answer. An operation looked up later goes the same way, so
//! that it says what the command's own answer said.

use florin_actors::messages::{Code, Command, Outcome, RequestId};
use florin_actors::runtime::Decided;
use serde::Serialize;
use warp::http::header::{CONTENT_TYPE, ETAG, LOCATION};
use warp::http::{HeaderName, HeaderValue, StatusCode};
use warp::reply::Response;

use crate::codes::ProblemCode;
use crate::dto::{
    AcceptedBody, AccountBody, BatchDoneBody, CardBody, EndBody, MoneyBody, OperationStatus,
    ResultBody, ResumedBody, TransactionDoneBody, TransferDoneBody, WalletBody,
};
use crate::headers::IDEMPOTENT_REPLAYED;
use crate::problem::Problem;

/// Bytes set aside for an answer's JSON: enough for one entity.
const JSON_BYTES: usize = 512;

/// An answer with this JSON.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let mut bytes = Vec::with_capacity(JSON_BYTES);
    // The bodies hold only texts, numbers and maps of texts: none can fail to become JSON.
    if serde_json::to_writer(&mut bytes, body).is_err() {
        bytes.clear();
    }
    let mut response = Response::new(bytes.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Says which version of an entity the answer shows.
pub fn tag(response: &mut Response, version: u64) {
    insert(response, ETAG, &format!("\"{version}\""));
}

/// Adds a header whose value Florin made.
pub fn insert(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// What a command that was done answers; `None` when it was not.
pub fn result(decided: &Decided) -> Option<ResultBody> {
    let record = &decided.record;
    let operation = (!decided.dry_run).then_some(record.operation_id);
    let money = |id| {
        Some(ResultBody::Money(MoneyBody::new(
            operation,
            id,
            &decided.balances(id)?,
        )))
    };
    let end = |id| Some(EndBody::new(id, &decided.balances(id)?));
    if !matches!(record.outcome, Outcome::Done(_)) {
        return None;
    }
    match &record.command {
        Command::OpenAccount(_)
        | Command::UpdateAccount(_)
        | Command::DeleteAccount(_)
        | Command::EraseAccount(_) => {
            let mut account = AccountBody::new(decided.account()?, decided.holder.as_deref());
            account.dry_run = decided.dry_run;
            if decided.dry_run && matches!(record.command, Command::OpenAccount(_)) {
                (account.id, account.account_number) = (None, None);
            }
            Some(ResultBody::Account(Box::new(account)))
        }
        Command::Deposit(deposit) => money(deposit.to),
        Command::Withdraw(withdrawal) => money(withdrawal.from),
        Command::Transfer(transfer) => {
            let ends = (end(transfer.from)?, end(transfer.to)?);
            Some(ResultBody::Transfer(TransferDoneBody::new(
                operation, ends.0, ends.1,
            )))
        }
        Command::Resume(resume) => Some(ResultBody::Resumed(ResumedBody {
            operation_id: operation,
            status: "completed",
            kind: resume.kind.name(),
            id: resume.entity,
            dry_run: decided.dry_run,
        })),
        Command::Hold(_) | Command::Reverse(_) => {
            TransferDoneBody::of(operation, true, record.ends()?).map(ResultBody::Transfer)
        }
        Command::Post(_) | Command::Void(_) => {
            TransferDoneBody::of(operation, false, record.ends()?).map(ResultBody::Transfer)
        }
        Command::OpenWallet(_) | Command::UpdateWallet(_) => {
            let mut wallet = WalletBody::from(record.wallet()?.clone());
            wallet.dry_run = decided.dry_run;
            if decided.dry_run && matches!(record.command, Command::OpenWallet(_)) {
                wallet.id = None;
            }
            Some(ResultBody::Wallet(Box::new(wallet)))
        }
        Command::OpenCard(_) | Command::DeleteCard(_) => {
            let mut card = CardBody::from(*record.card()?);
            card.dry_run = decided.dry_run;
            if decided.dry_run && matches!(record.command, Command::OpenCard(_)) {
                (card.id, card.card_number) = (None, None);
            }
            Some(ResultBody::Card(card))
        }
        Command::Transact(_) => Some(ResultBody::Transaction(TransactionDoneBody::new(
            operation, record,
        ))),
        Command::Batch(_) => BatchDoneBody::new(operation, record).map(ResultBody::Batch),
        // The node's own: nobody waits for their answers.
        Command::Quarantine(_) | Command::Expire(_) => None,
    }
}

/// The answer to a command that is executed afterwards: 202, and how far it is. One that was not
/// even accepted is refused.
pub fn accepted(decided: &Decided, request_id: &RequestId) -> Response {
    let record = &decided.record;
    let status = match &record.outcome {
        Outcome::Refused(_) if !decided.replayed || decided.dry_run => {
            return command(decided, request_id);
        }
        _ if decided.dry_run => return command(decided, request_id),
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

/// A command's answer.
pub fn command(decided: &Decided, request_id: &RequestId) -> Response {
    answered(decided, request_id, |_| {})
}

/// The same, where an account also has its holder under the documents' name.
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
    let opened = match (&decided.record.command, body) {
        (Command::OpenAccount(_), ResultBody::Account(account)) if !decided.dry_run => {
            account.id.map(|id| format!("/accounts/{id}"))
        }
        (Command::OpenWallet(_), ResultBody::Wallet(wallet)) if !decided.dry_run => {
            wallet.id.map(|id| format!("/wallets/{id}"))
        }
        (Command::OpenCard(_), ResultBody::Card(card)) if !decided.dry_run => {
            card.id.map(|id| format!("/cards/{id}"))
        }
        _ => None,
    };
    let status = if opened.is_some() {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let mut response = json(status, body);
    if let Some(path) = opened {
        insert(&mut response, LOCATION, &path);
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
            let problem = Problem::refused(rejection);
            if decided.stored {
                problem.with_operation(operation_id)
            } else {
                problem
            }
        }
        // Not refused: there is nothing to say but that nobody knows.
        Outcome::Done(_) | Outcome::Accepted => {
            Problem::new(ProblemCode::OutcomeUnknown, "the outcome is unknown")
                .with_operation(operation_id)
        }
    }
}
