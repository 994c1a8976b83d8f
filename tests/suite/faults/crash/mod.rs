//! `kill -9` under traffic, repeatedly on the same data: acknowledged commands are there once,
//! refused ones have no effect, and unanswered ones happened completely or not at all.

mod command;
mod ledger;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use florin_tests::executable;
use florin_tests::http::{Client, Connection, Response};
use florin_tests::poll::eventually;
use florin_tests::server::Server;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rustix::process::Signal;
use serde_json::{Value, json};

use command::Command;
use ledger::{Ledger, comparable};

const KILLS: usize = 60;

const CLIENTS: usize = 4;

const ACCOUNTS: usize = 6;

/// The maximum number of answers in a round before the kill.
const ANSWERS_MAX: usize = 150;

/// The balance of the account that makes the holds.
const HELD_MAX: i64 = 1_000;

/// The variable with the seed of a run, to repeat its traffic.
const SEED: &str = "FLORIN_TESTS_SEED";

#[test]
fn sixty_kills_lose_nothing_that_was_acknowledged_and_repeat_nothing() {
    let seed = std::env::var(SEED)
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| SmallRng::from_os_rng().random());
    println!("{SEED}={seed} cargo test --workspace --test suite crash::");
    let mut random = SmallRng::seed_from_u64(seed);
    // The sizes are small enough that segments are sealed and views are written between two kills.
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
        // The holds expire at any moment: before the kill, while the server is down, or after it.
        let hold = json!({
            "from": holder, "to": ledger.accounts[0], "amount": 1, "pending": true,
            "expires_in_seconds": random.random_range(1..4),
        });
        server.post("/transfers", &hold).created();
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
                ledger.confirm_many(&server, &command, answer, &mut history);
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
    // Every key that was ever answered still gets the same answer.
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

/// Runs traffic from several clients and kills the server at a random moment. Returns every command
/// that was sent, with its answer if there was one.
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
        // The kill comes anywhere between two answers.
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
    // The kill may come before the first connection.
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

fn verify(server: &Server) {
    let data_dir = server.data_dir();
    let verified = executable::run(&["verify", "--data-dir", data_dir.to_str().unwrap()], &[]);
    assert_eq!(verified.code(), Some(0), "{verified:?}");
}
