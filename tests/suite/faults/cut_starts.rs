//! Starts that are interrupted by `kill -9` or SIGTERM at any moment of the recovery: the next
//! start serves the same ledger.

use florin_tests::executable::{self, STOP_BOUND};
use florin_tests::faulty::Switch;
use florin_tests::http::{Connection, Request};
use florin_tests::poll::{eventually, within};
use florin_tests::server::Server;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rustix::process::Signal;
use serde_json::Value;

use crate::faults::switched::{Faulty, begin, deposit, under_way};

const CUTS: usize = 20;
/// This log line means that the recovery has begun.
const RECOVERY: &str = "the data directory is opened";

#[test]
fn twenty_kills_in_a_row_during_the_start_lose_nothing() {
    let seed: u64 = SmallRng::from_os_rng().random();
    println!("seed {seed}");
    let mut random = SmallRng::seed_from_u64(seed);
    let (mut server, told) = ledger();
    server.kill();
    let mut during_recovery = 0;
    for _ in 0..CUTS {
        server.begin();
        // The kill comes at any moment from the first instruction to some time after the recovery
        // began.
        if random.random_ratio(3, 4) {
            eventually("recovery has begun", || {
                server.log().contains(RECOVERY).then_some(())
            });
            during_recovery += 1;
        }
        let spins = random.random_range(0..500_000);
        (0..spins).for_each(|_| std::hint::spin_loop());
        server.kill();
    }
    println!("{CUTS} kills during the start, {during_recovery} since recovery began");
    assert_same(server, &told);
}

#[test]
fn stops_in_a_row_during_the_start_end_well_and_lose_nothing() {
    let (mut server, told) = ledger();
    server.kill();
    for spins in [0, 1_000, 10_000, 100_000, 500_000] {
        server.begin();
        eventually("recovery has begun", || {
            server.log().contains(RECOVERY).then_some(())
        });
        (0..spins).for_each(|_| std::hint::spin_loop());
        let status = stopped(&mut server);
        assert_eq!(status, Some(0), "{}", server.log());
    }
    assert_same(server, &told);
}

#[test]
fn a_stop_during_a_long_recovery_ends_it_at_once() {
    let mut faulty = Faulty::start(&[]);
    let id = faulty.server.account_of(5);
    for signal in [Signal::TERM, Signal::INT] {
        faulty.server.kill();
        Switch::HoldJournal.on(faulty.switches());
        faulty.server.begin();
        eventually("recovery has begun", || {
            faulty.server.log().contains(RECOVERY).then_some(())
        });
        faulty.server.signal(signal);
        let status = faulty
            .server
            .ended_within(STOP_BOUND)
            .expect("it ends while recovery hangs");
        assert_eq!(status.code(), Some(0), "{}", faulty.server.log());
        Switch::HoldJournal.off(faulty.switches());
        faulty.server.start_again();
        assert_eq!(faulty.server.balance(&id), 5);
    }
}

#[test]
fn a_second_signal_changes_nothing_of_a_stop() {
    let mut faulty = Faulty::start(&[]);
    let id = faulty.server.account();
    Switch::HoldJournal.on(faulty.switches());
    let requests: Vec<Request> = (0..10)
        .map(|n| deposit(&id, 1).key(&format!("draining-{n}")))
        .collect();
    let mut waiting: Vec<Connection> = requests
        .iter()
        .map(|request| begin(&faulty.server, request))
        .collect();
    under_way(&faulty.server, 10);
    for signal in [Signal::TERM, Signal::TERM, Signal::INT, Signal::TERM] {
        faulty.server.signal(signal);
        eventually("it stops", || {
            faulty.server.log().contains("stopping").then_some(())
        });
    }
    assert!(faulty.server.exit().is_none(), "{}", faulty.server.log());
    Switch::HoldJournal.off(faulty.switches());
    let answers: Vec<Value> = waiting
        .iter_mut()
        .map(|connection| connection.read().unwrap().ok())
        .collect();
    let status = faulty.server.ended_within(STOP_BOUND);
    let status = status.expect("it ends within its bound");
    assert_eq!(status.code(), Some(0), "{}", faulty.server.log());
    faulty.server.start_again();
    for (request, answer) in requests.iter().zip(&answers) {
        assert_eq!(&faulty.server.send(request).ok(), answer);
    }
    assert_eq!(faulty.server.balance(&id), 10);
}

/// Returns a server with some segments, and the keyed requests with their answers.
fn ledger() -> (Server, Vec<(Request, Value)>) {
    let server = Server::with(&[
        ("journal.segment_bytes_max", "1048576"),
        ("views.flush_records_max", "50"),
        ("views.index_segment_entries", "1000"),
    ]);
    let id = server.account();
    let told = (0..200)
        .map(|n| {
            let request = deposit(&id, 1).key(&format!("told-{n}"));
            let answer = server.send(&request).ok();
            (request, answer)
        })
        .collect();
    (server, told)
}

/// Stops the server and returns its exit code.
fn stopped(server: &mut Server) -> Option<i32> {
    server.signal(Signal::TERM);
    let status = within(STOP_BOUND, || server.exit());
    status.expect("it ends within its bound").code()
}

#[track_caller]
fn assert_same(mut server: Server, told: &[(Request, Value)]) {
    let data_dir = server.data_dir();
    let data_dir = data_dir.to_str().unwrap();
    let verified = executable::run(&["verify", "--data-dir", data_dir], &[]);
    assert_eq!(verified.code(), Some(0), "{verified:?}");
    server.start_again();
    for (request, first) in told {
        let again = server.send(request);
        assert!(again.replayed(), "told and lost: {}", again.text());
        assert_eq!(&again.ok(), first);
    }
    let account = server.list("/accounts");
    assert_eq!(account[0]["balance"], told.len());
}
