//! A record of the journal as a line of `florin export`. The names of fields and their words are
//! documented in `docs/reference/export.md` and stay.

use std::fmt::Write as _;

use florin_actors::export::Exported;
use florin_actors::messages::{
    AccountEvent, Amount, Change, Command, Currency, EntityId, Event, Expire, ExternalEvent,
    ItemResult, Kind, Metadata, MoneyEvent, NumberingEvent, OperationId, Outcome, Overdraft,
    Personal, Posting, Record, RequestId, Reverse, TraceParent, Transfer, TransferEvent,
    TransferMade, Void, WalletEvent, WalletLimits,
};
use serde::{Serialize, Serializer};

use super::ledger::BalanceAfter;
use super::values::{OverdraftLimit, Time};
use super::wallet::LimitsBody;

/// One line.
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
    traceparent: Option<String>,
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

/// A value as it is displayed.
#[derive(Debug)]
struct Shown<'a, T>(&'a T);

impl<T: std::fmt::Display> Serialize for Shown<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

#[derive(Debug, Serialize)]
struct CommandLine<'a> {
    kind: &'static str,
    #[serde(flatten)]
    fields: CommandFields<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum CommandFields<'a> {
    Open(OpenedLine<'a>),
    Update {
        account_id: EntityId,
        status: Option<&'static str>,
        overdraft_limit: Option<OverdraftLimit>,
    },
    Account {
        account_id: EntityId,
    },
    Actor {
        entity_id: EntityId,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        entity_kind: Option<&'static str>,
    },
    Move {
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<EntityId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<EntityId>,
        amount: u64,
        currency: Option<&'a str>,
        reference: Option<&'a str>,
        metadata: &'a Metadata,
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_in_seconds: Option<Option<u32>>,
    },
    Post {
        transfer_id: EntityId,
        amount: Option<u64>,
        #[serde(rename = "final")]
        is_final: bool,
    },
    Transfer {
        transfer_id: EntityId,
    },
    Legs {
        legs: Vec<LegLine>,
        reference: Option<&'a str>,
        metadata: &'a Metadata,
    },
    Batch {
        atomic: bool,
        transfers: Vec<ItemLine<'a>>,
    },
    OpenWallet(WalletLine<'a>),
    UpdateWallet {
        wallet_id: EntityId,
        status: Option<&'static str>,
        overdraft_limit: Option<OverdraftLimit>,
        limits: LimitsChangeLine,
    },
}

#[derive(Debug, Serialize)]
struct LegLine {
    from: EntityId,
    to: EntityId,
    amount: u64,
}

/// An item of a batch.
#[derive(Debug, Serialize)]
struct ItemLine<'a> {
    #[serde(flatten)]
    transfer: CommandFields<'a>,
    idempotency_key: Option<&'a str>,
}

/// An item of a batch that was not simply done.
#[derive(Debug, Serialize)]
struct ItemOutcomeLine<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replayed_transfer_id: Option<EntityId>,
}

/// What becomes of each limit: left away, it stays; null, it is lifted.
#[derive(Debug, Serialize)]
struct LimitsChangeLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    per_transaction: Option<Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    per_day: Option<Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_balance: Option<Option<u64>>,
}

/// An account as it is opened; `number` is there once it was given out.
#[derive(Debug, Serialize)]
struct OpenedLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    holder_hash: Option<String>,
    country_code: &'a str,
    currency: &'a str,
    overdraft_limit: OverdraftLimit,
    reference: Option<&'a str>,
    metadata: &'a Metadata,
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
    failed_index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    items: Vec<ItemOutcomeLine<'a>>,
}

#[derive(Debug, Serialize)]
struct ChangeLine<'a> {
    entity_id: EntityId,
    kind: &'static str,
    version: u64,
    raised: u32,
    previous: u64,
    events: Vec<EventLine<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum EventLine<'a> {
    Opened(Box<OpenedLine<'a>>),
    #[serde(rename = "opened")]
    OpenedExternal {
        currency: &'a str,
    },
    StatusChanged {
        status: &'static str,
    },
    OverdraftChanged {
        overdraft_limit: OverdraftLimit,
    },
    Debited {
        amount: u64,
    },
    Credited {
        amount: u64,
    },
    Issued {
        count: u64,
    },
    PersonalErased {
        beside_sequence: u64,
    },
    #[serde(rename = "opened")]
    OpenedWallet(WalletLine<'a>),
    LimitsChanged {
        limits: LimitsBody,
    },
    Held {
        amount: u64,
    },
    HoldPosted {
        amount: u64,
        freed: u64,
        held_at: Time,
    },
    HoldReleased {
        amount: u64,
        held_at: Time,
    },
    Pending(MadeLine<'a>),
    Immediate(MadeLine<'a>),
    Posted {
        amount: u64,
        freed: u64,
    },
    Voided,
    Expired,
    Reversed,
}

/// A transfer as it was made.
#[derive(Debug, Serialize)]
struct MadeLine<'a> {
    from: EntityId,
    to: EntityId,
    amount: u64,
    currency: &'a str,
    expires_at: Option<Time>,
    reference: Option<&'a str>,
    metadata: &'a Metadata,
    made_at: Time,
}

/// A wallet as it is opened.
#[derive(Debug, Serialize)]
struct WalletLine<'a> {
    customer_id: EntityId,
    name: Option<&'a str>,
    currency: &'a str,
    overdraft_limit: OverdraftLimit,
    limits: LimitsBody,
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

#[derive(Debug, Serialize)]
struct PersonalLine {
    holder_name: Option<String>,
}

impl<'a> RecordLine<'a> {
    /// The line of a record; with `personal`, also the personal values beside it.
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
            traceparent: record.trace.as_ref().map(traceparent),
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
            hash: hex(&exported.link),
            personal: personal.then(|| {
                exported.personal.as_ref().map(|row| PersonalLine {
                    holder_name: row.value(0).map(|name| name.to_string()),
                })
            }),
        }
    }
}

fn command(command: &Command) -> CommandLine<'_> {
    let kind = command.kind().name();
    let fields = match command {
        Command::OpenAccount(open) => CommandFields::Open(OpenedLine {
            number: None,
            holder_hash: sealed(&open.holder),
            country_code: open.country.code(),
            currency: open.currency.code(),
            overdraft_limit: open.overdraft.into(),
            reference: open.reference.as_deref(),
            metadata: &open.metadata,
        }),
        Command::UpdateAccount(update) => CommandFields::Update {
            account_id: update.account,
            status: update.status.map(|status| status.name()),
            overdraft_limit: update.overdraft.map(OverdraftLimit::from),
        },
        Command::DeleteAccount(delete) => CommandFields::Account {
            account_id: delete.account,
        },
        Command::EraseAccount(erase) => CommandFields::Account {
            account_id: erase.account,
        },
        Command::Quarantine(quarantine) => CommandFields::Actor {
            entity_id: quarantine.entity,
            reason: Some(&quarantine.reason),
            entity_kind: None,
        },
        Command::Resume(resume) => CommandFields::Actor {
            entity_id: resume.entity,
            reason: None,
            entity_kind: Some(resume.kind.name()),
        },
        Command::Deposit(deposit) => CommandFields::Move {
            from: None,
            to: Some(deposit.to),
            amount: deposit.amount.get(),
            currency: deposit.currency.as_ref().map(Currency::code),
            reference: deposit.reference.as_deref(),
            metadata: &deposit.metadata,
            expires_in_seconds: None,
        },
        Command::Withdraw(withdraw) => CommandFields::Move {
            from: Some(withdraw.from),
            to: None,
            amount: withdraw.amount.get(),
            currency: withdraw.currency.as_ref().map(Currency::code),
            reference: withdraw.reference.as_deref(),
            metadata: &withdraw.metadata,
            expires_in_seconds: None,
        },
        Command::Transfer(transfer) => of_transfer(transfer, None),
        Command::Hold(hold) => of_transfer(&hold.transfer, Some(hold.expires_in_seconds)),
        Command::Post(post) => CommandFields::Post {
            transfer_id: post.transfer,
            amount: post.amount.map(|amount| amount.get()),
            is_final: post.is_final,
        },
        Command::Void(Void { transfer })
        | Command::Expire(Expire { transfer })
        | Command::Reverse(Reverse { transfer }) => CommandFields::Transfer {
            transfer_id: *transfer,
        },
        Command::Transact(transact) => CommandFields::Legs {
            legs: transact
                .legs
                .iter()
                .map(|leg| LegLine {
                    from: leg.from,
                    to: leg.to,
                    amount: leg.amount.get(),
                })
                .collect(),
            reference: transact.reference.as_deref(),
            metadata: &transact.metadata,
        },
        Command::Batch(batch) => CommandFields::Batch {
            atomic: batch.atomic,
            transfers: batch
                .items
                .iter()
                .map(|item| ItemLine {
                    transfer: of_transfer(&item.transfer, item.pending),
                    idempotency_key: item.key.as_deref(),
                })
                .collect(),
        },
        Command::OpenWallet(open) => CommandFields::OpenWallet(wallet(
            open.customer,
            open.name.as_deref(),
            &open.currency,
            open.overdraft,
            open.limits,
        )),
        Command::UpdateWallet(update) => {
            let plain = |limit: Option<Option<Amount>>| limit.map(|most| most.map(Amount::get));
            CommandFields::UpdateWallet {
                wallet_id: update.wallet,
                status: update.status.map(|status| status.name()),
                overdraft_limit: update.overdraft.map(OverdraftLimit::from),
                limits: LimitsChangeLine {
                    per_transaction: plain(update.limits.per_transaction),
                    per_day: plain(update.limits.per_day),
                    max_balance: plain(update.limits.max_balance),
                },
            }
        }
    };
    CommandLine { kind, fields }
}

fn of_transfer(transfer: &Transfer, expires_in_seconds: Option<Option<u32>>) -> CommandFields<'_> {
    CommandFields::Move {
        from: Some(transfer.from),
        to: Some(transfer.to),
        amount: transfer.amount.get(),
        currency: transfer.currency.as_ref().map(Currency::code),
        reference: transfer.reference.as_deref(),
        metadata: &transfer.metadata,
        expires_in_seconds,
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
        replayed_transfer_id: replayed,
    }
}

fn change(change: &Change) -> ChangeLine<'_> {
    ChangeLine {
        entity_id: change.entity,
        kind: change.kind().map_or("unknown", Kind::name),
        version: change.version,
        raised: change.raised,
        previous: change.previous,
        events: change.events.iter().map(event).collect(),
    }
}

fn event(event: &Event) -> EventLine<'_> {
    match event {
        Event::Account(AccountEvent::Opened(opened)) => EventLine::Opened(Box::new(OpenedLine {
            number: Some(opened.number),
            holder_hash: sealed(&opened.holder),
            country_code: opened.country.code(),
            currency: opened.currency.code(),
            overdraft_limit: opened.overdraft.into(),
            reference: opened.reference.as_deref(),
            metadata: &opened.metadata,
        })),
        Event::Account(AccountEvent::StatusChanged(status)) => EventLine::StatusChanged {
            status: status.name(),
        },
        Event::Account(AccountEvent::OverdraftChanged(overdraft)) => EventLine::OverdraftChanged {
            overdraft_limit: (*overdraft).into(),
        },
        Event::External(ExternalEvent::Debited(amount)) => EventLine::Debited {
            amount: amount.get(),
        },
        Event::External(ExternalEvent::Credited(amount)) => EventLine::Credited {
            amount: amount.get(),
        },
        Event::Account(AccountEvent::Money(money)) | Event::Wallet(WalletEvent::Money(money)) => {
            money_event(money)
        }
        Event::Wallet(WalletEvent::Opened(opened)) => EventLine::OpenedWallet(wallet(
            opened.customer,
            opened.name.as_deref(),
            &opened.currency,
            opened.overdraft,
            opened.limits,
        )),
        Event::Wallet(WalletEvent::StatusChanged(status)) => EventLine::StatusChanged {
            status: status.name(),
        },
        Event::Wallet(WalletEvent::OverdraftChanged(overdraft)) => EventLine::OverdraftChanged {
            overdraft_limit: (*overdraft).into(),
        },
        Event::Wallet(WalletEvent::LimitsChanged(limits)) => EventLine::LimitsChanged {
            limits: (*limits).into(),
        },
        Event::Transfer(TransferEvent::Pending(made)) => EventLine::Pending(made_line(made)),
        Event::Transfer(TransferEvent::Immediate(made)) => EventLine::Immediate(made_line(made)),
        Event::Transfer(TransferEvent::Posted { amount, freed }) => EventLine::Posted {
            amount: amount.get(),
            freed: freed.get(),
        },
        Event::Transfer(TransferEvent::Voided) => EventLine::Voided,
        Event::Transfer(TransferEvent::Expired) => EventLine::Expired,
        Event::Transfer(TransferEvent::Reversed) => EventLine::Reversed,
        Event::Account(AccountEvent::PersonalErased(beside)) => EventLine::PersonalErased {
            beside_sequence: *beside,
        },
        Event::External(ExternalEvent::Opened(currency)) => EventLine::OpenedExternal {
            currency: currency.code(),
        },
        Event::Numbering(NumberingEvent::Issued(count)) => EventLine::Issued { count: *count },
    }
}

fn money_event(event: &MoneyEvent) -> EventLine<'static> {
    match event {
        MoneyEvent::Debited(amount) => EventLine::Debited {
            amount: amount.get(),
        },
        MoneyEvent::Credited(amount) => EventLine::Credited {
            amount: amount.get(),
        },
        MoneyEvent::Held(amount) => EventLine::Held {
            amount: amount.get(),
        },
        MoneyEvent::HoldPosted {
            amount,
            freed,
            held_at,
        } => EventLine::HoldPosted {
            amount: amount.get(),
            freed: freed.get(),
            held_at: Time(*held_at),
        },
        MoneyEvent::HoldReleased { amount, held_at } => EventLine::HoldReleased {
            amount: amount.get(),
            held_at: Time(*held_at),
        },
    }
}

fn wallet<'a>(
    customer: EntityId,
    name: Option<&'a str>,
    currency: &'a Currency,
    overdraft: Overdraft,
    limits: WalletLimits,
) -> WalletLine<'a> {
    WalletLine {
        customer_id: customer,
        name,
        currency: currency.code(),
        overdraft_limit: overdraft.into(),
        limits: limits.into(),
    }
}

fn made_line(made: &TransferMade) -> MadeLine<'_> {
    MadeLine {
        from: made.from,
        to: made.to,
        amount: made.amount.get(),
        currency: made.currency.code(),
        expires_at: made.expires_at.map(Time),
        reference: made.reference.as_deref(),
        metadata: &made.metadata,
        made_at: Time(made.made_at),
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

/// The salted hash that stands for a personal value.
fn sealed(personal: &Personal) -> Option<String> {
    match personal {
        Personal::Sealed(hash) => Some(hex(hash)),
        Personal::Plain(_) => None,
    }
}

/// A trace as W3C Trace Context writes it.
fn traceparent(trace: &TraceParent) -> String {
    format!(
        "00-{}-{}-{:02x}",
        hex(&trace.trace_id),
        hex(&trace.parent_id),
        trace.flags
    )
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
