//! What a node is measured with. A further scenario is a variant here and its requests.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::requests::{AccountId, Choice, Mix, Requests};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// One transfer a request between two accounts chosen at random.
    TransferUniform,
    /// One transfer a request, the accounts by Zipf's law (0.99).
    TransferZipf,
    /// One transfer a request, one account being in all of them.
    TransferHot,
    /// One account's balance a request, chosen at random.
    ReadBalance,
    /// Deposits and withdrawals in turn, the account chosen at random.
    Deposit,
    /// 80 % transfers, 15 % reads, 5 % deposits and withdrawals, the accounts chosen at random.
    Mixed,
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
        }
    }

    /// A script for each thread, with up to `limit` requests each.
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
            Self::Deposit => (0, 100),
            Self::Mixed => (15, 5),
            _ => (0, 0),
        };
        let mix = Mix { reads, deposits };
        (0..threads)
            .map(|_| Requests::new(address, accounts.clone(), choice, mix, limit))
            .collect()
    }
}
