//! The public events. Events are a pure function of a record ([`events_of`]). They are created when
//! they are published and stored nowhere else.
//!
//! A family of events is a file here: its values, and how a record causes them. `done`, `requested`
//! and `refused` below register which command causes which events; a command that was forgotten does
//! not compile.

mod accounts;
mod cards;
mod collector;
mod event;
mod event_type;
mod id;
mod merchants;
mod movements;
mod schemas;
mod transactions;
mod transfers;
mod upcast;
mod values;
mod wallets;

use collector::Collector;

use crate::commands::Command;
use crate::entities::Event;
use crate::record::{Outcome, Record};
use crate::words::Rejection;

pub use event::BusEvent;
pub use event_type::{EventType, NoSuchType, Service};
pub use id::EventId;
#[cfg(test)]
pub(crate) use schemas::check;
pub use schemas::{schema, schemas};
pub use upcast::{Unreadable, read};
pub use values::Value;

/// Returns the events of a record, in order.
///
/// | record | events |
/// |---|---|
/// | an account is opened, or gets another status | `account.created`, `account.status_changed` |
/// | a wallet is opened | `WALLET_CREATED`, `WalletCreatedEvent` |
/// | a merchant is opened | `MERCHANT_CREATED` |
/// | a card is created or deleted | `card.created`, `card.deleted` |
/// | a deposit | `TRANSACTION_INITIATED`, `TRANSACTION_COMPLETED`, `DepositCompleted`; to a wallet also `FundsAddedEvent` |
/// | a withdrawal | `TRANSACTION_INITIATED`, `TRANSACTION_COMPLETED`, `WithdrawalCompleted` |
/// | a transfer, a reversal, or a transfer in a batch | `TRANSACTION_INITIATED`, `TRANSACTION_COMPLETED`, `TransferCompleted` |
/// | a transaction with several legs | `TRANSACTION_INITIATED`, `TRANSACTION_COMPLETED` |
/// | a hold; its post; its void or expiry | `TRANSACTION_INITIATED`; `…_COMPLETED`; `…_FAILED` |
/// | a refused movement that has an idempotency key or is asynchronous | `TRANSACTION_FAILED`, and the `…Failed` of its kind |
/// | an accepted asynchronous deposit, withdrawal or transfer | its `…Requested` |
pub fn events_of(record: &Record) -> Vec<BusEvent> {
    let mut events = Collector::new(record);
    match &record.outcome {
        Outcome::Accepted => requested(record, &mut events),
        Outcome::Done(_) => done(record, &mut events),
        Outcome::Refused(rejection) => {
            let is_asynchronous = record.execution.is_some() || record.input.is_some();
            if record.key.is_some() || is_asynchronous {
                refused(record, rejection, &mut events);
            }
        }
    }
    events.events
}

/// Adds the events of a command that was done.
fn done<'a>(record: &'a Record, events: &mut Collector<'a>) {
    match &record.command {
        Command::OpenAccount(_)
        | Command::UpdateAccount(_)
        | Command::DeleteAccount(_)
        | Command::OpenWallet(_)
        | Command::OpenMerchant(_) => changed(record, events),
        Command::OpenCard(_) | Command::DeleteCard(_) => events.card(),
        Command::Deposit(deposit) => events.deposit(deposit),
        Command::Withdraw(withdraw) => events.withdrawal(withdraw),
        Command::Transfer(transfer) => events.transfer_completed(transfer, 0),
        Command::Reverse(reverse) => events.reversal(reverse),
        Command::Hold(hold) => events.hold(hold),
        Command::Post(post) => events.post(post),
        Command::Void(void) => {
            events.transfer_ended(void.transfer, "voided", "the transfer was voided");
        }
        Command::Expire(expire) => {
            let error = "the transfer's time is over";
            events.transfer_ended(expire.transfer, "transfer_expired", error);
        }
        Command::Transact(transact) => events.transact(transact),
        Command::Batch(_) => events.batch(),
        Command::EraseAccount(_)
        | Command::EraseMerchant(_)
        | Command::Quarantine(_)
        | Command::Resume(_)
        | Command::UpdateWallet(_) => {}
    }
}

/// Adds the events of entities that were opened or have another status.
fn changed(record: &Record, events: &mut Collector<'_>) {
    for change in &record.changes {
        for event in &change.events {
            match event {
                Event::Account(event) => events.account(change, event),
                Event::Wallet(event) => events.wallet(change, event),
                Event::Merchant(event) => events.merchant(change, event),
                Event::External(_)
                | Event::Numbering(_)
                | Event::Transfer(_)
                | Event::Card(_)
                | Event::CardNumber(_) => {}
            }
        }
    }
}

/// Adds the event of an accepted command.
fn requested<'a>(record: &'a Record, events: &mut Collector<'a>) {
    match &record.command {
        Command::Deposit(deposit) => events.deposit_requested(deposit),
        Command::Withdraw(withdraw) => events.withdrawal_requested(withdraw),
        Command::Transfer(transfer) => events.transfer_requested(transfer),
        Command::OpenAccount(_)
        | Command::UpdateAccount(_)
        | Command::DeleteAccount(_)
        | Command::EraseAccount(_)
        | Command::Quarantine(_)
        | Command::Resume(_)
        | Command::Hold(_)
        | Command::Post(_)
        | Command::Void(_)
        | Command::Expire(_)
        | Command::Reverse(_)
        | Command::OpenWallet(_)
        | Command::UpdateWallet(_)
        | Command::Transact(_)
        | Command::Batch(_)
        | Command::OpenCard(_)
        | Command::DeleteCard(_)
        | Command::OpenMerchant(_)
        | Command::EraseMerchant(_) => {}
    }
}

/// Adds the events of a refused command.
fn refused<'a>(record: &'a Record, rejection: &Rejection, events: &mut Collector<'a>) {
    match &record.command {
        Command::Deposit(deposit) => events.deposit_refused(deposit, rejection),
        Command::Withdraw(withdraw) => events.withdrawal_refused(withdraw, rejection),
        Command::Transfer(transfer) => {
            let facts = events.facts_as_requested(transfer, 0);
            events.transfer_refused(&facts, rejection);
        }
        Command::Hold(hold) => {
            let facts = events.facts_as_requested(&hold.transfer, 0);
            events.transfer_refused(&facts, rejection);
        }
        Command::Post(post) => events.other_refused("TRANSFER", post.transfer, rejection),
        Command::Void(void) => events.other_refused("TRANSFER", void.transfer, rejection),
        Command::Reverse(reverse) => {
            events.other_refused("REVERSAL", reverse.transfer, rejection);
        }
        Command::Transact(transact) => {
            if let Some(first) = transact.legs.first() {
                let facts = events.facts_of_command("TRANSACTION", 0);
                events.failed(&facts, first.from, rejection);
            }
        }
        Command::Batch(batch) => {
            if let Some(first) = batch.items.first() {
                let facts = events.facts_of_command("BATCH", 0);
                events.failed(&facts, first.transfer.from, rejection);
            }
        }
        Command::OpenAccount(_)
        | Command::UpdateAccount(_)
        | Command::DeleteAccount(_)
        | Command::EraseAccount(_)
        | Command::Quarantine(_)
        | Command::Resume(_)
        | Command::Expire(_)
        | Command::OpenWallet(_)
        | Command::UpdateWallet(_)
        | Command::OpenCard(_)
        | Command::DeleteCard(_)
        | Command::OpenMerchant(_)
        | Command::EraseMerchant(_) => {}
    }
}
