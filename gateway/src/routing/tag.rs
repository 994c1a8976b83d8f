//! The tags that group the operations.

macro_rules! tags {
    ($($variant:ident, $name:literal, $description:literal;)+) => {
        /// A tag: a group of operations. The tags are in the order in which readers see them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Tag {
            $( #[doc = $description] $variant, )+
        }

        impl Tag {
            /// All tags, in order.
            pub const ALL: [Self; [$( $name ),+].len()] = [$( Self::$variant ),+];

            /// Returns the tag's name.
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$variant => $name, )+
                }
            }

            /// Returns a sentence about the operations of the tag.
            pub const fn description(self) -> &'static str {
                match self {
                    $( Self::$variant => $description, )+
                }
            }
        }
    };
}

tags! {
    Accounts, "Accounts", "Accounts hold money of one currency: open, change and delete them, deposit and withdraw, read balances and history.";
    Wallets, "Wallets", "Wallets belong to a customer and have limits per transaction, per day and on the balance.";
    Merchants, "Merchants", "Merchants have a name, an e-mail address and a balance of one currency.";
    Transfers, "Transfers", "Transfers move money between accounts, wallets and merchants: at once, pending (a hold that is posted or voided later), in batches, or along several legs.";
    Operations, "Operations", "An operation is the client's view of one command: its status and result. Follow one by polling, Server-Sent Events or a WebSocket.";
    Ledger, "Ledger", "The balanced postings of each transaction, and the trial balance of all of them.";
    Cards, "Cards", "Cards of accounts, checked against the card service's own copy of the accounts.";
    Events, "Events", "The events of the journal, their schemas, and replays of them.";
    DeadLetters, "Dead letters", "Messages that a consumer could not handle, and how they are sent through it again.";
    Administration, "Administration", "For operators: actors, the clock and backups.";
    Health, "Health", "Liveness, readiness, the node's state and its metrics.";
    Documentation, "Documentation", "This description, its page for people, and the page of each problem code.";
    Aliases, "Aliases", "Other ways to write requests that are described above, for clients of older documents. New clients use the requests above.";
}
