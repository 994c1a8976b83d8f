//! What a node is measured with. A further scenario is a variant here and a script of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::ValueEnum;
use serde::Serialize;

use crate::transfers::{AccountId, Pairs, Transfers};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// One transfer a request between two accounts chosen at random.
    TransferUniform,
    /// One transfer a request, one account being in all of them.
    TransferHot,
}

impl Scenario {
    pub fn name(self) -> &'static str {
        match self {
            Self::TransferUniform => "transfer-uniform",
            Self::TransferHot => "transfer-hot",
        }
    }

    /// A script for each thread, with up to `limit` requests each.
    pub fn scripts(
        self,
        address: SocketAddr,
        accounts: &Arc<[AccountId]>,
        threads: u16,
        limit: Option<u64>,
    ) -> Vec<Transfers> {
        let pairs = match self {
            Self::TransferUniform => Pairs::Uniform,
            Self::TransferHot => Pairs::Hot,
        };
        (0..threads)
            .map(|_| Transfers::new(address, accounts.clone(), pairs, limit))
            .collect()
    }
}
