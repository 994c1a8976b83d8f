//! What goes over the wire: one struct a body. The OpenAPI document is generated from these.

mod account;
mod admin;
mod backup;
mod balance;
mod batch;
mod card;
mod dead_letter;
mod event;
mod health;
mod ledger;
mod movement;
mod operation;
mod page;
mod record;
mod replay;
mod requests;
mod schemas;
mod transfer;
mod values;
mod wallet;

pub use account::AccountBody;
pub use admin::{ActorBody, ClockBody, ResumedBody};
pub use backup::{BackupBody, BackupRequest};
pub use balance::BalanceBody;
pub use batch::{BatchDoneBody, TransactionDoneBody};
pub use card::{CardBody, OpenCardRequest};
pub use dead_letter::{DeadLetterBody, RedrivenBody, WholeDeadLetterBody};
pub use event::EventBody;
pub use health::{HealthBody, LiveBody, ReadyBody};
pub use ledger::{TransactionBody, TrialBalanceBody};
pub use movement::{MoneyBody, MovementBody};
pub use operation::{AcceptedBody, OperationBody, OperationStatus, ResultBody};
pub use page::PageBody;
pub use record::RecordLine;
pub use replay::{ReplayBody, ReplayRequest};
pub use requests::{
    AliasOpenAccountRequest, AliasTransferRequest, BatchRequest, KeyOnlyRequest, MoneyRequest,
    OpenAccountRequest, OpenWalletRequest, PostRequest, TransactionRequest, TransferRequest,
    UpdateAccountRequest, UpdateWalletRequest,
};
pub use schemas::{SchemaBody, SchemasBody};
pub use transfer::{EndBody, TransferBody, TransferDoneBody};
pub use values::{CurrencyCode, Id, Key};
pub use wallet::WalletBody;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use florin_actors::messages::{
        AccountStatus, AccountView, Balances, Currency, EntityId, Metadata, Movement, OperationId,
        Overdraft, Timestamp,
    };
    use serde::Serialize;
    use utoipa::PartialSchema;

    use super::*;

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

    /// What is written has every field that its schema requires, and none that it does not name.
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
        for operation_id in [Some(operation()), None] {
            assert_described(&MoneyBody::new(operation_id, account(), &BALANCES));
            let end = || EndBody::new(account(), &BALANCES);
            assert_described(&TransferDoneBody::new(operation_id, end(), end()));
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
        assert_eq!(body.account_number.as_deref(), Some("ACC-00000275"));
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
}
