//! What lists are filtered by, in words that the table of routes shares.

use florin_actors::runtime::ACTOR_STATES;

use super::Filter;

pub(super) const STATUS: Filter = one_of("status", &["ACTIVE", "FROZEN", "DELETED"]);
pub(super) const REFERENCE: Filter = text("reference");
pub(super) const KIND: Filter = one_of(
    "kind",
    &[
        "account",
        "external",
        "numbering",
        "wallet",
        "transfer",
        "card",
        "card_number",
    ],
);
pub(super) const STATE: Filter = one_of("state", &ACTOR_STATES);
pub(super) const TOPIC: Filter = text("topic");
pub(super) const PENDING_ONLY: Filter = required(one_of("status", &["pending"]));
pub(super) const ENTITY: Filter = of_format("entity", "uuid");
pub(super) const TRANSFER_STATUS: Filter = one_of(
    "status",
    &["pending", "posted", "voided", "expired", "reversed"],
);
pub(super) const CUSTOMER: Filter = required(of_format("customer_id", "uuid"));
pub(super) const ACCOUNT: Filter = required(of_format("account_id", "uuid"));
pub(super) const FROM: Filter = of_format("from", "date-time");
pub(super) const TO: Filter = of_format("to", "date-time");
pub(super) const EVENTS: &[Filter] = &[
    of_format("from", RECORD_OR_TIME),
    text("type"),
    of_format("key", "uuid"),
    text("correlation_id"),
    one_of("unpublished", &["true", "false"]),
];

/// The form of what is a record's number, or a time.
pub const RECORD_OR_TIME: &str = "record-or-time";

const fn text(name: &'static str) -> Filter {
    of_format(name, "")
}

const fn of_format(name: &'static str, format: &'static str) -> Filter {
    Filter {
        name,
        values: &[],
        format,
        required: false,
    }
}

const fn one_of(name: &'static str, values: &'static [&'static str]) -> Filter {
    Filter {
        values,
        ..text(name)
    }
}

const fn required(filter: Filter) -> Filter {
    Filter {
        required: true,
        ..filter
    }
}
