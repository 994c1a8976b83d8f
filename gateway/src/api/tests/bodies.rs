//! Tests that bodies have the fields that their schemas describe.

use std::collections::BTreeSet;

use florin_actors::messages::{
    AccountStatus, AccountView, Balances, Currency, EntityId, Metadata, Movement, OperationId,
    Overdraft, Timestamp,
};
use serde::Serialize;
use utoipa::PartialSchema;

use crate::api::accounts::bodies::AccountBody;
use crate::api::history::bodies::MovementBody;
use crate::api::money::bodies::MoneyBody;
use crate::api::transfers::bodies::{EndBody, TransferDoneBody};
use crate::http::PageBody;

const BALANCES: Balances = Balances {
    balance: 5,
    held: 1,
    overdraft: Overdraft::Limit(0),
    version: 2,
};

fn account() -> EntityId {
    EntityId::from_parts(1, 2, 3)
}

fn operation() -> OperationId {
    OperationId::from_parts(1, 2, 3)
}

/// Asserts that a serialized value has every field that its schema requires, and no field that
/// the schema does not name.
fn assert_described<T: Serialize + PartialSchema>(value: &T) {
    let schema = serde_json::to_value(T::schema()).unwrap();
    let written = serde_json::to_value(value).unwrap();
    let written: BTreeSet<&str> = written
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let named = schema["properties"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let required = schema["required"].as_array().unwrap().iter();
    let required: BTreeSet<&str> = required.map(|name| name.as_str().unwrap()).collect();
    assert!(written.is_subset(&named), "{written:?} of {named:?}");
    assert!(required.is_subset(&written), "{required:?} of {written:?}");
}

#[test]
fn bodies_have_the_fields_that_are_described() {
    for dry_run in [false, true] {
        assert_described(&MoneyBody::new(operation(), dry_run, account(), &BALANCES));
        let end = || EndBody::new(account(), &BALANCES);
        assert_described(&TransferDoneBody::new(operation(), dry_run, end(), end()));
    }
    let view = AccountView {
        id: account(),
        number: 275,
        opened: 1,
        country: "GB".parse().unwrap(),
        currency: Currency::iso("USD").unwrap(),
        status: AccountStatus::Active,
        balances: BALANCES,
        reference: None,
        metadata: Metadata::default(),
        created_at: Timestamp::default(),
    };
    let body = AccountBody::new(view, None);
    assert_eq!(body.account_number, "ACC-00000275");
    assert_described(&body);
    assert_described(&PageBody::new(vec![body], None));
    assert_described(&MovementBody::from(Movement {
        transaction_id: operation(),
        transaction_type: "deposit",
        amount: 5,
        balance_after: 5,
        version: 2,
        counterparty: None,
        reference: None,
        metadata: Metadata::default(),
        timestamp: Timestamp::default(),
    }));
}
