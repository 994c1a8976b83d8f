//! The changes of a record: the events of each entity.

use florin_actors::messages::{
    AccountEvent, CardEvent, CardNumberEvent, Change, EntityId, Event, ExternalEvent, Kind,
    MerchantEvent, Metadata, MoneyEvent, NumberingEvent, TransferEvent, TransferMade, WalletEvent,
};
use serde::Serialize;

use super::command::{MerchantLine, opened_merchant};
use super::parts::OverdraftLimit;
use super::parts::{CardLine, OpenedLine, WalletLine, card, card_copy, sealed, wallet};
use crate::api::wallets::bodies::LimitsBody;
use crate::http::values::Time;

#[derive(Debug, Serialize)]
pub(super) struct ChangeLine<'a> {
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
    #[serde(rename = "opened")]
    OpenedMerchant(MerchantLine<'a>),
    #[serde(rename = "opened")]
    OpenedCard(CardLine<'a>),
    Adopted(CardLine<'a>),
    Deleted,
    Taken {
        card_id: EntityId,
    },
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
    Reversed {
        reversed_by: EntityId,
    },
}

/// The line of a transfer as it was made.
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
    #[serde(skip_serializing_if = "Option::is_none")]
    reverses: Option<EntityId>,
}

pub(super) fn change(change: &Change) -> ChangeLine<'_> {
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
        Event::Account(AccountEvent::Money(money))
        | Event::Wallet(WalletEvent::Money(money))
        | Event::Merchant(MerchantEvent::Money(money)) => money_event(money),
        Event::Merchant(MerchantEvent::Opened(merchant)) => EventLine::OpenedMerchant(
            opened_merchant(&merchant.name, &merchant.email, &merchant.currency),
        ),
        Event::Merchant(MerchantEvent::PersonalErased(beside)) => EventLine::PersonalErased {
            beside_sequence: *beside,
        },
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
        Event::Transfer(TransferEvent::Reversed(by)) => EventLine::Reversed { reversed_by: *by },
        Event::Account(AccountEvent::PersonalErased(beside)) => EventLine::PersonalErased {
            beside_sequence: *beside,
        },
        Event::External(ExternalEvent::Opened(currency)) => EventLine::OpenedExternal {
            currency: currency.code(),
        },
        Event::Numbering(NumberingEvent::Issued(count)) => EventLine::Issued { count: *count },
        Event::Card(CardEvent::Opened(opened)) => EventLine::OpenedCard(card(opened)),
        Event::Card(CardEvent::Adopted(copy)) => EventLine::Adopted(card_copy(copy)),
        Event::Card(CardEvent::Deleted) => EventLine::Deleted,
        Event::CardNumber(CardNumberEvent::Taken(card)) => EventLine::Taken { card_id: *card },
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
        reverses: made.reverses,
    }
}
