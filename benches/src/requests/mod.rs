//! The requests of the scenarios: transfers, reads, deposits and withdrawals. The accounts are
//! chosen evenly, by Zipf's law, or with one account in all requests.

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

/// An account's id as it appears in JSON.
pub type AccountId = [u8; 36];

/// The number of requests in a hundred of each kind; the rest are transfers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mix {
    pub reads: u32,
    /// Deposits and withdrawals, alternately.
    pub deposits: u32,
    /// Every request makes many transfers at once instead.
    pub many: Option<Many>,
    /// Deposits use the asynchronous endpoint.
    pub asynchronous: bool,
    /// Every transfer is a hold, and the connection's next request posts it.
    pub holds: bool,
}

/// A request of many transfers.
#[derive(Debug, Clone, Copy)]
pub enum Many {
    /// A batch of this many transfers; true for all or none, false for each on its own.
    Batch(usize, bool),
    /// A transaction of this many legs.
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
    async_deposit: Template,
    hold: Template,
    post: Template,
    keys: Keys,
    accounts: Arc<[AccountId]>,
    choice: Choice,
    mix: Mix,
    deposited: bool,
    rng: SmallRng,
    left: u64,
    /// The last request of each connection.
    last: Vec<Last>,
}

/// The kind of a connection's last request.
#[derive(Debug, Clone, Copy, Default)]
enum Last {
    /// A request that creates a record.
    #[default]
    Change,
    /// A transfer that moves money at once.
    Transfer,
    /// A request that only reads.
    Read,
    /// A request that one record accepts and another one executes.
    Accepted,
    /// A hold, which will be posted.
    Hold,
    /// A hold that was made, with the id of its transfer.
    Held(AccountId),
}

/// The part of a hold's answer that is read.
#[derive(serde::Deserialize)]
struct Held {
    transfer_id: String,
}

impl Requests {
    /// Creates at most `limit` requests among `accounts`, of which there must be at least two.
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
            async_deposit: Template::async_deposit(address),
            hold: Template::hold(address),
            post: Template::post_hold(address),
            keys: Keys::new(),
            accounts,
            choice,
            mix,
            deposited: false,
            rng: SmallRng::from_os_rng(),
            left: limit.unwrap_or(u64::MAX),
            last: Vec::new(),
        }
    }

    fn remember(&mut self, slot: usize, last: Last) {
        if self.last.len() <= slot {
            self.last.resize(slot + 1, Last::default());
        }
        self.last[slot] = last;
    }

    fn last(&self, slot: usize) -> Last {
        self.last.get(slot).copied().unwrap_or_default()
    }
}

impl Requests {
    /// Returns the next request of many transfers.
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
    fn expects(&self, slot: usize, status: u16) -> bool {
        match self.last(slot) {
            Last::Accepted => status == 202,
            // The echo and earlier builds answer with 200, and are measured too.
            Last::Transfer | Last::Hold => matches!(status, 200 | 201),
            Last::Change | Last::Read | Last::Held(_) => status == 200,
        }
    }

    fn next(&mut self, slot: usize) -> Option<&[u8]> {
        self.left = self.left.checked_sub(1)?;
        if self.many.is_some() {
            return self.next_many();
        }
        if let Last::Held(transfer) = self.last(slot) {
            self.remember(slot, Last::Change);
            return Some(self.post.fill(&mut self.keys, &[&transfer], 0));
        }
        let Mix {
            reads,
            deposits,
            asynchronous,
            holds,
            ..
        } = self.mix;
        let kind = if reads + deposits == 0 {
            100
        } else {
            self.rng.random_range(0..100)
        };
        let amount = self.rng.random_range(AMOUNTS);
        self.remember(
            slot,
            match kind {
                kind if kind < reads => Last::Read,
                kind if kind < reads + deposits && asynchronous => Last::Accepted,
                kind if kind >= reads + deposits && holds => Last::Hold,
                kind if kind >= reads + deposits => Last::Transfer,
                _ => Last::Change,
            },
        );
        if kind < reads + deposits {
            let account = &self.accounts[self.choice.one(&mut self.rng)];
            let template = if kind < reads {
                &mut self.read
            } else if asynchronous {
                &mut self.async_deposit
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
        let template = if holds {
            &mut self.hold
        } else {
            &mut self.transfer
        };
        Some(template.fill(&mut self.keys, &ends, amount))
    }

    fn records(&self, slot: usize) -> u64 {
        match self.last(slot) {
            Last::Read => 0,
            Last::Accepted => 2,
            Last::Change | Last::Transfer | Last::Hold | Last::Held(_) => 1,
        }
    }

    fn answered(&mut self, slot: usize, body: &[u8]) -> Result<(), String> {
        if let Last::Hold = self.last(slot) {
            let held: Held = serde_json::from_slice(body)
                .map_err(|error| format!("POST /transfers: its reply: {error}"))?;
            let id = AccountId::try_from(held.transfer_id.as_bytes())
                .map_err(|_| format!("POST /transfers: {:?} is no UUID", held.transfer_id))?;
            self.remember(slot, Last::Held(id));
        }
        Ok(())
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

    /// Returns all requests, each with the number of records that it creates.
    fn sent(mut script: Requests) -> Vec<(String, u64)> {
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
                assert!(keys.insert(key.to_owned()) && *records == 1);
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
            ..Mix::default()
        };
        let mut kinds: HashMap<String, u32> = HashMap::new();
        for (text, records) in sent(script(Choice::uniform(5), mix, 10_000)) {
            let first = text.lines().next().unwrap();
            let kind = first.replace(['a', 'b', 'c', 'd', 'e'], "");
            let is_read = first.starts_with("GET /accounts/");
            assert_eq!(records, u64::from(!is_read), "{first}");
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

    #[test]
    fn an_asynchronous_deposit_is_accepted_and_stands_for_two_records() {
        let mix = Mix {
            deposits: 100,
            asynchronous: true,
            ..Mix::default()
        };
        let mut script = script(Choice::uniform(5), mix, 3);
        while let Some(bytes) = script.next(1) {
            let first = String::from_utf8_lossy(bytes).into_owned();
            assert!(first.contains("/async-deposit HTTP/1.1\r\n"), "{first}");
            assert!(script.expects(1, 202) && !script.expects(1, 200));
            assert_eq!(script.records(1), 2);
        }
    }

    #[test]
    fn a_hold_that_was_made_is_posted_by_the_connection_that_made_it() {
        let mix = Mix {
            holds: true,
            ..Mix::default()
        };
        let mut script = script(Choice::uniform(5), mix, 4);
        let transfer = "f".repeat(36);
        let reply = format!(r#"{{"transfer_id":"{transfer}"}}"#);
        let next = |script: &mut Requests, slot| {
            String::from_utf8(script.next(slot).unwrap().to_vec()).unwrap()
        };
        let hold = next(&mut script, 0);
        assert!(hold.starts_with("POST /transfers HTTP") && hold.contains(r#""pending":true"#));
        assert!(script.answered(0, b"{}").is_err());
        script.answered(0, reply.as_bytes()).unwrap();
        assert!(next(&mut script, 1).starts_with("POST /transfers HTTP"));
        let post = next(&mut script, 0);
        assert!(post.starts_with(&format!("POST /transfers/{transfer}/post HTTP")));
        script.answered(0, b"{}").unwrap();
        assert!(next(&mut script, 0).starts_with("POST /transfers HTTP"));
    }
}
