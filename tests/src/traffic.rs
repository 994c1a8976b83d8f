//! Random money traffic over HTTP whose requests may fail, and the checks of the topics after it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::broker::{Broker, Names};
use crate::expected::{assert_published, exported};
use crate::http::{Client, Request};
use crate::poll::{eventually, within};
use crate::server::Server;
use crate::topic::Isolation;

/// Number of concurrent clients.
const CLIENTS: usize = 3;

/// Accounts and wallets with money, and random traffic between them.
#[derive(Debug)]
pub struct Traffic {
    entities: Vec<String>,
    rest: Duration,
    seed: AtomicU64,
    answered: AtomicU64,
}

impl Traffic {
    /// Opens some accounts and wallets with money.
    pub fn new(client: &Client, seed: u64) -> Self {
        let accounts = (0..6).map(|_| client.account_of(10_000));
        let wallets = (0..2).map(|_| client.wallet_of(10_000, &json!({})));
        Self {
            entities: accounts.chain(wallets).collect(),
            rest: Duration::ZERO,
            seed: AtomicU64::new(seed),
            answered: AtomicU64::new(0),
        }
    }

    /// Makes each client pause this long between two requests.
    #[must_use]
    pub fn resting(mut self, rest: Duration) -> Self {
        self.rest = rest;
        self
    }

    /// Returns the number of requests that were answered so far.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Sends requests from several clients while `meanwhile` runs.
    pub fn during<T>(&self, client: &Client, meanwhile: impl FnOnce() -> T) -> T {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                let seed = self.seed.fetch_add(1, Ordering::Relaxed);
                let (over, client) = (&over, Client::new(client.address()));
                scope.spawn(move || {
                    let mut random = SmallRng::seed_from_u64(seed);
                    while !over.load(Ordering::Relaxed) {
                        let request = self.request(&mut random);
                        match client.try_send(&request) {
                            Ok(_) => {
                                self.answered.fetch_add(1, Ordering::Relaxed);
                                thread::park_timeout(self.rest);
                            }
                            // The server is down, so the client pauses before the next request.
                            Err(_) => thread::park_timeout(Duration::from_millis(5)),
                        }
                    }
                });
            }
            let result = meanwhile();
            over.store(true, Ordering::Relaxed);
            result
        })
    }

    fn request(&self, random: &mut SmallRng) -> Request {
        let mut any = || &self.entities[random.random_range(0..self.entities.len())];
        let (one, other) = (any(), any());
        let amount = random.random_range(1..200);
        let money = json!({"amount": amount});
        let between = json!({"from": one, "to": other, "amount": amount});
        match random.random_range(0..9) {
            0 => Request::post(&format!("/accounts/{one}/deposit"), &money),
            1 => Request::post(&format!("/wallets/{one}/deposit"), &money),
            2 => Request::post(&format!("/accounts/{one}/withdraw"), &money),
            3 => Request::post(&format!("/accounts/{one}/async-deposit"), &money),
            // This withdrawal is refused if the balance is too low, and its key makes the refusal
            // an event.
            4 => {
                let much = json!({"amount": 9_000});
                let key = format!("poor-{}", random.random::<u64>());
                Request::post(&format!("/accounts/{one}/withdraw"), &much).key(&key)
            }
            5 => {
                let items: Vec<&Value> = vec![&between; random.random_range(1..8)];
                let batch = json!({"atomic": false, "transfers": items});
                Request::post("/transfers/batch", &batch)
            }
            _ => Request::post("/transfers", &between),
        }
    }
}

/// Waits a random time of `least` to `most` milliseconds. It only varies the moment of a fault; no
/// result depends on it.
pub fn a_moment(random: &mut SmallRng, least: u64, most: u64) {
    let moment = Duration::from_millis(random.random_range(least..=most));
    within(moment, || None::<()>);
}

/// Waits until every durable record is published.
#[track_caller]
pub fn drained(client: &Client) {
    eventually("the outbox is empty", || {
        let health = client.get("/health").ok();
        (health["bus"]["state"] == "connected" && health["outbox"]["records"] == 0).then_some(())
    });
}

/// The counts of what was found in the journal and on the topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Number of records in the journal.
    pub records: usize,
    /// Number of messages on the topics.
    pub messages: usize,
}

/// Waits until everything is published, stops Florin, and asserts that its journal is sound and
/// that the topics have each event once, in order.
///
/// # Panics
/// Panics if one of these doesn't hold.
#[track_caller]
pub fn published_once(server: &mut Server, broker: &Broker, names: &Names) -> Published {
    drained(server);
    server.verified();
    let lines = exported(&server.data_dir());
    let mut received = Vec::new();
    for topic in names.topics() {
        let messages = broker.read(&topic, Isolation::Committed).into_iter();
        received.extend(messages.map(|mut message| {
            // The values and other headers of a long run would fill the memory.
            message.value = None;
            let kept = ["ce_id", "ce_type", "ce_sequence"];
            message
                .headers
                .retain(|(name, _)| kept.contains(&name.as_str()));
            message.headers.shrink_to_fit();
            message
        }));
    }
    assert_published(&lines, names, &received);
    Published {
        records: lines.len(),
        messages: received.len(),
    }
}
