//! The subject of a route: what the id in its path names.

use florin_actors::messages::Kind;

macro_rules! subjects {
    ($($(#[$doc:meta])* $variant:ident, $kind:expr, $component:literal, $description:literal;)+) => {
        /// What the id in a route's path names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Subject {
            $( $(#[$doc])* $variant, )+
        }

        impl Subject {
            /// Returns the kind of entity that the path names. `None` means that the path does not
            /// decide it.
            pub const fn kind(self) -> Option<Kind> {
                match self {
                    $( Self::$variant => $kind, )+
                }
            }

            /// Returns the name of the id's shared parameter in the OpenAPI document.
            pub const fn component(self) -> &'static str {
                match self {
                    $( Self::$variant => $component, )+
                }
            }

            /// Returns the description of the id.
            pub const fn description(self) -> &'static str {
                match self {
                    $( Self::$variant => $description, )+
                }
            }
        }
    };
}

subjects! {
    /// An account.
    Account, Some(Kind::Account), "AccountId", "The account's id.";
    /// A wallet.
    Wallet, Some(Kind::Wallet), "WalletId", "The wallet's id.";
    /// A card.
    Card, Some(Kind::Card), "CardId", "The card's id.";
    /// A transfer. Its commands are about its source, an account or a wallet.
    Transfer, None, "TransferId", "The transfer's id.";
    /// An operation.
    Operation, None, "OperationId", "The operation's id.";
    /// A transaction of the ledger.
    Transaction, None, "TransactionId", "The transaction's id, the same as its operation's.";
    /// A customer, who is not an entity here.
    Customer, None, "CustomerId", "The customer's id.";
    /// A replay of events.
    Replay, None, "ReplayId", "The replay's id.";
    /// An entity whose kind is another parameter, or nothing.
    Any, None, "EntityId", "The entity's id.";
}
