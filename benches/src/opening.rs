//! Opens the accounts, and wallets with limits, before the first round. Each is created and gets
//! one deposit, over the same kind of connections that are measured later.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;
use serde::Deserialize;

use crate::error::BenchError;
use crate::interrupt;
use crate::load::{self, Pace, Plan, Script};
use crate::requests::{AccountId, Keys};

/// The deposit on each account in minor units: far more than random transfers will ever take from
/// it.
const OPENING_DEPOSIT: u64 = 100_000_000_000;
/// A wallet's limits in minor units: above everything that a load moves.
const WALLET_LIMIT: u64 = 9_007_199_254_740_991;
const CONNECTIONS: usize = 128;
/// The longest time that opening may take. 100,000 accounts take seconds.
const LIMIT: Duration = Duration::from_secs(900);

/// The kind of holders to open.
#[derive(Debug, Clone, Copy)]
pub enum Holders {
    /// Plain accounts.
    Accounts,
    /// Wallets with all kinds of limits. No load reaches these limits.
    Wallets,
}

impl Holders {
    const fn path(self) -> &'static str {
        match self {
            Self::Accounts => "/accounts",
            Self::Wallets => "/wallets",
        }
    }

    fn body(self, number: u32) -> String {
        match self {
            Self::Accounts => format!(
                r#"{{"holder_name":"Bench {number}","country_code":"US","currency":"USD"}}"#
            ),
            Self::Wallets => format!(
                r#"{{"customer_id":"01901234-5678-7fff-bfff-{number:012x}","currency":"USD","limits":{{"per_transaction":{WALLET_LIMIT},"per_day":{WALLET_LIMIT},"max_balance":{WALLET_LIMIT}}}}}"#
            ),
        }
    }
}

/// Opens `count` holders with `threads` threads and returns their ids in no particular order, so
/// the accounts that a load names most often are not the ones that were opened first.
pub fn open(
    address: SocketAddr,
    server: u32,
    holders: Holders,
    count: u32,
    threads: u16,
) -> Result<Vec<AccountId>, BenchError> {
    let plan = Plan {
        address,
        server,
        backing: None,
        connections: CONNECTIONS,
        pace: Pace::Closed,
        warmup: Duration::ZERO,
        measured: LIMIT,
    };
    let threads = u32::from(threads);
    let scripts = (0..threads)
        .map(|thread| Opening::new(address, holders, (count + thread) / threads))
        .collect();
    let driven = load::drive(&plan, scripts)?;
    if interrupt::requested() {
        return Err(BenchError::Interrupted);
    }
    let mut accounts: Vec<_> = driven
        .scripts
        .into_iter()
        .flat_map(|script| script.accounts)
        .collect();
    let answered = driven.tally.answered;
    if answered != u64::from(count) * 2 || driven.tally.errors() > 0 {
        return Err(BenchError::Opening(format!(
            "opening {count} of {}: {answered} of {} requests went well; first error: {}",
            holders.path(),
            u64::from(count) * 2,
            driven.tally.first_wrong()
        )));
    }
    accounts.shuffle(&mut SmallRng::from_os_rng());
    Ok(accounts)
}

/// One thread's share of the accounts to open.
struct Opening {
    address: SocketAddr,
    holders: Holders,
    to_create: u32,
    keys: Keys,
    steps: Vec<Step>,
    request: String,
    accounts: Vec<AccountId>,
}

/// The last step of a connection.
#[derive(Debug, Clone, Copy)]
enum Step {
    AskedToCreate,
    Created(AccountId),
    AskedToDeposit,
}

#[derive(Deserialize)]
struct Account {
    id: String,
}

impl Opening {
    fn new(address: SocketAddr, holders: Holders, to_create: u32) -> Self {
        Self {
            address,
            holders,
            to_create,
            keys: Keys::new(),
            steps: Vec::new(),
            request: String::new(),
            accounts: Vec::new(),
        }
    }

    fn render(&mut self, path: &str, body: &str) -> &[u8] {
        self.request.clear();
        // Writing to a string can't fail.
        let _ = write!(
            self.request,
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nIdempotency-Key: {}\r\n\r\n{body}",
            self.address,
            body.len(),
            self.keys.next_text()
        );
        self.request.as_bytes()
    }
}

impl Script for Opening {
    fn expects(&self, slot: usize, status: u16) -> bool {
        match self.steps[slot] {
            Step::AskedToCreate => status == 201,
            Step::Created(_) | Step::AskedToDeposit => status == 200,
        }
    }

    fn next(&mut self, slot: usize) -> Option<&[u8]> {
        if self.steps.len() <= slot {
            self.steps.resize(slot + 1, Step::AskedToDeposit);
        }
        if let Step::Created(id) = self.steps[slot] {
            self.steps[slot] = Step::AskedToDeposit;
            let path = format!(
                "{}/{}/deposit",
                self.holders.path(),
                String::from_utf8_lossy(&id)
            );
            return Some(self.render(&path, &format!(r#"{{"amount":{OPENING_DEPOSIT}}}"#)));
        }
        self.to_create = self.to_create.checked_sub(1)?;
        self.steps[slot] = Step::AskedToCreate;
        let body = self.holders.body(self.to_create);
        Some(self.render(self.holders.path(), &body))
    }

    fn answered(&mut self, slot: usize, body: &[u8]) -> Result<(), String> {
        if let Step::AskedToCreate = self.steps[slot] {
            let account: Account = serde_json::from_slice(body)
                .map_err(|error| format!("{}: its reply: {error}", self.holders.path()))?;
            let id = AccountId::try_from(account.id.as_bytes())
                .map_err(|_| format!("the id {:?} is no UUID", account.id))?;
            self.steps[slot] = Step::Created(id);
            self.accounts.push(id);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    #[test]
    fn every_account_is_created_and_funded_once() {
        let fake = Fake::start();
        let accounts = open(
            fake.address(),
            std::process::id(),
            Holders::Accounts,
            301,
            2,
        )
        .unwrap();
        assert_eq!(accounts.len(), 301);
        let distinct: std::collections::HashSet<_> = accounts.iter().collect();
        assert_eq!(distinct.len(), 301);
        assert_eq!(fake.records(), 602);
    }

    #[test]
    fn a_refusal_is_named() {
        let fake = Fake::refusing_every(10);
        let error = open(fake.address(), std::process::id(), Holders::Wallets, 20, 1).unwrap_err();
        assert!(error.to_string().contains("503: overloaded"), "{error}");
    }
}
