//! The requests of the transfer scenarios: one `POST /transfers` rendered once a thread, of which
//! each request overwrites the key, the two ids and the amount in place.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use crate::load::Script;

/// An account's id as it stands in JSON.
pub type AccountId = [u8; ID_LEN];

const ID_LEN: usize = 36;
/// Three digits, so that every body has the same length.
const AMOUNTS: std::ops::RangeInclusive<u32> = 100..=999;

/// Who pays whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairs {
    /// Two different accounts, each as likely as any other.
    Uniform,
    /// The first account in every transfer, in turn as source and as target.
    Hot,
}

/// One thread's transfers.
pub struct Transfers {
    request: Template,
    keys: Keys,
    accounts: Arc<[AccountId]>,
    pairs: Pairs,
    rng: SmallRng,
    left: u64,
}

impl Transfers {
    /// At most `limit` transfers among `accounts`, of which there are at least two.
    pub fn new(
        address: SocketAddr,
        accounts: Arc<[AccountId]>,
        pairs: Pairs,
        limit: Option<u64>,
    ) -> Self {
        Self {
            request: Template::render(address),
            keys: Keys::new(),
            accounts,
            pairs,
            rng: SmallRng::from_os_rng(),
            left: limit.unwrap_or(u64::MAX),
        }
    }

    fn pair(&mut self) -> (usize, usize) {
        let others = self.accounts.len() - 1;
        match self.pairs {
            Pairs::Uniform => {
                let from = self.rng.random_range(0..=others);
                let to = self.rng.random_range(0..others);
                (from, if to < from { to } else { to + 1 })
            }
            Pairs::Hot => {
                let other = self.rng.random_range(1..=others);
                if self.left.is_multiple_of(2) {
                    (0, other)
                } else {
                    (other, 0)
                }
            }
        }
    }
}

impl Script for Transfers {
    fn expected_status(&self, _slot: usize) -> u16 {
        200
    }

    fn next(&mut self, _slot: usize) -> Option<&[u8]> {
        self.left = self.left.checked_sub(1)?;
        let (from, to) = self.pair();
        let amount = self.rng.random_range(AMOUNTS);
        let Template {
            bytes,
            key,
            from: from_at,
            to: to_at,
            amount: amount_at,
        } = &mut self.request;
        self.keys.write_next(&mut bytes[*key..*key + Keys::LEN]);
        bytes[*from_at..*from_at + ID_LEN].copy_from_slice(&self.accounts[from]);
        bytes[*to_at..*to_at + ID_LEN].copy_from_slice(&self.accounts[to]);
        write_number(&mut bytes[*amount_at..*amount_at + 3], amount.into(), 10);
        Some(bytes)
    }
}

/// A rendered request and where its changing parts begin.
struct Template {
    bytes: Vec<u8>,
    key: usize,
    from: usize,
    to: usize,
    amount: usize,
}

impl Template {
    fn render(address: SocketAddr) -> Self {
        let id = "0".repeat(ID_LEN);
        let body = format!(r#"{{"from":"{id}","to":"{id}","amount":000}}"#);
        let until_key = format!(
            "POST /transfers HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nIdempotency-Key: ",
            body.len()
        );
        let head = format!("{until_key}{}\r\n\r\n", "0".repeat(Keys::LEN));
        let from = head.len() + r#"{"from":""#.len();
        let to = from + ID_LEN + r#"","to":""#.len();
        Self {
            key: until_key.len(),
            from,
            to,
            amount: to + ID_LEN + r#"","amount":"#.len(),
            bytes: (head + &body).into_bytes(),
        }
    }
}

/// Idempotency keys that never come twice: a random number of this process, a number of this
/// sequence within it, a counter. A key that came before would measure a replay.
pub struct Keys {
    sequence: u32,
    next: u64,
}

static SEQUENCES: AtomicU32 = AtomicU32::new(0);
static PROCESS: OnceLock<u64> = OnceLock::new();

impl Keys {
    /// Bytes of a key: 16, 6 and 12 hexadecimal digits with dashes between.
    pub const LEN: usize = 36;

    pub fn new() -> Self {
        Self {
            sequence: SEQUENCES.fetch_add(1, Ordering::Relaxed),
            next: 0,
        }
    }

    /// Writes the next key over `LEN` bytes.
    pub fn write_next(&mut self, key: &mut [u8]) {
        let process = *PROCESS.get_or_init(|| SmallRng::from_os_rng().random());
        write_number(&mut key[..16], process, 16);
        key[16] = b'-';
        write_number(&mut key[17..23], self.sequence.into(), 16);
        key[23] = b'-';
        write_number(&mut key[24..], self.next, 16);
        self.next += 1;
    }

    /// The next key, as text.
    pub fn next_text(&mut self) -> String {
        let mut key = vec![0; Self::LEN];
        self.write_next(&mut key);
        key.into_iter().map(char::from).collect()
    }
}

/// Writes a number with leading zeros over all of `digits`.
fn write_number(digits: &mut [u8], mut number: u64, base: u64) {
    for digit in digits.iter_mut().rev() {
        // Below 16, so the cast keeps it.
        *digit = b"0123456789abcdef"[(number % base) as usize];
        number /= base;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[derive(serde::Deserialize)]
    struct Body {
        from: String,
        to: String,
        amount: u64,
    }

    fn accounts(count: u8) -> Arc<[AccountId]> {
        (0..count).map(|n| [b'a' + n; ID_LEN]).collect()
    }

    fn requests(pairs: Pairs, count: usize) -> Vec<(String, Body)> {
        let address = "127.0.0.1:8080".parse().unwrap();
        let mut script = Transfers::new(address, accounts(5), pairs, Some(count as u64));
        let mut requests = Vec::new();
        while let Some(bytes) = script.next(0) {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("POST /transfers HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"));
            assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
            let (_, key) = head.split_once("Idempotency-Key: ").unwrap();
            requests.push((key.to_owned(), serde_json::from_str(body).unwrap()));
        }
        assert_eq!(requests.len(), count);
        requests
    }

    #[test]
    fn uniform_pairs_are_two_accounts_and_all_pairs_come() {
        let mut pairs = HashSet::new();
        for (_, body) in requests(Pairs::Uniform, 2_000) {
            assert_ne!(body.from, body.to);
            assert!((100..=999).contains(&body.amount));
            pairs.insert((body.from, body.to));
        }
        assert_eq!(pairs.len(), 5 * 4);
    }

    #[test]
    fn the_hot_account_is_source_and_target_in_turn() {
        let hot = "a".repeat(ID_LEN);
        let sides: Vec<_> = requests(Pairs::Hot, 100)
            .iter()
            .map(|(_, body)| {
                assert_ne!(body.from, body.to);
                (body.from == hot, body.to == hot)
            })
            .collect();
        assert!(sides.iter().all(|(from, to)| from != to));
        assert!(sides.windows(2).all(|two| two[0] != two[1]));
    }

    #[test]
    fn keys_never_come_twice_across_scripts() {
        let mut keys = HashSet::new();
        for pairs in [Pairs::Uniform, Pairs::Uniform, Pairs::Hot] {
            for (key, _) in requests(pairs, 500) {
                assert_eq!(key.len(), Keys::LEN);
                assert!(keys.insert(key));
            }
        }
    }

    #[test]
    fn numbers_are_padded() {
        let mut digits = [b'x'; 4];
        write_number(&mut digits, 0xaf, 16);
        assert_eq!(&digits, b"00af");
        write_number(&mut digits, 907, 10);
        assert_eq!(&digits, b"0907");
    }
}
