//! What the scenarios send: transfers, reads, deposits and withdrawals, among accounts that are
//! chosen evenly, by Zipf's law, or with one in all of them.

mod choice;
mod keys;
mod template;
mod zipf;

use std::net::SocketAddr;
use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

pub use self::choice::Choice;
pub use self::keys::Keys;
use self::template::{AMOUNTS, Template};
use crate::load::Script;

/// An account's id as it stands in JSON.
pub type AccountId = [u8; 36];

/// Of how many requests in a hundred are of each kind; the rest are transfers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mix {
    pub reads: u32,
    /// Deposits and withdrawals, in turn.
    pub deposits: u32,
    /// Every request makes many transfers at once instead.
    pub many: Option<Many>,
}

/// A request of many transfers.
#[derive(Debug, Clone, Copy)]
pub enum Many {
    /// A batch of so many, all or none or each by itself.
    Batch(usize, bool),
    /// A transaction of so many legs.
    Legs(usize),
}

impl Many {
    const fn transfers(self) -> usize {
        match self {
            Self::Batch(count, _) | Self::Legs(count) => count,
        }
    }
}

/// One thread's requests.
pub struct Requests {
    transfer: Template,
    read: Template,
    deposit: Template,
    withdraw: Template,
    many: Option<(Template, Many)>,
    keys: Keys,
    accounts: Arc<[AccountId]>,
    choice: Choice,
    mix: Mix,
    deposited: bool,
    rng: SmallRng,
    left: u64,
    /// Of each connection's last request: whether it only read.
    only_read: Vec<bool>,
}

impl Requests {
    /// At most `limit` requests among `accounts`, of which there are at least two.
    pub fn new(
        address: SocketAddr,
        accounts: Arc<[AccountId]>,
        choice: Choice,
        mix: Mix,
        limit: Option<u64>,
    ) -> Self {
        Self {
            transfer: Template::transfer(address),
            read: Template::read(address),
            deposit: Template::deposit(address),
            withdraw: Template::withdraw(address),
            many: mix.many.map(|many| (Template::many(address, many), many)),
            keys: Keys::new(),
            accounts,
            choice,
            mix,
            deposited: false,
            rng: SmallRng::from_os_rng(),
            left: limit.unwrap_or(u64::MAX),
            only_read: Vec::new(),
        }
    }

    fn remember(&mut self, slot: usize, only_read: bool) {
        if self.only_read.len() <= slot {
            self.only_read.resize(slot + 1, false);
        }
        self.only_read[slot] = only_read;
    }
}

impl Requests {
    /// The next request of many transfers.
    fn next_many(&mut self) -> Option<&[u8]> {
        let (template, many) = self.many.as_mut()?;
        let mut ends = Vec::with_capacity(2 * many.transfers());
        for _ in 0..many.transfers() {
            let (from, to) = self.choice.two(&mut self.rng);
            ends.extend([&self.accounts[from], &self.accounts[to]]);
        }
        Some(template.fill(&mut self.keys, &ends, *AMOUNTS.start()))
    }
}

impl Script for Requests {
    fn expected_status(&self, _slot: usize) -> u16 {
        200
    }

    fn next(&mut self, slot: usize) -> Option<&[u8]> {
        self.left = self.left.checked_sub(1)?;
        if self.many.is_some() {
            return self.next_many();
        }
        let Mix {
            reads, deposits, ..
        } = self.mix;
        let kind = if reads + deposits == 0 {
            100
        } else {
            self.rng.random_range(0..100)
        };
        let amount = self.rng.random_range(AMOUNTS);
        self.remember(slot, kind < reads);
        if kind < reads + deposits {
            let account = &self.accounts[self.choice.one(&mut self.rng)];
            let template = if kind < reads {
                &mut self.read
            } else {
                self.deposited = !self.deposited;
                if self.deposited {
                    &mut self.deposit
                } else {
                    &mut self.withdraw
                }
            };
            return Some(template.fill(&mut self.keys, &[account], amount));
        }
        let (from, to) = self.choice.two(&mut self.rng);
        let ends = [&self.accounts[from], &self.accounts[to]];
        Some(self.transfer.fill(&mut self.keys, &ends, amount))
    }

    fn records(&self, slot: usize) -> bool {
        !self.only_read.get(slot).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    #[derive(serde::Deserialize)]
    struct Body {
        from: String,
        to: String,
        amount: u64,
    }

    fn script(choice: Choice, mix: Mix, count: u64) -> Requests {
        let address = "127.0.0.1:8080".parse().unwrap();
        let accounts = (0..5).map(|n| [b'a' + n; 36]).collect();
        Requests::new(address, accounts, choice, mix, Some(count))
    }

    /// The requests, whole, each with whether it makes a record.
    fn sent(mut script: Requests) -> Vec<(String, bool)> {
        let mut sent = Vec::new();
        while let Some(bytes) = script.next(3) {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            sent.push((text, script.records(3)));
        }
        sent
    }

    fn transfers(choice: Choice, count: u64) -> Vec<Body> {
        let mut keys = HashSet::new();
        let bodies: Vec<Body> = sent(script(choice, Mix::default(), count))
            .iter()
            .map(|(text, records)| {
                let (head, body) = text.split_once("\r\n\r\n").unwrap();
                assert!(head.starts_with("POST /transfers HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"));
                assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
                let (_, key) = head.split_once("Idempotency-Key: ").unwrap();
                assert!(keys.insert(key.to_owned()) && *records);
                serde_json::from_str(body).unwrap()
            })
            .collect();
        assert_eq!(bodies.len() as u64, count);
        bodies
    }

    #[test]
    fn uniform_pairs_are_two_accounts_and_all_pairs_come() {
        let mut pairs = HashSet::new();
        for body in transfers(Choice::uniform(5), 2_000) {
            assert_ne!(body.from, body.to);
            assert!((100..=999).contains(&body.amount));
            pairs.insert((body.from, body.to));
        }
        assert_eq!(pairs.len(), 5 * 4);
    }

    #[test]
    fn zipf_pairs_are_two_accounts_and_the_first_comes_most() {
        let mut sources: HashMap<String, u32> = HashMap::new();
        for body in transfers(Choice::zipf(5), 2_000) {
            assert_ne!(body.from, body.to);
            *sources.entry(body.from).or_default() += 1;
        }
        let of = |name: char| sources[&name.to_string().repeat(36)];
        assert!(of('a') > of('b') && of('b') > of('e'));
    }

    #[test]
    fn the_hot_account_is_source_and_target_in_turn() {
        let hot = "a".repeat(36);
        let sides: Vec<_> = transfers(Choice::hot(5), 100)
            .iter()
            .map(|body| {
                assert_ne!(body.from, body.to);
                (body.from == hot, body.to == hot)
            })
            .collect();
        assert!(sides.iter().all(|(from, to)| from != to));
        assert!(sides.windows(2).all(|two| two[0] != two[1]));
    }

    #[test]
    fn a_mix_has_each_kind_in_its_share_and_reads_make_no_record() {
        let mix = Mix {
            reads: 15,
            deposits: 5,
            many: None,
        };
        let mut kinds: HashMap<String, u32> = HashMap::new();
        for (text, records) in sent(script(Choice::uniform(5), mix, 10_000)) {
            let first = text.lines().next().unwrap();
            let kind = first.replace(['a', 'b', 'c', 'd', 'e'], "");
            assert_eq!(records, !first.starts_with("GET /accounts/"), "{first}");
            *kinds.entry(kind).or_default() += 1;
        }
        let count = |like: &str| -> u32 {
            let found = kinds.iter().filter(|(kind, _)| kind.contains(like));
            found.map(|(_, count)| count).sum()
        };
        assert!((1_300..1_700).contains(&count("GET")), "{kinds:?}");
        assert!((150..350).contains(&count("posit")), "{kinds:?}");
        assert!(count("posit").abs_diff(count("withrw")) <= 1, "{kinds:?}");
    }
}
