//! The scenarios that a node is measured with. A new scenario is a variant here and its requests.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::requests::{AccountId, Choice, Many, Mix, Requests};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// One transfer per request between two accounts chosen at random.
    TransferUniform,
    /// One transfer per request, the accounts chosen by Zipf's law (0.99).
    TransferZipf,
    /// One transfer per request, one account being in all of them.
    TransferHot,
    /// One account's balance per request, the account chosen at random.
    ReadBalance,
    /// Deposits and withdrawals alternately, the account chosen at random.
    Deposit,
    /// 80 % transfers, 15 % reads, 5 % deposits and withdrawals, the accounts chosen at random.
    Mixed,
    /// 100 transfers per request, all or none, the accounts chosen at random.
    #[value(name = "batch-100-atomic")]
    #[serde(rename = "batch-100-atomic")]
    Batch100Atomic,
    /// 100 transfers per request, each on its own, the accounts chosen at random.
    #[value(name = "batch-100")]
    #[serde(rename = "batch-100")]
    Batch100,
    /// 1,000 transfers per request, all or none, the accounts chosen at random.
    #[value(name = "batch-1000-atomic")]
    #[serde(rename = "batch-1000-atomic")]
    Batch1000Atomic,
    /// 1,000 transfers per request, each on its own, the accounts chosen at random.
    #[value(name = "batch-1000")]
    #[serde(rename = "batch-1000")]
    Batch1000,
    /// One transaction of ten legs per request, the accounts chosen at random.
    #[value(name = "legs-10")]
    #[serde(rename = "legs-10")]
    Legs10,
    /// A hold, then its post, each in its own request, the accounts chosen at random.
    PendingPost,
    /// One deposit per request, accepted first and executed later, the account chosen at random.
    AsyncDeposit,
    /// One transfer per request between two wallets with limits, chosen at random.
    WalletLimits,
}

impl Scenario {
    pub fn name(self) -> &'static str {
        match self {
            Self::TransferUniform => "transfer-uniform",
            Self::TransferZipf => "transfer-zipf",
            Self::TransferHot => "transfer-hot",
            Self::ReadBalance => "read-balance",
            Self::Deposit => "deposit",
            Self::Mixed => "mixed",
            Self::Batch100Atomic => "batch-100-atomic",
            Self::Batch100 => "batch-100",
            Self::Batch1000Atomic => "batch-1000-atomic",
            Self::Batch1000 => "batch-1000",
            Self::Legs10 => "legs-10",
            Self::PendingPost => "pending-post",
            Self::AsyncDeposit => "async-deposit",
            Self::WalletLimits => "wallet-limits",
        }
    }

    /// Returns the largest number of records that one request creates.
    pub fn records_max(self) -> u64 {
        match self {
            Self::AsyncDeposit => 2,
            _ => 1,
        }
    }

    /// Creates a script for each thread, with at most `limit` requests each.
    pub fn scripts(
        self,
        address: SocketAddr,
        accounts: &Arc<[AccountId]>,
        threads: u16,
        limit: Option<u64>,
    ) -> Vec<Requests> {
        let choice = match self {
            Self::TransferZipf => Choice::zipf(accounts.len()),
            Self::TransferHot => Choice::hot(accounts.len()),
            _ => Choice::uniform(accounts.len()),
        };
        let (reads, deposits) = match self {
            Self::ReadBalance => (100, 0),
            Self::Deposit | Self::AsyncDeposit => (0, 100),
            Self::Mixed => (15, 5),
            _ => (0, 0),
        };
        let many = match self {
            Self::Batch100Atomic => Some(Many::Batch(100, true)),
            Self::Batch100 => Some(Many::Batch(100, false)),
            Self::Batch1000Atomic => Some(Many::Batch(1_000, true)),
            Self::Batch1000 => Some(Many::Batch(1_000, false)),
            Self::Legs10 => Some(Many::Legs(10)),
            _ => None,
        };
        let mix = Mix {
            reads,
            deposits,
            many,
            asynchronous: self == Self::AsyncDeposit,
            holds: self == Self::PendingPost,
        };
        (0..threads)
            .map(|_| Requests::new(address, accounts.clone(), choice, mix, limit))
            .collect()
    }
}
