//! Measures the costs of the views of a large store: creates a journal, projects it, opens the
//! views again and queries them. It prints numbers for the comparison of two builds or settings and
//! passes no judgement. Times are CPU times of this thread, so that load from other processes
//! doesn't affect them.
//!
//! `cargo run --release -p florin-actors --example aged_views -- [accounts] [transfers] [flush]
//! [states]`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a measurement stops at the first surprise, and looks at the machine's own clock"
)]

use std::sync::Arc;
use std::time::Duration;

use florin_actors::messages::*;
use florin_actors::runtime::{Clock, SystemClock};
use florin_actors::views::{
    AccountFilter, Crew, Indexes, Projector, ProjectorOptions, Views, as_of,
};
use florin_actors::{decode_record, encode_record};
use florin_storage::{Chunk, Disk, FileDisk, Journal, Options, Reader, SortedSegment};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// The number of records per frame, as under load.
const PER_FRAME: usize = 270;
const CACHE_BYTES: usize = 256 << 20;

/// The number of records between two flushes, and the number of states kept.
#[derive(Debug, Clone, Copy)]
struct Pace {
    flush: u64,
    states: usize,
}

fn options(pace: Pace) -> ProjectorOptions {
    ProjectorOptions {
        flush_records_max: pace.flush,
        flush_millis_max: u64::MAX,
        states_kept_max: pace.states,
        keys_max: 50_000_000,
        keys_millis_max: u64::MAX,
        index_memory_bytes_max: 256 << 20,
        milestone_records: 64,
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse().unwrap());
    let accounts: usize = arguments.next().unwrap_or(100_000);
    let transfers: usize = arguments.next().unwrap_or(2_000_000);
    let pace = Pace {
        flush: arguments.next().unwrap_or(500_000) as u64,
        states: arguments.next().unwrap_or(1 << 20),
    };
    let folder = std::env::temp_dir().join(format!("florin-aged-{}", std::process::id()));
    measure(&folder, accounts, transfers, pace);
    std::fs::remove_dir_all(&folder).unwrap();
}

fn measure(folder: &std::path::Path, accounts: usize, transfers: usize, pace: Pace) {
    let disk: Arc<dyn Disk> = Arc::new(FileDisk::open(folder).unwrap());
    let ledger = Ledger::write(&disk, accounts, transfers);
    let reader = ledger.reader.clone();
    let records = (accounts + transfers) as f64;
    println!("{accounts} accounts, {transfers} transfers, {pace:?}");

    let begun = Busy::now();
    let mut next = 1;
    while next <= reader.durable() {
        next = reader
            .scan(next, 256 * 1024)
            .unwrap()
            .last()
            .unwrap()
            .last_sequence
            + 1;
    }
    let scanned = tell("scan, a record", begun, records);
    let begun = Busy::now();
    for frame in reader.frames(1) {
        for (_, bytes) in frame.unwrap().iter() {
            std::hint::black_box(decode_record(bytes).unwrap());
        }
    }
    let decoded = tell("scan and decode, a record", begun, records);
    println!("{:>40}: {:8.3} µs", "decode alone", decoded - scanned);

    let (views, mut projector) = projector(&disk, &reader, pace);
    let (mut half, mut slowest) = (None, 0.0f64);
    let begun = Busy::now();
    loop {
        let step = Busy::now();
        let more = projector.step().unwrap();
        slowest = slowest.max(step.elapsed().as_secs_f64());
        if half.is_none() && views.position() > reader.durable() / 2 {
            half = Some((Busy::now(), views.position()));
        }
        if !more {
            break;
        }
    }
    projector.flush().unwrap();
    tell("projected, a record", begun, records);
    if let Some((since, position)) = half {
        let left = (reader.durable() - position) as f64;
        tell("projected, of the later half", since, left);
    }
    println!("{:>40}: {:8.1} ms", "the longest step", slowest * 1e3);
    // Waits until the merges in the background have finished.
    for _ in 0..600 {
        projector.step().unwrap();
        std::thread::park_timeout(Duration::from_millis(10));
    }
    drop((views, projector));

    let begun = Busy::now();
    let (views, projector) = self::projector(&disk, &reader, pace);
    tell("opened again, in all", begun, 1.0);
    let bytes = std::fs::metadata(folder.join("views/entities.redb"))
        .unwrap()
        .len();
    println!(
        "{:>40}: {:8.1} MB",
        "the file of entities",
        bytes as f64 / 1e6
    );
    ask(&disk, &ledger, &views);
    drop(projector);
}

/// Measures look-ups in warm caches.
fn ask(disk: &Arc<dyn Disk>, ledger: &Ledger, views: &Views) {
    let mut rng = SmallRng::seed_from_u64(9);
    let segments: Vec<SortedSegment> = disk
        .list("views")
        .unwrap()
        .iter()
        .filter(|file| file.starts_with("keys"))
        .map(|file| SortedSegment::open(disk.as_ref(), &format!("views/{file}")).unwrap())
        .collect();
    let with: Vec<_> = segments
        .iter()
        .map(|one| one.with_filters().unwrap())
        .collect();
    let keys: u64 = with.iter().map(SortedSegment::len).sum();
    let bytes: u64 = with.iter().map(SortedSegment::filter_bytes).sum();
    let per_key = bytes as f64 / keys.max(1) as f64;
    println!("{:>40}: {keys} in {}", "keys in segments", with.len());
    println!("{:>40}: {per_key:8.3} bytes", "filters, a key");
    let absent: Vec<u128> = (0..100_000).map(|_| rng.random()).collect();
    for (what, segments) in [("with filters", &with), ("without", &segments)] {
        let count = if what == "without" {
            1_000
        } else {
            absent.len()
        };
        let begun = Busy::now();
        for key in &absent[..count] {
            for segment in segments {
                assert_eq!(segment.find(*key).unwrap(), None);
            }
        }
        tell(&format!("an absent key, {what}"), begun, count as f64);
    }
    let accounts = &ledger.accounts;
    let begun = Busy::now();
    for _ in 0..1_000 {
        let (id, head) = accounts[rng.random_range(0..accounts.len())];
        let time = Timestamp::from_micros(rng.random_range(0..ledger.last_micros));
        as_of(views, &ledger.reader, id, head, time).unwrap();
    }
    tell("a balance at a time", begun, 1_000.0);
    let begun = Busy::now();
    let filter = AccountFilter::default();
    let page = views.accounts(&ledger.reader, &filter, None, 100);
    assert_eq!(page.unwrap().entries.len(), 100.min(accounts.len()));
    tell("a page of 100 accounts", begun, 1.0);
}

fn projector(disk: &Arc<dyn Disk>, reader: &Reader, pace: Pace) -> (Arc<Views>, Projector) {
    let begun = Busy::now();
    let (views, _) = Views::open(disk, CACHE_BYTES, false).unwrap();
    tell("entities opened and checked", begun, 1.0);
    let memory = views.index_memory();
    let crew = Crew::new(Some(std::sync::Arc::new(SystemClock)));
    let begun = Busy::now();
    let indexes =
        Indexes::open(disk, reader.clone(), 917_000, options(pace), memory, crew).unwrap();
    tell("indexes opened", begun, 1.0);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let sealed = Box::new(|_| {});
    let projector = Projector::new(
        Arc::clone(&views),
        reader.clone(),
        clock,
        options(pace),
        indexes,
        sealed,
    );
    (views, projector)
}

/// A point in the CPU time of this thread.
#[derive(Debug, Clone, Copy)]
struct Busy(u64);

impl Busy {
    fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        Self(stat.split(' ').next().unwrap().parse().unwrap())
    }

    fn elapsed(self) -> Duration {
        Duration::from_nanos(Self::now().0 - self.0)
    }
}

/// Prints and returns the microseconds per item.
fn tell(what: &str, begun: Busy, pieces: f64) -> f64 {
    let micros = begun.elapsed().as_secs_f64() * 1e6 / pieces;
    println!("{what:>40}: {micros:8.3} µs");
    micros
}

/// A journal, and the sequence of each account's last record.
struct Ledger {
    reader: Reader,
    accounts: Vec<(EntityId, u64)>,
    last_micros: i64,
}

struct Line {
    id: EntityId,
    version: u64,
    last: u64,
    balance: i64,
}

impl Ledger {
    fn write(disk: &Arc<dyn Disk>, accounts: usize, transfers: usize) -> Self {
        let opened = Journal::open(Arc::clone(disk), Options::new([1; 16]), 0).unwrap();
        let (mut committer, reader) = (opened.committer, opened.reader);
        let mut rng = SmallRng::seed_from_u64(7);
        let mut lines: Vec<Line> = Vec::with_capacity(accounts);
        let mut chunk = Chunk::new(1, 1 << 20);
        let total = (accounts + transfers) as u64;
        for sequence in 1..=total {
            let micros = sequence as i64 * 20;
            let operation = OperationId::from_parts(micros as u64 / 1_000, rng.random(), 0);
            let record = if lines.len() < accounts {
                opening(&mut lines, sequence, operation, &mut rng)
            } else {
                let from = rng.random_range(0..accounts);
                let to = (from + rng.random_range(1..accounts)) % accounts;
                transfer(&mut lines, from, to, sequence, operation)
            };
            encode_record(&record, chunk.begin()).unwrap();
            chunk.end(micros, None).unwrap();
            if sequence % PER_FRAME as u64 == 0 || sequence == total {
                let full = std::mem::replace(&mut chunk, Chunk::new(sequence + 1, 1 << 20));
                opened.queue.push(full);
                // A commit takes many frames, because only the journal's content matters here.
                if sequence % (200 * PER_FRAME as u64) == 0 || sequence == total {
                    committer.run_pending().unwrap();
                }
            }
        }
        committer.finish().unwrap();
        Self {
            reader,
            accounts: lines.iter().map(|line| (line.id, line.last)).collect(),
            last_micros: total as i64 * 20,
        }
    }
}

fn record(sequence: u64, operation: OperationId, command: Command) -> Record {
    Record {
        sequence,
        time: Timestamp::from_micros(sequence as i64 * 20),
        epoch: 0,
        operation_id: operation,
        caller: Caller::default(),
        key: Some(format!("{:016x}", operation.as_u128() >> 32).into()),
        request_id: RequestId::Made(operation),
        correlation_id: None,
        causation_id: None,
        trace: None,
        command,
        execution: None,
        outcome: Outcome::Done(None),
        changes: Vec::new(),
        postings: Vec::new(),
        input: None,
    }
}

fn opening(
    lines: &mut Vec<Line>,
    sequence: u64,
    operation: OperationId,
    rng: &mut SmallRng,
) -> Record {
    let id = EntityId::from_parts(sequence / 50, rng.random(), rng.random());
    lines.push(Line {
        id,
        version: 1,
        last: sequence,
        balance: 0,
    });
    let event = AccountEvent::Opened(Box::new(Opened {
        number: sequence,
        holder: Personal::Sealed([1; 16]),
        country: "KE".parse().unwrap(),
        currency: "KES".parse().unwrap(),
        overdraft: Overdraft::Unlimited,
        reference: None,
        metadata: Metadata::default(),
    }));
    let delete = Command::DeleteAccount(DeleteAccount { account: id });
    let mut record = record(sequence, operation, delete);
    record.changes.push(Change {
        entity: id,
        version: 1,
        raised: 1,
        previous: 0,
        events: vec![Event::Account(event)],
    });
    record
}

fn transfer(
    lines: &mut [Line],
    from: usize,
    to: usize,
    sequence: u64,
    operation: OperationId,
) -> Record {
    let amount = Amount::new(5).unwrap();
    let command = Command::Transfer(Transfer {
        from: lines[from].id,
        to: lines[to].id,
        amount,
        currency: None,
        reference: None,
        metadata: Metadata::default(),
    });
    let mut record = record(sequence, operation, command);
    let ends = [
        (from, -5, AccountEvent::Money(MoneyEvent::Debited(amount))),
        (to, 5, AccountEvent::Money(MoneyEvent::Credited(amount))),
    ];
    for (place, (line, moved, event)) in ends.into_iter().enumerate() {
        let line = &mut lines[line];
        line.version += 1;
        line.balance += moved;
        record.changes.push(Change {
            entity: line.id,
            version: line.version,
            raised: 1,
            previous: std::mem::replace(&mut line.last, sequence),
            events: vec![Event::Account(event)],
        });
        record.postings.push(Posting {
            change: place as u32,
            item: 0,
            amount: moved,
            currency: "KES".parse().unwrap(),
            balance: i128::from(line.balance),
            held: 0,
            overdraft: Overdraft::Unlimited,
        });
    }
    record
}
