//! The history of a run: what the clients asked, the fate of each request, and what the clients
//! saw.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use florin_actors::messages::{
    AccountView, Balances, Caller, Command, Currency, EntityId, Kind, MerchantView, Movement,
    OperationId, Personal, Timestamp, TransferView, WalletView,
};
use florin_actors::runtime::{Decided, Operation, Page, TrialBalance, Unavailable, WithPersonal};
use florin_actors::views::{AccountFilter, Mark, Standing};

/// A command as a client sends it.
#[derive(Debug, Clone)]
pub struct Request {
    pub command: Command,
    pub caller: Caller,
    pub key: Option<Arc<str>>,
    pub if_match: Option<u64>,
    pub dry_run: bool,
    /// The kind that the entity must have, if the path names one.
    pub kind: Option<Kind>,
    /// Set if the request is answered once its command is durable, and executed afterwards.
    pub asynchronous: bool,
    pub wait: Duration,
}

impl Request {
    /// Returns the personal values of the command.
    pub fn personal(&self) -> Vec<&str> {
        let values = match &self.command {
            Command::OpenAccount(open) => vec![&open.holder],
            Command::OpenMerchant(open) => vec![&open.name, &open.email],
            _ => Vec::new(),
        };
        let plain = values.into_iter().filter_map(|value| match value {
            Personal::Plain(plain) => Some(&**plain),
            Personal::Sealed(_) => None,
        });
        plain.collect()
    }

    /// Reports whether the command is accepted first and executed afterwards.
    pub fn is_accepted_first(&self) -> bool {
        self.asynchronous && !self.dry_run && self.command.moves_money()
    }

    /// Returns the request in the form in which it is executed after its acceptance: without the
    /// conditions that the acceptance already checked.
    pub fn execution(&self) -> Self {
        Self {
            asynchronous: false,
            if_match: None,
            kind: None,
            ..self.clone()
        }
    }

    /// Returns the caller and the key, unless the request is a dry run.
    pub fn scope(&self) -> Option<(String, String)> {
        let key = self.key.as_deref().filter(|_| !self.dry_run)?;
        Some((self.caller.name().to_owned(), key.to_owned()))
    }
}

/// The fate of a request, as its client knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The request is in flight.
    Waiting,
    /// The request was answered. `recorded` tells whether the answer is a record of its own.
    Answered { recorded: bool },
    /// The client was told that the outcome is unknown.
    TimedOut,
    /// The client stopped waiting before its answer.
    Dropped,
    /// The node died before the answer.
    Cut,
    /// The request was not begun, or (`OutcomeUnknown`) was lost with the journal.
    Unavailable(Unavailable),
}

/// A request that the core accepted for processing.
#[derive(Debug)]
pub struct Asked {
    pub operation: OperationId,
    pub request: Request,
    /// The durable sequence when the request was sent.
    pub after: u64,
    /// The node's time of day when it was sent.
    pub sent: Timestamp,
    /// Virtual nanoseconds when it was sent.
    pub sent_nanos: u64,
    /// The life of the node in which it was sent.
    pub life: u32,
    pub fate: Fate,
    /// The end of the journal's queue shortly after the wait was over. A record that was begun
    /// later has a larger sequence.
    pub begun_until: Option<u64>,
}

/// Something that the core showed. It must be true at some sequence from `from` to `to`.
#[derive(Debug)]
pub struct Observation {
    /// The durable sequence when it was asked for.
    pub from: u64,
    /// The durable sequence when it arrived.
    pub to: u64,
    pub seen: Seen,
}

/// What the core showed.
#[derive(Debug)]
pub enum Seen {
    Answer {
        asked: usize,
        decided: Box<Decided>,
    },
    Account {
        id: EntityId,
        shown: Option<WithPersonal<AccountView>>,
    },
    Accounts {
        filter: AccountFilter,
        after: Option<EntityId>,
        limit: usize,
        page: Page<WithPersonal<AccountView>, EntityId>,
    },
    Wallet {
        id: EntityId,
        shown: Option<WalletView>,
    },
    Merchant {
        id: EntityId,
        shown: Option<WithPersonal<MerchantView>>,
    },
    /// A page of all merchants.
    Merchants {
        after: Option<EntityId>,
        limit: usize,
        page: Page<WithPersonal<MerchantView>, EntityId>,
    },
    /// A page of a customer's wallets.
    Wallets {
        customer: EntityId,
        after: Option<EntityId>,
        limit: usize,
        page: Page<WalletView, EntityId>,
    },
    Balances {
        id: EntityId,
        kind: Kind,
        shown: Option<(Currency, Balances)>,
    },
    BalanceAt {
        id: EntityId,
        kind: Kind,
        time: Timestamp,
        shown: Option<Standing>,
    },
    Transfer {
        id: EntityId,
        shown: Option<TransferView>,
    },
    Movements {
        id: EntityId,
        kind: Kind,
        before: Option<Mark>,
        limit: usize,
        page: Option<Page<Movement, Mark>>,
    },
    Operation {
        asked: usize,
        /// Set if the client had seen the request's own record before.
        recorded: bool,
        found: Option<Operation>,
    },
    TrialBalance(TrialBalance),
}

/// All requests of a run.
#[derive(Debug, Default)]
pub struct History {
    pub asked: Vec<Asked>,
    operations: BTreeMap<OperationId, usize>,
    /// Set if the disk may fail, which takes entities out of service.
    pub disk_faults: bool,
}

impl History {
    /// Notes a request and returns its number.
    pub fn add(&mut self, asked: Asked) -> usize {
        let number = self.asked.len();
        self.operations.insert(asked.operation, number);
        self.asked.push(asked);
        number
    }

    /// Returns the number of the request with this operation.
    pub fn find(&self, operation: OperationId) -> Option<usize> {
        self.operations.get(&operation).copied()
    }
}
