//! Requests that are rendered once per thread. Each send overwrites the key, the ids and the amount
//! in place.

use std::net::SocketAddr;

use super::keys::{Keys, write_number};
use super::{AccountId, Many};

/// The range of amounts. All have three digits, so that every body has the same length.
pub const AMOUNTS: std::ops::RangeInclusive<u32> = 100..=999;

const ID_LEN: usize = size_of::<AccountId>();
const AMOUNT_LEN: usize = 3;
/// Placeholders of the parts that are overwritten. They occur nowhere else in a request.
const KEY: &str = "{KEY}";
const ID: &str = "{ID}";
const AMOUNT: &str = "{AMOUNT}";

/// A rendered request and the positions of its changing parts.
pub struct Template {
    bytes: Vec<u8>,
    key: Option<usize>,
    ids: Vec<usize>,
    amount: Option<usize>,
}

impl Template {
    /// Creates `POST /transfers`.
    pub fn transfer(address: SocketAddr) -> Self {
        Self::post(
            address,
            "/transfers",
            r#"{"from":"{ID}","to":"{ID}","amount":{AMOUNT}}"#,
        )
    }

    /// Creates `POST /accounts/ID/deposit`.
    pub fn deposit(address: SocketAddr) -> Self {
        Self::post(address, "/accounts/{ID}/deposit", r#"{"amount":{AMOUNT}}"#)
    }

    /// Creates `POST /accounts/ID/async-deposit`.
    pub fn async_deposit(address: SocketAddr) -> Self {
        Self::post(
            address,
            "/accounts/{ID}/async-deposit",
            r#"{"amount":{AMOUNT}}"#,
        )
    }

    /// Creates `POST /transfers` with a pending transfer.
    pub fn hold(address: SocketAddr) -> Self {
        Self::post(
            address,
            "/transfers",
            r#"{"from":"{ID}","to":"{ID}","amount":{AMOUNT},"pending":true}"#,
        )
    }

    /// Creates `POST /transfers/ID/post` for the full amount.
    pub fn post_hold(address: SocketAddr) -> Self {
        Self::post(address, "/transfers/{ID}/post", "{}")
    }

    /// Creates `POST /accounts/ID/withdraw`.
    pub fn withdraw(address: SocketAddr) -> Self {
        Self::post(address, "/accounts/{ID}/withdraw", r#"{"amount":{AMOUNT}}"#)
    }

    /// Creates `POST /transfers/batch` or `POST /transactions`. All transfers have the same amount.
    pub fn many(address: SocketAddr, many: Many) -> Self {
        let transfers =
            |count| vec![r#"{"from":"{ID}","to":"{ID}","amount":100}"#; count].join(",");
        match many {
            Many::Batch(count, atomic) => Self::post(
                address,
                "/transfers/batch",
                &format!(
                    r#"{{"atomic":{atomic},"transfers":[{}]}}"#,
                    transfers(count)
                ),
            ),
            Many::Legs(count) => Self::post(
                address,
                "/transactions",
                &format!(r#"{{"legs":[{}]}}"#, transfers(count)),
            ),
        }
    }

    /// Creates `GET /accounts/ID`.
    pub fn read(address: SocketAddr) -> Self {
        Self::of(&format!(
            "GET /accounts/{{ID}} HTTP/1.1\r\nHost: {address}\r\n\r\n"
        ))
    }

    fn post(address: SocketAddr, path: &str, body: &str) -> Self {
        let body_len = Self::of(body).bytes.len();
        Self::of(&format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {body_len}\r\nIdempotency-Key: {{KEY}}\r\n\r\n{body}"
        ))
    }

    /// Replaces the placeholders of `text` with zeros and notes their positions.
    fn of(text: &str) -> Self {
        let mut template = Self {
            bytes: Vec::new(),
            key: None,
            ids: Vec::new(),
            amount: None,
        };
        let mut rest = text;
        while !rest.is_empty() {
            let at = template.bytes.len();
            let (zeros, after) = if let Some(after) = rest.strip_prefix(KEY) {
                template.key = Some(at);
                (Keys::LEN, after)
            } else if let Some(after) = rest.strip_prefix(ID) {
                template.ids.push(at);
                (ID_LEN, after)
            } else if let Some(after) = rest.strip_prefix(AMOUNT) {
                template.amount = Some(at);
                (AMOUNT_LEN, after)
            } else {
                let (first, after) = rest.split_at(1);
                template.bytes.extend_from_slice(first.as_bytes());
                (0, after)
            };
            template.bytes.resize(template.bytes.len() + zeros, b'0');
            rest = after;
        }
        template
    }

    /// Returns the request with the next key, these ids in their order, and this amount.
    pub fn fill(&mut self, keys: &mut Keys, ids: &[&AccountId], amount: u32) -> &[u8] {
        if let Some(at) = self.key {
            keys.write_next(&mut self.bytes[at..at + Keys::LEN]);
        }
        for (&at, id) in self.ids.iter().zip(ids) {
            self.bytes[at..at + ID_LEN].copy_from_slice(*id);
        }
        if let Some(at) = self.amount {
            write_number(&mut self.bytes[at..at + AMOUNT_LEN], amount.into(), 10);
        }
        &self.bytes
    }
}
