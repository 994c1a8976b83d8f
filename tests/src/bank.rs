//! Helpers for the first steps of most tests: they open accounts, deposit money and read it back.
//! Each helper asserts that the server succeeded.

use serde_json::{Value, json};

use crate::http::{Client, Request, Response};

/// The largest amount and balance: 2^53 − 1.
pub const AMOUNT_MAX: i64 = 9_007_199_254_740_991;

/// A well-formed UUID that no server has given out.
pub const UNKNOWN_ID: &str = "0197a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b";

/// Returns the fields of an account for tests that don't depend on them.
pub fn opening() -> Value {
    json!({"holder_name": "Ada Lovelace", "country_code": "GB"})
}

/// Returns `base` with the fields of `more` added or replaced.
pub fn with(mut base: Value, more: &Value) -> Value {
    let fields = base.as_object_mut().expect("an object");
    for (name, value) in more.as_object().expect("an object") {
        fields.insert(name.clone(), value.clone());
    }
    base
}

/// Returns the text of a field.
///
/// # Panics
/// Panics if the field isn't a text.
#[track_caller]
pub fn text(body: &Value, field: &str) -> String {
    match body[field].as_str() {
        Some(text) => text.to_owned(),
        None => panic!("no text {field} in {body}"),
    }
}

/// Returns the result of an operation in the form of the command's own answer: without `type`,
/// which names the form of the result.
///
/// # Panics
/// Panics if the result has no `type`.
#[track_caller]
pub fn result_of(operation: &Value) -> Value {
    let mut result = operation["result"].clone();
    let fields = result.as_object_mut().expect("a result");
    assert!(fields.remove("type").is_some(), "no type in {operation}");
    result
}

/// Returns the balance, held and available amounts and the version of an answer, or of one end of a
/// transfer.
pub fn money(answer: &Value) -> Value {
    json!([
        answer["balance"],
        answer["held"],
        answer["available"],
        answer["version"]
    ])
}

/// Reports whether a text is a UUID of version 7 in lower case.
pub fn is_id(text: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [8, 4, 4, 4, 12]
        && parts.iter().all(|part| digits(part))
        && parts[2].starts_with('7')
        && parts[3].starts_with(['8', '9', 'a', 'b'])
}

/// Reports whether a text is an RFC 3339 time in UTC with microseconds.
pub fn is_time(text: &str) -> bool {
    let form = "0000-00-00T00:00:00.000000Z";
    text.len() == form.len()
        && text.chars().zip(form.chars()).all(|(is, must)| match must {
            '0' => is.is_ascii_digit(),
            _ => is == must,
        })
}

impl Client {
    /// Opens an account with these fields besides holder and country, and returns the answer.
    #[track_caller]
    pub fn open(&self, fields: &Value) -> Value {
        self.post("/accounts", &with(opening(), fields)).with(201)
    }

    /// Opens an account and returns its id.
    #[track_caller]
    pub fn account(&self) -> String {
        text(&self.open(&json!({})), "id")
    }

    /// Opens an account, deposits money, and returns its id.
    #[track_caller]
    pub fn account_of(&self, amount: i64) -> String {
        let id = self.account();
        self.deposit(&id, amount).ok();
        id
    }

    /// Deposits money into an account.
    #[track_caller]
    pub fn deposit(&self, id: &str, amount: i64) -> Response {
        self.post(
            &format!("/accounts/{id}/deposit"),
            &json!({"amount": amount}),
        )
    }

    /// Withdraws money from an account.
    #[track_caller]
    pub fn withdraw(&self, id: &str, amount: i64) -> Response {
        self.post(
            &format!("/accounts/{id}/withdraw"),
            &json!({"amount": amount}),
        )
    }

    /// Transfers money between two accounts.
    #[track_caller]
    pub fn transfer(&self, from: &str, to: &str, amount: i64) -> Response {
        self.post(
            "/transfers",
            &json!({"from": from, "to": to, "amount": amount}),
        )
    }

    /// Makes a pending transfer.
    #[track_caller]
    pub fn hold(&self, from: &str, to: &str, amount: i64) -> Response {
        self.post(
            "/transfers",
            &json!({"from": from, "to": to, "amount": amount, "pending": true}),
        )
    }

    /// Makes a pending transfer and returns its id.
    #[track_caller]
    pub fn held(&self, from: &str, to: &str, amount: i64) -> String {
        text(&self.hold(from, to, amount).created(), "transfer_id")
    }

    /// Posts, voids or reverses a transfer.
    #[track_caller]
    pub fn settle(&self, transfer: &str, how: &str, body: &Value) -> Response {
        self.post(&format!("/transfers/{transfer}/{how}"), body)
    }

    /// Returns the current state of a transfer.
    #[track_caller]
    pub fn transfer_of(&self, id: &str) -> Value {
        self.get(&format!("/transfers/{id}")).ok()
    }

    /// Opens a wallet with these fields besides a customer id, and returns the answer.
    #[track_caller]
    pub fn open_wallet(&self, fields: &Value) -> Value {
        let customer = json!({"customer_id": UNKNOWN_ID});
        self.post("/wallets", &with(customer, fields)).with(201)
    }

    /// Opens a wallet with these limits, deposits money if `amount` is positive, and returns its
    /// id.
    #[track_caller]
    pub fn wallet_of(&self, amount: i64, limits: &Value) -> String {
        let id = text(&self.open_wallet(&json!({"limits": limits})), "id");
        if amount > 0 {
            self.post(
                &format!("/wallets/{id}/deposit"),
                &json!({"amount": amount}),
            )
            .ok();
        }
        id
    }

    /// Returns the current state of a wallet.
    #[track_caller]
    pub fn read_wallet(&self, id: &str) -> Value {
        self.get(&format!("/wallets/{id}")).ok()
    }

    /// Freezes an account.
    #[track_caller]
    pub fn freeze(&self, id: &str) {
        self.patch(&format!("/accounts/{id}"), &json!({"status": "FROZEN"}))
            .ok();
    }

    /// Returns the current state of an account.
    #[track_caller]
    pub fn read(&self, id: &str) -> Value {
        self.get(&format!("/accounts/{id}")).ok()
    }

    /// Returns the balance of an account.
    #[track_caller]
    pub fn balance(&self, id: &str) -> i64 {
        self.read(id)["balance"].as_i64().expect("a balance")
    }

    /// Returns all entries of a list, read page by page.
    #[track_caller]
    pub fn list(&self, target: &str) -> Vec<Value> {
        let mut entries = Vec::new();
        let mut cursor = String::new();
        loop {
            let link = if target.contains('?') { '&' } else { '?' };
            let page = match cursor.as_str() {
                "" => self.get(target).ok(),
                cursor => self.get(&format!("{target}{link}cursor={cursor}")).ok(),
            };
            entries.extend(page["data"].as_array().expect("a list").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => {
                    assert_eq!(page["has_more"], true, "{page}");
                    assert_ne!(next, cursor, "the list does not go on");
                    next.clone_into(&mut cursor);
                }
                None => {
                    assert_eq!(page["has_more"], false, "{page}");
                    return entries;
                }
            }
        }
    }

    /// Returns the sequence of the journal's last record, which grows with every write.
    #[track_caller]
    pub fn sequence(&self) -> u64 {
        let balance = self.get("/ledger/trial-balance").ok();
        balance["as_of_sequence"].as_u64().expect("a sequence")
    }

    /// Sends a request that must be refused and write nothing. No other client may write meanwhile.
    #[track_caller]
    pub fn refused(&self, request: &Request, status: u16, code: &str) -> Value {
        let before = self.sequence();
        let problem = self.send(request).problem(status, code);
        assert_eq!(self.sequence(), before, "a refusal wrote: {problem}");
        problem
    }
}
