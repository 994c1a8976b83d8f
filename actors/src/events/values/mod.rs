//! The values of events, in the field names of the source documents.

mod accounts;
mod cards;
mod merchants;
mod movements;
mod parts;
mod transactions;
mod transfers;
mod wallets;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;

pub(super) use parts::LEDGER;
pub use parts::{End, Part, Source};

pub use accounts::AccountChanged;
pub use cards::CardTold;
pub use merchants::MerchantOpened;
pub use movements::MovementTold;
pub use transactions::TransactionTold;
pub use transfers::TransferTold;
pub use wallets::{FundsAdded, WalletOpened};

macro_rules! values {
    ($( $(#[doc = $doc:literal])+ $name:ident($value:ty), $type_field:expr; )+) => {
        /// The value of an event.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum Value {
            $( $(#[doc = $doc])+ $name($value), )+
        }

        /// The form of a value.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Form {
            $( $(#[doc = $doc])+ $name, )+
        }

        impl Form {
            /// Returns the field that contains the name of the event's type, if there is one.
            pub const fn type_field(self) -> Option<&'static str> {
                match self {
                    $( Self::$name => $type_field, )+
                }
            }

            /// Returns the schema of the values as they are serialized, with all subschemas inlined.
            pub fn schema(self) -> serde_json::Value {
                match self {
                    $( Self::$name => schema_of::<$value>(), )+
                }
            }
        }
    };
}

values! {
    /// A change of an account itself.
    Account(AccountChanged), Some("type");
    /// A change of a card.
    Card(CardTold), Some("type");
    /// The opening of a wallet.
    Wallet(WalletOpened), Some("eventType");
    /// A deposit to a wallet.
    FundsAdded(FundsAdded), Some("eventType");
    /// A step of a transaction.
    Transaction(Box<TransactionTold>), Some("eventType");
    /// A deposit or withdrawal: its request or its result.
    Movement(MovementTold), None;
    /// A transfer: its request or its result.
    Transfer(Box<TransferTold>), None;
    /// The opening of a merchant.
    Merchant(MerchantOpened), Some("eventType");
}

fn schema_of<T: JsonSchema>() -> serde_json::Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let settings = settings.with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let schema = settings.into_generator().into_root_schema_for::<T>();
    schema.to_value()
}
