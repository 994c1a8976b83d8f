//! The table of event types. Each row contains the type's name in CloudEvents, its name in the
//! source documents, the service that publishes it, its default topics, and the form of its value.
//! If a type always has the same status, or always has a field that its form leaves optional, the
//! row says so.

use std::fmt;
use std::str::FromStr;

use super::values::Form;

macro_rules! event_types {
    ($( $(#[doc = $doc:literal])+ $name:ident = $cloud:literal v $version:literal, $document:literal, $service:ident, [$($topic:literal),*], $form:ident $(, status = $status:literal)? $(, always = [$($always:literal),*])?; )+) => {
        /// A type of event, in its present version.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventType {
            $( $(#[doc = $doc])+ $name, )+
        }

        impl EventType {
            /// All types, in the order of the table.
            pub const ALL: &[Self] = &[$( Self::$name ),+];

            /// Returns the name without prefix and version, for example `wallet.created`. Settings
            /// use this name.
            pub const fn short(self) -> &'static str {
                match self { $( Self::$name => $cloud, )+ }
            }

            /// Returns the `ce_type`, for example `florin.wallet.created.v1`. It identifies the
            /// type and the version.
            pub const fn cloud(self) -> &'static str {
                match self { $( Self::$name => concat!("florin.", $cloud, ".v", $version), )+ }
            }

            /// Returns the present version, starting from 1.
            pub const fn version(self) -> u32 {
                match self { $( Self::$name => $version, )+ }
            }

            /// Returns the name in the source documents, for example `WALLET_CREATED`. It is the
            /// header `event-type`.
            pub const fn document(self) -> &'static str {
                match self { $( Self::$name => $document, )+ }
            }

            /// Returns a sentence that says what happened.
            pub const fn about(self) -> &'static str {
                match self { $( Self::$name => concat!($($doc),+).trim_ascii(), )+ }
            }

            /// Returns the service that publishes the events.
            pub const fn service(self) -> Service {
                match self { $( Self::$name => Service::$service, )+ }
            }

            /// Returns the form of the values.
            pub const fn form(self) -> Form {
                match self { $( Self::$name => Form::$form, )+ }
            }

            /// Returns the status that all values have, if there is one.
            pub const fn status(self) -> Option<&'static str> {
                match self { $( Self::$name => [$( Some($status), )? None][0], )+ }
            }

            /// Returns the fields that are optional in the form and never missing in this type.
            pub const fn always(self) -> &'static [&'static str] {
                match self { $( Self::$name => &[$( $($always),* )?], )+ }
            }

            /// Returns the default topics.
            pub const fn default_topics(self) -> &'static [&'static str] {
                match self { $( Self::$name => &[$( $topic ),*], )+ }
            }
        }
    };
}

/// A service that is the source of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The service for accounts, wallets, transfers and the ledger.
    Core,
    /// The service for cards.
    Card,
}

impl Service {
    /// Returns the service's name, for example `core`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Card => "card",
        }
    }

    /// Returns the `ce_source`, for example `/florin/core`.
    pub const fn source(self) -> &'static str {
        match self {
            Self::Core => "/florin/core",
            Self::Card => "/florin/card",
        }
    }
}

event_types! {
    /// An account was opened.
    AccountCreated = "account.created" v 1, "account.created", Core, ["account-events"], Account;
    /// An account was frozen, unfrozen or deleted.
    AccountStatusChanged = "account.status-changed" v 1, "account.status_changed", Core, ["account-events"], Account;
    /// A wallet was opened.
    WalletCreated = "wallet.created" v 1, "WALLET_CREATED", Core, ["wallet-events"], Wallet;
    /// A wallet was opened. It is the same event as `WALLET_CREATED`, under another name.
    WalletCreatedEvent = "wallet.created-event" v 1, "WalletCreatedEvent", Core, ["wallet-created-events"], Wallet;
    /// A deposit reached a wallet.
    FundsAdded = "wallet.funds-added" v 1, "FundsAddedEvent", Core, ["funds-added-events"], FundsAdded;
    /// A movement was initiated.
    TransactionInitiated = "transaction.initiated" v 1, "TRANSACTION_INITIATED", Core, ["transaction-events"], Transaction, status = "PENDING";
    /// A movement was completed.
    TransactionCompleted = "transaction.completed" v 1, "TRANSACTION_COMPLETED", Core, ["transaction-events"], Transaction, status = "COMPLETED";
    /// A movement was refused, or its hold was voided or expired.
    TransactionFailed = "transaction.failed" v 1, "TRANSACTION_FAILED", Core, ["transaction-events"], Transaction, status = "FAILED", always = ["code", "error"];
    /// A deposit was accepted and will be executed later.
    DepositRequested = "account.deposit-requested" v 1, "DepositRequested", Core, ["deposit-requests"], Movement;
    /// A deposit was completed.
    DepositCompleted = "account.deposit-completed" v 1, "DepositCompleted", Core, ["deposit-completed"], Movement, always = ["currency", "balance_after", "version"];
    /// A deposit was refused.
    DepositFailed = "account.deposit-failed" v 1, "DepositFailed", Core, ["deposit-failed"], Movement, always = ["code", "error"];
    /// A withdrawal was accepted and will be executed later.
    WithdrawalRequested = "account.withdrawal-requested" v 1, "WithdrawalRequested", Core, ["withdrawal-requests"], Movement;
    /// A withdrawal was completed.
    WithdrawalCompleted = "account.withdrawal-completed" v 1, "WithdrawalCompleted", Core, ["withdrawal-responses"], Movement, always = ["currency", "balance_after", "version"];
    /// A withdrawal was refused.
    WithdrawalFailed = "account.withdrawal-failed" v 1, "WithdrawalFailed", Core, ["withdrawal-responses"], Movement, always = ["code", "error"];
    /// A transfer was accepted and will be executed later.
    TransferRequested = "account.transfer-requested" v 1, "TransferRequested", Core, ["transfer-requests"], Transfer;
    /// A transfer was completed.
    TransferCompleted = "account.transfer-completed" v 1, "TransferCompleted", Core, ["transfer-responses"], Transfer, always = ["currency", "from", "to"];
    /// A transfer was refused.
    TransferFailed = "account.transfer-failed" v 1, "TransferFailed", Core, ["transfer-responses"], Transfer, always = ["code", "error"];
    /// A card was created.
    CardCreated = "card.created" v 1, "card.created", Card, ["card-events"], Card;
    /// A card was deleted.
    CardDeleted = "card.deleted" v 1, "card.deleted", Card, ["card-events"], Card;
    /// A merchant was opened.
    MerchantCreated = "merchant.created" v 1, "MERCHANT_CREATED", Core, ["merchant-events"], Merchant;
}

/// The error for a name that is not an event type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no event type {0}")]
pub struct NoSuchType(pub String);

impl FromStr for EventType {
    type Err = NoSuchType;

    /// Parses a short name such as `wallet.created`, or a `ce_type`.
    fn from_str(text: &str) -> Result<Self, NoSuchType> {
        let all = Self::ALL.iter().copied();
        let mut found = all.filter(|known| known.short() == text || known.cloud() == text);
        found.next().ok_or_else(|| NoSuchType(text.to_owned()))
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.cloud())
    }
}

impl serde::Serialize for EventType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.cloud())
    }
}

impl<'de> serde::Deserialize<'de> for EventType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_a_name_of_its_own() {
        for event_type in EventType::ALL {
            assert_eq!(event_type.cloud().parse(), Ok(*event_type));
            assert_eq!(event_type.short().parse(), Ok(*event_type));
        }
        assert!("account".parse::<EventType>().is_err());
    }
}
