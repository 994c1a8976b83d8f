//! `kill -9` under traffic, again and again on the same data: what was acknowledged is there once,
//! what was refused has no effect, what was not answered happened whole or not at all.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use florin_tests::bank::{opening, text, with};
use florin_tests::executable;
use florin_tests::http::{Client, Connection, Request, Response};
use florin_tests::poll::eventually;
use florin_tests::server::Server;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rustix::process::Signal;
use serde_json::{Value, json};

const KILLS: usize = 60;
const CLIENTS: usize = 4;
const ACCOUNTS: usize = 6;
/// Answers of a round before the kill, at most.
const ANSWERS_MAX: usize = 150;
/// What the account has that holds are made of.
const HELD_MAX: i64 = 1_000;
/// Set it to repeat a run's traffic.
const SEED: &str = "FLORIN_TESTS_SEED";

#[test]
fn sixty_kills_lose_nothing_that_was_acknowledged_and_repeat_nothing() {
    let seed = std::env::var(SEED)
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| SmallRng::from_os_rng().random());
    println!("{SEED}={seed} cargo test -p florin-tests --test suite crash::");
    let mut random = SmallRng::seed_from_u64(seed);
    // Small enough that segments are sealed and views are written between two kills.
    let mut server = Server::with(&[
        ("journal.segment_bytes_max", "1048576"),
        ("views.flush_records_max", "300"),
        ("views.index_segment_entries", "1000"),
        ("gateway.lanes", "2"),
    ]);
    let accounts: Vec<String> = (0..ACCOUNTS).map(|_| server.account()).collect();
    let holder = server.account_of(HELD_MAX);
    let mut holds = 0;
    let mut ledger = Ledger::new(accounts);
    for round in 0..KILLS {
        // They are over at any moment: before the kill, while the server is down, or after it.
        let hold = json!({
            "from": holder, "to": ledger.accounts[0], "amount": 1, "pending": true,
            "expires_in_seconds": random.random_range(1..4),
        });
        server.post("/transfers", &hold).ok();
        holds += 1;
        let answered = round_of_traffic(&server, &ledger.accounts, round, &mut random);
        server.ended();
        if round % 5 == 0 {
            verify(&server);
        }
        for _ in 0..random.random_range(0..3) {
            server.false_start(random.random_range(0..200));
        }
        server.start_again();
        let mut history = None;
        for (command, answer) in answered {
            if command.many.is_some() {
                ledger.settle_many(&server, &command, answer, &mut history);
                continue;
            }
            let outcome = match answer {
                Some(answer) => ledger.confirm(&server, &command, &answer),
                None => ledger.resolve(&server, &command),
            };
            ledger.note(&command, outcome);
        }
        ledger.compare(&server);
    }
    for (index, id) in ledger.accounts.iter().enumerate() {
        let history = server.list(&format!("/accounts/{id}/transactions?limit=1000"));
        let steps: Vec<Value> = history
            .iter()
            .rev()
            .map(|row| json!([row["version"], row["amount"], row["balance_after"]]))
            .collect();
        let own = ledger.steps[index]
            .iter()
            .map(|(version, (amount, after))| json!([version, amount, after]));
        assert_eq!(steps, own.collect::<Vec<_>>());
    }
    eventually("what was held is free again", || {
        let account = server.read(&holder);
        (account["held"] == 0).then(|| {
            let right = (json!(HELD_MAX), json!(2 + 2 * holds));
            assert_eq!(
                (account["balance"].clone(), account["version"].clone()),
                right
            );
        })
    });
    server.kill();
    verify(&server);
    // Every key that was ever answered is still answered alike.
    server.start_again();
    for (request, status, first) in &ledger.stored {
        let again = server.send(request);
        assert!(again.replayed(), "{}", again.text());
        assert_eq!((again.status, &comparable(&again)), (*status, first));
    }
    ledger.compare(&server);
    let movements: usize = ledger.steps.iter().map(BTreeMap::len).sum();
    let (happened, lost) = ledger.unanswered;
    println!(
        "{movements} movements, {} keyed answers",
        ledger.stored.len()
    );
    println!("{happened} commands happened without an answer, {lost} did not");
}

/// What a client asks for.
#[derive(Debug, Clone)]
struct Command {
    request: Request,
    /// Unique, and kept with what the command makes.
    reference: String,
    keyed: bool,
    /// The accounts whose money it moves, with the sign of each: their places.
    ends: Vec<(usize, i64)>,
    amount: i64,
    /// The transfers of a batch or the legs of a transaction, which have no ends of their own.
    many: Option<Many>,
}

/// Many transfers in one command.
#[derive(Debug, Clone)]
struct Many {
    /// Whether an entity has one movement in all.
    nets: bool,
    /// Whether all are made or none.
    atomic: bool,
    /// From, to and how much each.
    items: Vec<(usize, usize, i64)>,
}

impl Many {
    fn random(accounts: &[String], reference: &str, random: &mut SmallRng) -> (Request, Self) {
        let nets = random.random_ratio(1, 3);
        // No sum of different powers of three is zero: each end has a movement, also in all.
        let items: Vec<_> = (0..random.random_range(2..6_u32))
            .map(|place| {
                let from = random.random_range(0..accounts.len());
                let to = (from + random.random_range(1..accounts.len())) % accounts.len();
                (from, to, 3_i64.pow(place))
            })
            .collect();
        let atomic = nets || random.random();
        let transfer = |(from, to, amount): &(usize, usize, i64)| json!({"from": accounts[*from], "to": accounts[*to], "amount": amount});
        let legs: Vec<Value> = items.iter().map(transfer).collect();
        let named = json!({"reference": reference});
        let request = if nets {
            Request::post("/transactions", &with(json!({ "legs": legs }), &named))
        } else {
            let transfers: Vec<Value> = legs.into_iter().map(|leg| with(leg, &named)).collect();
            let body = json!({"atomic": atomic, "transfers": transfers});
            Request::post("/transfers/batch", &body)
        };
        let many = Self {
            nets,
            atomic,
            items,
        };
        (request.key(reference), many)
    }

    /// What an answer says that each account moved by, sorted.
    #[track_caller]
    fn moves(&self, answer: &Response) -> Vec<(usize, i64)> {
        if answer.status != 200 {
            assert!(self.atomic, "{}", answer.text());
            answer.problem(422, "batch_rejected");
            return Vec::new();
        }
        let body = answer.json();
        let is_done = |index: usize| {
            let code = &body["results"][index]["code"];
            assert!(code.is_null() || !self.atomic, "{body}");
            code.is_null()
        };
        let done = self.items.iter().enumerate();
        let done = done.filter(|(index, _)| self.nets || is_done(*index));
        let mut moves: Vec<_> = done
            .flat_map(|(_, (from, to, amount))| [(*from, -amount), (*to, *amount)])
            .collect();
        if self.nets {
            let mut sums = BTreeMap::new();
            for (account, amount) in moves {
                *sums.entry(account).or_insert(0) += amount;
            }
            moves = sums.into_iter().filter(|(_, sum)| *sum != 0).collect();
        }
        moves.sort_unstable();
        moves
    }
}

/// The newest rows of every account's history.
type Rows = Vec<Vec<Value>>;

/// What a command did: the versions and balances that it gave to its ends, in their order.
type Outcome = Option<Vec<(u64, i64)>>;

/// Traffic from several clients, and a kill at a random moment of it. Every command that was sent,
/// with its answer if there was one.
fn round_of_traffic(
    server: &Server,
    accounts: &[String],
    round: usize,
    random: &mut SmallRng,
) -> Vec<(Command, Option<Response>)> {
    let answers = AtomicUsize::new(0);
    let enough = random.random_range(1..ANSWERS_MAX);
    let spins = random.random_range(0..20_000);
    let kill = server.signaller();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let name = format!("{round}-{client}");
                let random = SmallRng::seed_from_u64(random.random());
                let answers = &answers;
                scope.spawn(move || one_client(server, accounts, &name, random, answers))
            })
            .collect();
        eventually("the traffic runs", || {
            (answers.load(Ordering::Relaxed) >= enough).then_some(())
        });
        // Anywhere between two answers.
        (0..spins).for_each(|_| std::hint::spin_loop());
        kill(Signal::KILL);
        clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect()
    })
}

fn one_client(
    server: &Client,
    accounts: &[String],
    name: &str,
    mut random: SmallRng,
    answers: &AtomicUsize,
) -> Vec<(Command, Option<Response>)> {
    let mut sent = Vec::new();
    // A kill may come before the first connection.
    let Ok(mut connection) = Connection::open(server.address()) else {
        return sent;
    };
    for n in 0.. {
        let command = Command::random(accounts, format!("{name}-{n}"), &mut random);
        let answer = connection.send(&command.request).ok();
        let last = answer.is_none();
        sent.push((command, answer));
        if last {
            break;
        }
        answers.fetch_add(1, Ordering::Relaxed);
    }
    sent
}

impl Command {
    fn random(accounts: &[String], reference: String, random: &mut SmallRng) -> Self {
        let amount = random.random_range(1..200);
        let one = random.random_range(0..accounts.len());
        let other = (one + random.random_range(1..accounts.len())) % accounts.len();
        if random.random_ratio(1, 6) {
            let (request, many) = Many::random(accounts, &reference, random);
            return Self {
                request,
                reference,
                keyed: true,
                ends: Vec::new(),
                amount: 0,
                many: Some(many),
            };
        }
        let (path, fields, ends) = match random.random_range(0..20) {
            0 => ("/accounts".to_owned(), opening(), vec![]),
            1..=6 => (
                format!("/accounts/{}/deposit", accounts[one]),
                json!({"amount": amount}),
                vec![(one, 1)],
            ),
            7..=10 => (
                format!("/accounts/{}/withdraw", accounts[one]),
                json!({"amount": amount}),
                vec![(one, -1)],
            ),
            _ => {
                let ends = json!({"from": accounts[one], "to": accounts[other], "amount": amount});
                ("/transfers".to_owned(), ends, vec![(one, -1), (other, 1)])
            }
        };
        let request = Request::post(&path, &with(fields, &json!({"reference": reference})));
        // What opens an account has a key: without one nobody could tell whether it did.
        let keyed = ends.is_empty() || random.random_ratio(3, 4);
        let request = if keyed {
            request.key(&reference)
        } else {
            request
        };
        Self {
            request,
            reference,
            keyed,
            ends,
            amount,
            many: None,
        }
    }

    /// What an answer says that it did.
    #[track_caller]
    fn outcome(&self, answer: &Response) -> Outcome {
        match answer.status {
            201 => {
                assert_eq!((&answer.json()["version"], self.ends.len()), (&json!(1), 0));
                Some(vec![])
            }
            200 => {
                let body = answer.json();
                let ends: Vec<&Value> = match self.ends.len() {
                    1 => vec![&body],
                    _ => vec![&body["from"], &body["to"]],
                };
                let after = |end: &&Value| {
                    (
                        end["version"].as_u64().unwrap(),
                        end["balance"].as_i64().unwrap(),
                    )
                };
                Some(ends.iter().map(after).collect())
            }
            _ => {
                answer.problem(422, "insufficient_funds");
                None
            }
        }
    }
}

/// What the clients know: every movement that was acknowledged or found, by account and version.
struct Ledger {
    accounts: Vec<String>,
    steps: Vec<BTreeMap<u64, (i64, i64)>>,
    stored: Vec<(Request, u16, Value)>,
    /// Commands without an answer that had happened, and that had not.
    unanswered: (usize, usize),
}

impl Ledger {
    fn new(accounts: Vec<String>) -> Self {
        let steps = accounts.iter().map(|_| BTreeMap::new()).collect();
        Self {
            accounts,
            steps,
            stored: Vec::new(),
            unanswered: (0, 0),
        }
    }

    /// What was answered before the kill is told the same after it.
    fn confirm(&mut self, server: &Client, command: &Command, first: &Response) -> Outcome {
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
                (&operation["status"], &operation["result"]),
                (&json!("completed"), &first.json())
            );
        }
        outcome
    }

    /// What was not answered happened whole or not at all; its key tells which, and then does it.
    fn resolve(&mut self, server: &Client, command: &Command) -> Outcome {
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

    /// A batch or transaction of many legs: what was answered is told the same, what was not happened
    /// whole or not at all; the histories have just what the answer says.
    fn settle_many(
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

    /// What a command moved, by account: version, amount and balance of each movement.
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

    /// The command's row in the history of one of its ends.
    fn found(&self, server: &Client, end: usize, command: &Command) -> Option<Value> {
        let path = format!("/accounts/{}/transactions?limit=1000", self.accounts[end]);
        let page = server.get(&path).ok();
        let rows = page["data"].as_array().unwrap().iter();
        let mut rows = rows.filter(|row| row["reference"] == command.reference.as_str());
        let first = rows.next().cloned();
        assert_eq!(rows.next(), None, "{} is there twice", command.reference);
        first
    }

    /// A movement that was found is a completed operation and a balanced transaction; its id.
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

    fn note(&mut self, command: &Command, outcome: Outcome) {
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

    /// Balances and versions are those of the movements known, without a gap.
    #[track_caller]
    fn compare(&self, server: &Client) {
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

/// The answer but for the id of the present request.
fn comparable(answer: &Response) -> Value {
    let mut body = answer.json();
    if let Some(fields) = body.as_object_mut() {
        fields.remove("request_id");
    }
    body
}

fn verify(server: &Server) {
    let data_dir = server.data_dir();
    let verified = executable::run(&["verify", "--data-dir", data_dir.to_str().unwrap()], &[]);
    assert_eq!(verified.code(), Some(0), "{verified:?}");
}
