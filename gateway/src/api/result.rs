//! The results of commands. This is the one place that says what the answer to each command shows:
//! the command's own answer and its operation are made from it.

use std::borrow::Cow;

use florin_actors::messages::{Command, EntityId, Outcome, Shown};
use florin_actors::runtime::Decided;
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Discriminator, ObjectBuilder, OneOfBuilder, Ref, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::accounts::bodies::AccountBody;
use super::admin::bodies::ResumedBody;
use super::batches::bodies::{BatchDoneBody, ItemBody, ItemCompletedBody, TransactionDoneBody};
use super::cards::bodies::CardBody;
use super::merchants::bodies::MerchantBody;
use super::money::bodies::MoneyBody;
use super::transfers::bodies::{EndBody, TransferDoneBody};
use super::wallets::bodies::WalletBody;
use crate::http::values::Completed;

macro_rules! results {
    ($($(#[$doc:meta])* $variant:ident($body:ty), $described:ty, $tag:literal, $schema:literal;)+) => {
        /// The result of a command. The command's own answer contains it as such. In an operation
        /// it also has the field `type`, which says which form the result has.
        #[derive(Debug, Serialize)]
        #[serde(untagged)]
        pub enum ResultBody {
            $( $(#[$doc])* $variant($body), )+
        }

        impl ResultBody {
            /// Returns the name of the form: the field `type` of an operation's result.
            const fn tag(&self) -> &'static str {
                match self {
                    $( Self::$variant(_) => $tag, )+
                }
            }
        }

        impl PartialSchema for OperationResult {
            fn schema() -> RefOr<Schema> {
                let mapping = [$( ($tag, $schema) ),+];
                let mapping = mapping.map(|(tag, name)| (tag, format!("#/components/schemas/{name}")));
                let forms = OneOfBuilder::new()
                    .description(Some("The result of a command: `type` says which form it has."))
                    $( .item(Ref::from_schema_name($schema)) )+;
                forms.discriminator(Some(Discriminator::with_mapping("type", mapping))).into()
            }
        }

        impl ToSchema for OperationResult {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed("OperationResult")
            }

            fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                $(
                    <$described as ToSchema>::schemas(schemas);
                    schemas.push(($schema.to_owned(), tagged(<$described as PartialSchema>::schema(), $tag)));
                )+
            }
        }
    };
}

results! {
    /// An account that was opened, changed, deleted, or had its personal data erased.
    Account(Box<AccountBody>), AccountBody, "account", "AccountResult";
    /// A deposit or withdrawal.
    Money(MoneyBody), MoneyBody, "money", "MoneyResult";
    /// A transfer.
    Transfer(TransferDoneBody), TransferDoneBody, "transfer", "TransferResult";
    /// A transaction of many legs.
    Transaction(TransactionDoneBody), TransactionDoneBody, "transaction", "TransactionResult";
    /// A batch.
    Batch(BatchDoneBody), BatchDoneBody, "batch", "BatchResult";
    /// An item of a batch.
    Item(ItemBody), ItemCompletedBody, "batch_item", "BatchItemResult";
    /// A wallet that was opened or changed.
    Wallet(Box<WalletBody>), WalletBody, "wallet", "WalletResult";
    /// A merchant that was opened, or had its personal data erased.
    Merchant(Box<MerchantBody>), MerchantBody, "merchant", "MerchantResult";
    /// A card that was made or deleted.
    Card(CardBody), CardBody, "card", "CardResult";
    /// An actor that was put back into service.
    Resumed(ResumedBody), ResumedBody, "resumed_actor", "ResumedActorResult";
}

/// The result of an operation: the fields of the command's own answer, and the field `type`.
#[derive(Debug, Serialize)]
pub struct OperationResult {
    r#type: &'static str,
    #[serde(flatten)]
    result: ResultBody,
}

impl From<ResultBody> for OperationResult {
    fn from(result: ResultBody) -> Self {
        Self {
            r#type: result.tag(),
            result,
        }
    }
}

/// Adds the field `type`, whose only value is `tag`, to a body's schema.
fn tagged(schema: RefOr<Schema>, tag: &'static str) -> RefOr<Schema> {
    let mut object = match schema {
        RefOr::T(Schema::Object(object)) => object,
        other => return other,
    };
    let name = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some([tag]))
        .description(Some("Says which form the result has."));
    object.properties.insert("type".to_owned(), name.into());
    object.required.insert(0, "type".to_owned());
    RefOr::T(Schema::Object(object))
}

impl ResultBody {
    /// Returns the version of the entity that the answer is about. For a transfer it is the version
    /// of the source. Returns `None` if the answer is not about the state of one entity.
    pub const fn version(&self) -> Option<u64> {
        match self {
            Self::Account(account) => Some(account.version),
            Self::Money(money) => Some(money.version),
            Self::Transfer(transfer) => Some(transfer.source_version()),
            Self::Wallet(wallet) => Some(wallet.version),
            Self::Merchant(merchant) => Some(merchant.version),
            Self::Card(card) => Some(card.version),
            Self::Transaction(_) | Self::Batch(_) | Self::Item(_) | Self::Resumed(_) => None,
        }
    }

    /// Returns the id of the entity that the answer is about. Returns `None` if the answer is not
    /// about one entity.
    pub const fn entity(&self) -> Option<EntityId> {
        match self {
            Self::Account(account) => Some(account.id),
            Self::Money(money) => Some(money.id),
            Self::Transfer(transfer) => Some(transfer.transfer_id()),
            Self::Wallet(wallet) => Some(wallet.id),
            Self::Merchant(merchant) => Some(merchant.id),
            Self::Card(card) => Some(card.id),
            Self::Resumed(resumed) => Some(resumed.id),
            Self::Transaction(_) | Self::Batch(_) | Self::Item(_) => None,
        }
    }
}

/// Returns the result of a command that was executed, or `None` if it was not.
pub fn result(decided: &Decided) -> Option<ResultBody> {
    let record = &decided.record;
    let (operation, dry_run) = (record.operation_id, decided.dry_run);
    let money = |id| {
        Some(ResultBody::Money(MoneyBody::new(
            operation,
            dry_run,
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
            let mut account = AccountBody::new(decided.account()?, decided.personal_value(0));
            account.dry_run = dry_run;
            Some(ResultBody::Account(Box::new(account)))
        }
        Command::Deposit(deposit) => money(deposit.to),
        Command::Withdraw(withdrawal) => money(withdrawal.from),
        Command::Transfer(transfer) => {
            let ends = (end(transfer.from)?, end(transfer.to)?);
            Some(ResultBody::Transfer(TransferDoneBody::new(
                operation, dry_run, ends.0, ends.1,
            )))
        }
        Command::Resume(resume) => Some(ResultBody::Resumed(ResumedBody {
            operation_id: operation,
            status: Completed::Completed,
            kind: resume.kind.name(),
            id: resume.entity,
            dry_run,
        })),
        Command::Reverse(reverse) => TransferDoneBody::of(operation, dry_run, record.ends()?)
            .map(|done| ResultBody::Transfer(done.reversing(reverse.transfer))),
        Command::Hold(_) | Command::Post(_) | Command::Void(_) => {
            TransferDoneBody::of(operation, dry_run, record.ends()?).map(ResultBody::Transfer)
        }
        Command::OpenWallet(_) | Command::UpdateWallet(_) => {
            let mut wallet = WalletBody::from(record.wallet()?.clone());
            wallet.dry_run = dry_run;
            Some(ResultBody::Wallet(Box::new(wallet)))
        }
        Command::OpenMerchant(_) | Command::EraseMerchant(_) => {
            let Shown::Merchant(view) = record.shown()? else {
                return None;
            };
            let mut merchant = MerchantBody::new(view, |place| decided.personal_value(place));
            merchant.dry_run = dry_run;
            Some(ResultBody::Merchant(Box::new(merchant)))
        }
        Command::OpenCard(_) | Command::DeleteCard(_) => {
            let mut card = CardBody::from(*record.card()?);
            card.dry_run = dry_run;
            Some(ResultBody::Card(card))
        }
        Command::Transact(_) => Some(ResultBody::Transaction(TransactionDoneBody::new(
            record, dry_run,
        ))),
        Command::Batch(_) => BatchDoneBody::new(record, dry_run).map(ResultBody::Batch),
        // The node itself issues these commands, so no caller waits for a result.
        Command::Quarantine(_) | Command::Expire(_) => None,
    }
}

/// Returns the list in whose path a command creates an entity, such as `accounts`, or `None` if it
/// creates none.
pub const fn created_in(command: &Command) -> Option<&'static str> {
    match command {
        Command::OpenAccount(_) => Some("accounts"),
        Command::OpenWallet(_) => Some("wallets"),
        Command::OpenMerchant(_) => Some("merchants"),
        Command::OpenCard(_) => Some("cards"),
        Command::Transfer(_) | Command::Hold(_) => Some("transfers"),
        Command::UpdateAccount(_)
        | Command::DeleteAccount(_)
        | Command::EraseAccount(_)
        | Command::EraseMerchant(_)
        | Command::Deposit(_)
        | Command::Withdraw(_)
        | Command::Quarantine(_)
        | Command::Resume(_)
        | Command::Post(_)
        | Command::Void(_)
        | Command::Expire(_)
        | Command::Reverse(_)
        | Command::UpdateWallet(_)
        | Command::Transact(_)
        | Command::Batch(_)
        | Command::DeleteCard(_) => None,
    }
}
