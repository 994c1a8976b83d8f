//! The clients' knowledge, and its comparison with the server after a kill.

use std::collections::BTreeMap;

use florin_tests::bank::{result_of, text};
use florin_tests::http::{Client, Request, Response};
use serde_json::{Value, json};

use super::command::{Command, Outcome};

/// The newest rows of every account's history.
pub type Rows = Vec<Vec<Value>>;

/// The knowledge of the clients: every movement that was acknowledged or found, by account and
/// version.
pub struct Ledger {
    pub accounts: Vec<String>,
    pub steps: Vec<BTreeMap<u64, (i64, i64)>>,
    pub stored: Vec<(Request, u16, Value)>,
    /// The numbers of unanswered commands that had happened, and that had not.
    pub unanswered: (usize, usize),
}

impl Ledger {
    pub fn new(accounts: Vec<String>) -> Self {
        let steps = accounts.iter().map(|_| BTreeMap::new()).collect();
        Self {
            accounts,
            steps,
            stored: Vec::new(),
            unanswered: (0, 0),
        }
    }

    /// Checks that a command that was answered before the kill gets the same answer after it.
    pub fn confirm(&mut self, server: &Client, command: &Command, first: &Response) -> Outcome {
        let outcome = command.outcome(first);
        if command.keyed {
            let again = server.send(&command.request);
            assert!(
                again.replayed(),
                "{} was answered and is forgotten: {}",
                command.reference,
                again.text()
            );
            assert_eq!(
                (again.status, comparable(&again)),
                (first.status, comparable(first))
            );
            self.stored
                .push((command.request.clone(), first.status, comparable(first)));
        } else if outcome.is_some() {
            let operation = text(&first.json(), "operation_id");
            let operation = server.get(&format!("/operations/{operation}")).ok();
            assert_eq!(
                (&operation["status"], &result_of(&operation)),
                (&json!("completed"), &first.json())
            );
        }
        outcome
    }

    /// Checks that an unanswered command happened completely or not at all. A repeat of its key
    /// tells which, and executes it if it had not happened.
    pub fn resolve(&mut self, server: &Client, command: &Command) -> Outcome {
        if command.ends.is_empty() {
            let before = found_account(server, command);
            self.count(before);
            let answer = server.send(&command.request);
            assert_eq!(
                answer.replayed(),
                before,
                "{}: {}",
                command.reference,
                answer.text()
            );
            assert!(found_account(server, command));
            self.stored
                .push((command.request.clone(), answer.status, comparable(&answer)));
            return command.outcome(&answer);
        }
        let found: Vec<Option<Value>> = command
            .ends
            .iter()
            .map(|(end, _)| self.found(server, *end, command))
            .collect();
        let count = found.iter().flatten().count();
        assert!(
            count == 0 || count == found.len(),
            "{} is there in part: {found:?}",
            command.reference
        );
        self.count(count > 0);
        let known = found[0]
            .as_ref()
            .map(|row| self.check_found(server, command, row));
        if !command.keyed {
            let after = |row: &Value| {
                (
                    row["version"].as_u64().unwrap(),
                    row["balance_after"].as_i64().unwrap(),
                )
            };
            return known.map(|_| found.iter().flatten().map(after).collect());
        }
        let answer = server.send(&command.request);
        match known {
            Some(operation) => {
                assert!(answer.replayed(), "{} is done twice", command.reference);
                assert_eq!(answer.ok()["operation_id"], operation.as_str());
            }
            None => assert!(
                answer.status == 422 || !answer.replayed(),
                "{}",
                answer.text()
            ),
        }
        self.stored
            .push((command.request.clone(), answer.status, comparable(&answer)));
        command.outcome(&answer)
    }

    /// Checks a batch or a transaction of many legs. An answered one gets the same answer, an
    /// unanswered one happened completely or not at all, and the histories match the answer.
    pub fn confirm_many(
        &mut self,
        server: &Client,
        command: &Command,
        first: Option<Response>,
        history: &mut Option<Rows>,
    ) {
        let Some(many) = &command.many else { return };
        let rows = history.get_or_insert_with(|| self.rows(server));
        let before = self.moved(rows, command);
        let answer = server.send(&command.request);
        match &first {
            Some(first) => {
                assert!(answer.replayed(), "{} is forgotten", command.reference);
                assert_eq!(
                    (answer.status, comparable(&answer)),
                    (first.status, comparable(first))
                );
            }
            None => {
                self.count(answer.replayed());
                assert!(
                    answer.replayed() || before.is_empty(),
                    "{} is done twice",
                    command.reference
                );
            }
        }
        let after = if answer.replayed() {
            before
        } else {
            let rows = history.insert(self.rows(server));
            self.moved(rows, command)
        };
        let mut moves: Vec<_> = after
            .iter()
            .map(|(account, (_, amount, _))| (*account, *amount))
            .collect();
        moves.sort_unstable();
        assert_eq!(moves, many.moves(&answer), "{}", command.reference);
        for (account, (version, amount, after)) in after {
            let known = self.steps[account].insert(version, (amount, after));
            assert_eq!(
                known, None,
                "{}: a version was given twice",
                command.reference
            );
        }
        self.stored
            .push((command.request.clone(), answer.status, comparable(&answer)));
    }

    fn rows(&self, server: &Client) -> Rows {
        let page = |id: &String| {
            let page = server
                .get(&format!("/accounts/{id}/transactions?limit=1000"))
                .ok();
            page["data"].as_array().unwrap().clone()
        };
        self.accounts.iter().map(page).collect()
    }

    /// Returns the movements of a command by account: version, amount and balance of each.
    fn moved(&self, rows: &Rows, command: &Command) -> Vec<(usize, (u64, i64, i64))> {
        let own = |row: &&Value| row["reference"] == command.reference.as_str();
        let number = |row: &Value, field: &str| row[field].as_i64().unwrap();
        let each = rows.iter().enumerate().flat_map(|(account, rows)| {
            let own = rows.iter().filter(own);
            own.map(move |row| {
                let version = row["version"].as_u64().unwrap();
                let moved = (version, number(row, "amount"), number(row, "balance_after"));
                (account, moved)
            })
        });
        each.collect()
    }

    const fn count(&mut self, happened: bool) {
        match happened {
            true => self.unanswered.0 += 1,
            false => self.unanswered.1 += 1,
        }
    }

    /// Returns the command's row in the history of one of its ends.
    fn found(&self, server: &Client, end: usize, command: &Command) -> Option<Value> {
        let path = format!("/accounts/{}/transactions?limit=1000", self.accounts[end]);
        let page = server.get(&path).ok();
        let rows = page["data"].as_array().unwrap().iter();
        let mut rows = rows.filter(|row| row["reference"] == command.reference.as_str());
        let first = rows.next().cloned();
        assert_eq!(rows.next(), None, "{} is there twice", command.reference);
        first
    }

    /// Checks that a movement that was found is a completed operation and a balanced transaction.
    /// Returns its id.
    fn check_found(&self, server: &Client, command: &Command, row: &Value) -> String {
        let id = text(row, "transaction_id");
        let operation = server.get(&format!("/operations/{id}")).ok();
        assert_eq!(operation["status"], "completed", "{}", command.reference);
        let transaction = server.get(&format!("/ledger/transactions/{id}")).ok();
        let postings = transaction["postings"].as_array().unwrap().iter();
        assert_eq!(
            postings
                .map(|posting| posting["amount"].as_i64().unwrap())
                .sum::<i64>(),
            0
        );
        id
    }

    pub fn note(&mut self, command: &Command, outcome: Outcome) {
        for ((end, sign), (version, after)) in
            command.ends.iter().zip(outcome.into_iter().flatten())
        {
            let step = (sign * command.amount, after);
            let before = self.steps[*end].insert(version, step);
            assert_eq!(
                before, None,
                "{}: a version was given twice",
                command.reference
            );
        }
    }

    /// Checks that balances and versions follow from the known movements, without a gap.
    #[track_caller]
    pub fn compare(&self, server: &Client) {
        for (id, steps) in self.accounts.iter().zip(&self.steps) {
            let (mut version, mut balance) = (1, 0);
            for (own, (amount, after)) in steps {
                version += 1;
                balance += amount;
                assert_eq!(
                    (*own, *after),
                    (version, balance),
                    "{id}: a movement nobody knows"
                );
                assert!(balance >= 0, "{id} was overdrawn");
            }
            let account = server.read(id);
            assert_eq!(
                (&account["version"], &account["balance"]),
                (&json!(version), &json!(balance)),
                "{id}"
            );
        }
        let totals = server.get("/ledger/trial-balance").ok();
        let outside: i64 = self
            .steps
            .iter()
            .filter_map(|steps| steps.values().next_back())
            .map(|(_, after)| after)
            .sum();
        let usd = &totals["currencies"]["USD"];
        if !usd.is_null() {
            assert_eq!(usd["difference"], "0", "{totals}");
            assert!(
                text(usd, "credits").parse::<i64>().unwrap() >= outside,
                "{totals}"
            );
        }
    }
}

fn found_account(server: &Client, command: &Command) -> bool {
    let found = server.list(&format!("/accounts?reference={}", command.reference));
    assert!(found.len() <= 1, "{found:?}");
    found.len() == 1
}

/// Returns the answer without the id of its request.
pub fn comparable(answer: &Response) -> Value {
    let mut body = answer.json();
    if let Some(fields) = body.as_object_mut() {
        fields.remove("request_id");
    }
    body
}
