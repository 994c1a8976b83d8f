//! The schemas of strings that are the core's names of something. They are made from the core's
//! types, so a name can't be forgotten.

use std::borrow::Cow;

use florin_actors::messages::{self as core, CommandKind};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

macro_rules! names {
    ($($name:ident, $description:literal, $names:expr;)+) => {
        $(
            #[doc = $description]
            pub enum $name {}

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    ObjectBuilder::new()
                        .schema_type(Type::String)
                        .enum_values(Some($names))
                        .description(Some($description))
                        .into()
                }
            }

            impl ToSchema for $name {
                fn name() -> Cow<'static, str> {
                    Cow::Borrowed(stringify!($name))
                }
            }
        )+
    };
}

names! {
    AccountStatus,
    "The status of an account or wallet. FROZEN accepts only credits; DELETED accepts nothing.",
    core::AccountStatus::ALL.map(core::AccountStatus::name);

    TransferStatus,
    "The status of a transfer.",
    core::TransferStatus::ALL.map(core::TransferStatus::name);

    TransactionType,
    "The type of a transaction.",
    CommandKind::ALL
        .into_iter()
        .filter(|kind| kind.is_transaction_type())
        .map(CommandKind::name);

    OperationKind,
    "The kind of a command.",
    CommandKind::ALL.map(CommandKind::name);
}
