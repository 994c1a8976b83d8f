//! Tests of the whole core, on a simulated disk, in one thread and in virtual time.

mod accepted;
mod bus;
mod core;
mod events;
mod inputs;
mod passivation;
mod replays;
mod supervision;
mod transfers;
mod views;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use florin_storage::SimulatedDisk;

use super::*;
use crate::commands::Transfer;
use crate::commands::*;
use crate::entities::*;
use crate::record::*;
use crate::upkeep::Upkeep;
use crate::views::{AccountFilter, ProjectorOptions};
use crate::words::*;

#[derive(Debug)]
struct TestClock {
    start: tokio::time::Instant,
    ahead_micros: AtomicI64,
}

impl TestClock {
    fn start() -> Arc<Self> {
        Arc::new(Self {
            start: tokio::time::Instant::now(),
            ahead_micros: AtomicI64::new(0),
        })
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let ahead = self.ahead_micros.load(Ordering::Relaxed);
        let elapsed = self.start.elapsed().as_micros() as i64;
        Timestamp::from_micros(1_700_000_000_000_000 + elapsed + ahead)
    }

    fn nanos(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }
}

fn limits() -> Limits {
    Limits {
        in_flight_max: 1_000,
        accepted_max: 1_000,
        items_bytes_max: 64 << 20,
        queue_bytes_max: 1 << 20,
        record_bytes_max: 1 << 20,
        segment_bytes_max: 1 << 20,
        wal_bytes: 1 << 17,
        frame_bytes_max: 4_096,
        journal_cache_bytes: 1 << 20,
        views_cache_bytes: 1 << 20,
        lag_records_max: 1_000_000,
        list_wait: Duration::from_secs(1),
        read_wait: Duration::from_secs(5),
        clock_jump_max: Duration::from_secs(300),
        supervision: SupervisionOptions {
            restarts_max: 2,
            window: Duration::from_secs(60),
            backoff_min: Duration::from_millis(20),
            backoff_max: Duration::from_secs(1),
        },
        passivation: PassivationOptions {
            idle: Duration::from_secs(600),
            live_max: 1_000,
        },
        index_entries_max: 8,
        erase_interval: Duration::from_millis(1),
        free_bytes_min: 0,
        projector: ProjectorOptions {
            flush_records_max: 16,
            flush_millis_max: 1_000,
            states_kept_max: 4,
            keys_max: 1_000_000,
            keys_millis_max: 1_000_000_000,
            index_memory_bytes_max: 1_000,
            milestone_records: 4,
        },
    }
}

fn start(disk: &SimulatedDisk, project: bool) -> Node {
    start_with(disk, project, TestClock::start())
}

fn start_with(disk: &SimulatedDisk, project: bool, clock: Arc<TestClock>) -> Node {
    start_reading(disk, project, clock, Arc::default())
}

fn start_reading(
    disk: &SimulatedDisk,
    project: bool,
    clock: Arc<TestClock>,
    read_millis: Arc<AtomicU64>,
) -> Node {
    let mut options = options(disk, project, clock);
    if let Threads::Simulated { read, .. } = &mut options.threads {
        *read = Arc::new(move || Duration::from_millis(read_millis.load(Ordering::Relaxed)));
    }
    Node::start(options).unwrap()
}

fn options(disk: &SimulatedDisk, project: bool, clock: Arc<TestClock>) -> NodeOptions {
    NodeOptions {
        disk: Arc::new(disk.clone()),
        clock,
        seed: [7; 32],
        limits: limits(),
        assets: Assets::default(),
        observer: Arc::new(()),
        intercept: Arc::new(()),
        upkeep: Upkeep::default(),
        threads: Threads::Simulated {
            commit: Box::new(|| Duration::from_millis(10)),
            project: Box::new(move || project.then_some(Duration::from_millis(3))),
            read: Arc::new(|| Duration::ZERO),
        },
    }
}

fn run<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

fn context(key: Option<&str>) -> Context {
    Context {
        caller: Caller::default(),
        key: key.map(Into::into),
        request_id: RequestId::given("test").unwrap(),
        correlation_id: None,
        trace: None,
        kind: None,
        if_match: None,
        dry_run: false,
        asynchronous: false,
        input: None,
    }
}

async fn decided(core: &Core, command: Command, key: Option<&str>) -> Decided {
    let wait = Duration::from_secs(5);
    match core.submit(command, context(key), wait).unwrap().await {
        Reply::Decided(decided) => *decided,
        other => panic!("not decided: {other:?}"),
    }
}

fn open() -> Command {
    Command::OpenAccount(Box::new(OpenAccount {
        holder: Personal::Plain("Ada".into()),
        country: "KE".parse().unwrap(),
        currency: "KES".parse().unwrap(),
        overdraft: Overdraft::Limit(0),
        reference: None,
        metadata: Metadata::default(),
    }))
}

async fn opened(core: &Core) -> EntityId {
    decided(core, open(), None).await.account().unwrap().id
}

fn amount(value: u64) -> Amount {
    Amount::new(value).unwrap()
}

fn deposit(to: EntityId, value: u64) -> Command {
    let metadata = Metadata::new(BTreeMap::new()).unwrap();
    Command::Deposit(Deposit {
        to,
        amount: amount(value),
        currency: None,
        reference: None,
        metadata,
    })
}

fn transfer(from: EntityId, to: EntityId, value: u64) -> Command {
    Command::Transfer(Transfer {
        from,
        to,
        amount: amount(value),
        currency: None,
        reference: None,
        metadata: Metadata::default(),
    })
}

fn code(decided: &Decided) -> Option<Code> {
    match &decided.record.outcome {
        Outcome::Refused(rejection) => Some(rejection.code),
        _ => None,
    }
}
