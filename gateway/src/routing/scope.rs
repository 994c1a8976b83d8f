//! The scopes of routes: the rights that a caller will need for them. Nothing enforces them yet.

/// The scope of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everybody may call the route.
    Public,
    /// Reads accounts, wallets and merchants, with their balances and movements.
    AccountsRead,
    /// Opens, changes and deletes accounts, wallets and merchants.
    AccountsWrite,
    /// Moves money.
    MoneyMove,
    /// Reads transfers, and the outcome of operations.
    TransfersRead,
    /// Reads the transactions of the ledger.
    LedgerRead,
    /// Reads the events of the journal.
    EventsRead,
    /// Reads cards.
    CardsRead,
    /// Makes and deletes cards.
    CardsWrite,
    /// Erases personal data.
    PersonalErase,
    /// Reads the state of the node.
    AdminRead,
    /// Operates the node.
    AdminOperate,
}

impl Scope {
    /// Returns whether the scope lets a caller only read.
    pub const fn only_reads(self) -> bool {
        match self {
            Self::Public
            | Self::AccountsRead
            | Self::TransfersRead
            | Self::LedgerRead
            | Self::EventsRead
            | Self::CardsRead
            | Self::AdminRead => true,
            Self::AccountsWrite
            | Self::MoneyMove
            | Self::CardsWrite
            | Self::PersonalErase
            | Self::AdminOperate => false,
        }
    }
}
