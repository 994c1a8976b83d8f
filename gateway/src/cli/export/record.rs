//! A record of the journal as a line of `florin export`. The names and values of the fields are
//! documented in `docs/reference/export.md` and must not change.

use std::collections::BTreeMap;

use florin_actors::export::Exported;
use florin_actors::messages::{
    EntityId, ItemResult, LimitName, OperationId, Outcome, Posting, Record, Rejection, RequestId,
    TraceParent,
};
use serde::Serialize;

use super::change::{ChangeLine, change};
use super::command::{CommandLine, command};
use super::parts::{OverdraftLimit, Shown};
use crate::api::ledger::bodies::BalanceAfter;
use crate::http::values::Time;

/// A line of the export: one record.
#[derive(Debug, Serialize)]
pub struct RecordLine<'a> {
    sequence: u64,
    time: Time,
    epoch: u32,
    operation_id: OperationId,
    caller: &'a str,
    idempotency_key: Option<&'a str>,
    request_id: Shown<'a, RequestId>,
    correlation_id: Option<Shown<'a, RequestId>>,
    causation_id: Option<OperationId>,
    traceparent: Option<Shown<'a, TraceParent>>,
    command: CommandLine<'a>,
    execution: Option<ExecutionLine>,
    outcome: OutcomeLine<'a>,
    changes: Vec<ChangeLine<'a>>,
    postings: Vec<PostingLine<'a>>,
    input: Option<InputLine<'a>>,
    hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    personal: Option<Option<PersonalLine>>,
}

/// An item of a batch that was refused, or whose result was a replay. Items that were simply done
/// are not listed.
#[derive(Debug, Serialize)]
struct ItemOutcomeLine<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity_id: Option<EntityId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replayed_transfer_id: Option<EntityId>,
}

#[derive(Debug, Serialize)]
struct ExecutionLine {
    accepted: u64,
    accepted_at: Time,
}

#[derive(Debug, Serialize)]
struct OutcomeLine<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity_id: Option<EntityId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    items: Vec<ItemOutcomeLine<'a>>,
}

#[derive(Debug, Serialize)]
struct PostingLine<'a> {
    entity_id: EntityId,
    kind: &'static str,
    item: u32,
    amount: i64,
    currency: &'a str,
    balance_after: BalanceAfter,
    held: i64,
    overdraft_limit: OverdraftLimit,
}

#[derive(Debug, Serialize)]
struct InputLine<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
}

/// The personal values by their names. A value is null if it was not kept.
type PersonalLine = BTreeMap<&'static str, Option<String>>;

impl<'a> RecordLine<'a> {
    /// Creates the line of a record. With `personal`, the line also has the personal data stored
    /// beside the record.
    pub fn new(exported: &Exported<'a>, personal: bool) -> Self {
        let record = exported.record;
        Self {
            sequence: record.sequence,
            time: Time(record.time),
            epoch: record.epoch,
            operation_id: record.operation_id,
            caller: record.caller.name(),
            idempotency_key: record.key.as_deref(),
            request_id: Shown(&record.request_id),
            correlation_id: record.correlation_id.as_ref().map(Shown),
            causation_id: record.causation_id,
            traceparent: record.trace.as_ref().map(Shown),
            command: command(&record.command),
            execution: record.execution.map(|execution| ExecutionLine {
                accepted: execution.accepted,
                accepted_at: Time(execution.accepted_at),
            }),
            outcome: outcome(record),
            changes: record.changes.iter().map(change).collect(),
            postings: record
                .postings
                .iter()
                .filter_map(|one| posting(record, one))
                .collect(),
            input: record.input.as_ref().map(|input| InputLine {
                topic: &input.topic,
                partition: input.partition,
                offset: input.offset,
            }),
            hash: const_hex::encode(exported.link),
            personal: personal.then(|| {
                let names = record.command.rules().personal_names().iter().enumerate();
                exported.personal.as_ref().map(|row| {
                    names
                        .map(|(place, name)| {
                            (*name, row.value(place).map(|value| value.to_string()))
                        })
                        .collect()
                })
            }),
        }
    }
}

fn outcome(record: &Record) -> OutcomeLine<'_> {
    let (status, rejection) = match &record.outcome {
        Outcome::Done(_) => ("completed", None),
        Outcome::Accepted => ("accepted", None),
        Outcome::Refused(rejection) => ("refused", Some(rejection)),
    };
    OutcomeLine {
        status,
        code: rejection.map(|rejection| rejection.code.name()),
        detail: rejection.map(|rejection| rejection.detail.as_ref()),
        entity_id: rejection.and_then(Rejection::entity),
        limit: rejection.and_then(Rejection::limit).map(LimitName::name),
        failed_index: rejection.and_then(|no| no.item).map(|item| item.index),
        item_code: rejection
            .and_then(|no| no.item)
            .map(|item| item.code.name()),
        items: record.other_items().iter().map(item_outcome).collect(),
    }
}

fn item_outcome((index, result): &(u32, ItemResult)) -> ItemOutcomeLine<'_> {
    let (rejection, replayed) = match result {
        ItemResult::Refused(rejection) | ItemResult::RefusedBefore(rejection) => {
            (Some(rejection), None)
        }
        ItemResult::Replayed(transfer, _) => (None, Some(*transfer)),
    };
    ItemOutcomeLine {
        index: *index,
        code: rejection.map(|rejection| rejection.code.name()),
        detail: rejection.map(|rejection| rejection.detail.as_ref()),
        entity_id: rejection.and_then(Rejection::entity),
        limit: rejection.and_then(Rejection::limit).map(LimitName::name),
        replayed_transfer_id: replayed,
    }
}

fn posting<'a>(record: &'a Record, posting: &'a Posting) -> Option<PostingLine<'a>> {
    let change = record.changes.get(posting.change as usize)?;
    let kind = change.kind()?;
    Some(PostingLine {
        entity_id: change.entity,
        kind: kind.name(),
        item: posting.item,
        amount: posting.amount,
        currency: posting.currency.code(),
        balance_after: BalanceAfter::of(kind, posting.balance),
        held: posting.held,
        overdraft_limit: posting.overdraft.into(),
    })
}
