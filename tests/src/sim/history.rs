//! What the clients asked, what became of it, and what they saw.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use florin_actors::messages::{
    Balances, Caller, Command, Currency, EntityId, Kind, Movement, OperationId, Personal,
    Timestamp, TransferView, WalletView,
};
use florin_actors::runtime::{Account, Decided, Operation, Page, TrialBalance, Unavailable};
use florin_actors::views::{AccountFilter, Mark, Standing};

/// A command as a client sends it.
#[derive(Debug, Clone)]
pub struct Request {
    pub command: Command,
    pub caller: Caller,
    pub key: Option<Arc<str>>,
    pub if_match: Option<u64>,
    pub dry_run: bool,
    /// The kind that its entity must have, where the path names one.
    pub kind: Option<Kind>,
    /// Answered once it is durable, executed afterwards.
    pub asynchronous: bool,
    pub wait: Duration,
}

impl Request {
    /// The holder's name, where the command has one.
    pub fn holder(&self) -> Option<&str> {
        match &self.command {
            Command::OpenAccount(open) => match &open.holder {
                Personal::Plain(name) => Some(name),
                Personal::Sealed(_) => None,
            },
            _ => None,
        }
    }

    /// Whether it is accepted first and executed afterwards.
    pub fn is_accepted_first(&self) -> bool {
        self.asynchronous && !self.dry_run && self.command.moves_money()
    }

    /// The request as it is executed after it was accepted: what was asked at once is no longer.
    pub fn execution(&self) -> Self {
        Self {
            asynchronous: false,
            if_match: None,
            kind: None,
            ..self.clone()
        }
    }

    /// Its key in its caller's scope, unless it only asks what would be.
    pub fn scope(&self) -> Option<(String, String)> {
        let key = self.key.as_deref().filter(|_| !self.dry_run)?;
        Some((self.caller.name().to_owned(), key.to_owned()))
    }
}

/// What became of a request, as its client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Under way.
    Waiting,
    /// Answered; whether by a record of its own.
    Answered { recorded: bool },
    /// Told that the outcome is unknown.
    TimedOut,
    /// The client went away first.
    Dropped,
    /// The node died first.
    Cut,
    /// Not begun, or (`OutcomeUnknown`) lost with the journal.
    Unavailable(Unavailable),
}

/// One request that the core took.
#[derive(Debug)]
pub struct Asked {
    pub operation: OperationId,
    pub request: Request,
    /// What was durable when it was sent.
    pub after: u64,
    /// The node's time of day when it was sent.
    pub sent: Timestamp,
    /// Virtual nanoseconds when it was sent.
    pub sent_nanos: u64,
    /// In which life of the node.
    pub life: u32,
    pub fate: Fate,
    /// Records made after the wait was over have larger sequences; known a moment after it.
    pub begun_until: Option<u64>,
}

/// Something that the core showed: true at some sequence from `from` to `to`.
#[derive(Debug)]
pub struct Observation {
    /// What was durable when it was asked for.
    pub from: u64,
    /// What was durable when it came.
    pub to: u64,
    pub seen: Seen,
}

/// What was shown.
#[derive(Debug)]
pub enum Seen {
    Answer {
        asked: usize,
        decided: Box<Decided>,
    },
    Account {
        id: EntityId,
        shown: Option<Account>,
    },
    Accounts {
        filter: AccountFilter,
        after: Option<EntityId>,
        limit: usize,
        page: Page<Account, EntityId>,
    },
    Wallet {
        id: EntityId,
        shown: Option<WalletView>,
    },
    /// A customer's.
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
        /// Whether its own record was known to its client before.
        recorded: bool,
        found: Option<Operation>,
    },
    TrialBalance(TrialBalance),
}

/// Everything that was asked.
#[derive(Debug, Default)]
pub struct History {
    pub asked: Vec<Asked>,
    operations: BTreeMap<OperationId, usize>,
    /// Whether the disk may fail, which takes entities out of service.
    pub disk_faults: bool,
}

impl History {
    /// Notes a request; gives its number.
    pub fn add(&mut self, asked: Asked) -> usize {
        let number = self.asked.len();
        self.operations.insert(asked.operation, number);
        self.asked.push(asked);
        number
    }

    /// The number of the request with that operation.
    pub fn find(&self, operation: OperationId) -> Option<usize> {
        self.operations.get(&operation).copied()
    }
}
