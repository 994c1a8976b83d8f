//! The subject of a route: what the id in its path names.

use std::borrow::Cow;

use florin_actors::messages::Kind;

macro_rules! subjects {
    ($($(#[$doc:meta])* $variant:ident, $component:literal, $description:literal;)+) => {
        /// What the id in a route's path names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Subject {
            /// An entity of this kind.
            Entity(Kind),
            $( $(#[$doc])* $variant, )+
        }

        impl Subject {
            /// Returns the kind of entity that the path names. `None` means that the path does not
            /// decide it.
            pub const fn kind(self) -> Option<Kind> {
                match self {
                    Self::Entity(kind) => Some(kind),
                    $( Self::$variant => None, )+
                }
            }

            /// Returns the name of the id's shared parameter in the OpenAPI document, e.g.
            /// `AccountId`.
            pub fn component(self) -> Cow<'static, str> {
                match self {
                    Self::Entity(kind) => {
                        let (first, rest) = kind.name().split_at(1);
                        format!("{}{rest}Id", first.to_ascii_uppercase()).into()
                    }
                    $( Self::$variant => $component.into(), )+
                }
            }

            /// Returns the description of the id.
            pub fn description(self) -> Cow<'static, str> {
                match self {
                    Self::Entity(kind) => format!("The {}'s id.", kind.name()).into(),
                    $( Self::$variant => $description.into(), )+
                }
            }
        }
    };
}

subjects! {
    /// A transfer. Its commands are about its source, which is another entity.
    Transfer, "TransferId", "The transfer's id.";
    /// An operation.
    Operation, "OperationId", "The operation's id.";
    /// A transaction of the ledger.
    Transaction, "TransactionId", "The transaction's id, the same as its operation's.";
    /// A customer, who is not an entity here.
    Customer, "CustomerId", "The customer's id.";
    /// A replay of events.
    Replay, "ReplayId", "The replay's id.";
    /// An entity whose kind is another parameter, or nothing.
    Any, "EntityId", "The entity's id.";
}
