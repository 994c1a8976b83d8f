//! Injects every fault at every I/O of a workload, and ends each run in every way: the process
//! alone ends, or the machine crashes. Afterwards the journal, the views and the index hold
//! everything that was acknowledged, intact, and none is reported as damaged.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may stop at the first surprise.

mod common;

use common::{append, append_logged, assert_holds, chunk, open, segments, verify};
use florin_storage::{
    CrashMode, Disk, Error, Extent, Fault, Opened, Position, SimulatedDisk, SortedSegment,
    ViewError, ViewOptions, ViewStore,
};

const FAULTS: [Fault; 5] = [
    Fault::Broken,
    Fault::Once,
    Fault::ShortWrite,
    Fault::LostSync,
    Fault::NoRoom,
];

/// How a run ends after a fault.
#[derive(Debug, Clone, Copy)]
enum End {
    Process,
    Machine(CrashMode),
}

const ENDS: [End; 3] = [
    End::Process,
    End::Machine(CrashMode::LoseAll),
    End::Machine(CrashMode::Torn),
];

/// Runs the workload with every fault at every I/O and every end. Passes the workload's result to
/// `check`, with a disk that works again. Prints the number of runs and asserts that there are more
/// than 500.
fn try_all<T>(
    name: &str,
    faults: &[Fault],
    workload: impl Fn(&SimulatedDisk) -> T,
    check: impl Fn(&SimulatedDisk, T, &str),
) {
    let whole = SimulatedDisk::new();
    workload(&whole);
    let mut tried = 0;
    for point in 0..whole.io_count() {
        for &fault in faults {
            for end in ENDS {
                let disk = SimulatedDisk::new();
                disk.fault_at(point, fault);
                let outcome = workload(&disk);
                match end {
                    End::Process => disk.kill(),
                    End::Machine(mode) => disk.crash(point, mode),
                }
                let what = format!("{name}: {fault:?} at I/O {point}, then the end: {end:?}");
                check(&disk, outcome, &what);
                tried += 1;
            }
        }
    }
    println!("{name}: {tried} faults tried, at {} I/Os", whole.io_count());
    assert!(tried > 500, "{tried}");
}

/// Commits until the disk fails, and asserts that nothing is written from then on.
fn journal(disk: &SimulatedDisk) -> u64 {
    let mut acknowledged = 0;
    let mut run = |disk: &SimulatedDisk| -> Result<(), Error> {
        let mut opened = open(disk)?;
        for commit in 0..6 {
            let appended = append(&mut opened, 50 + commit);
            let appended = appended.and_then(|_| append_logged(&mut opened));
            acknowledged = opened.watermark.durable();
            if let Err(error) = appended {
                assert_stopped(disk, &mut opened);
                return Err(error);
            }
        }
        opened.committer.finish()?;
        let mut opened = open(disk)?;
        let appended = append(&mut opened, 50).and_then(|_| append_logged(&mut opened));
        acknowledged = opened.watermark.durable();
        appended
    };
    // The result does not matter: the check looks at what is on the disk.
    let _ = run(disk);
    acknowledged
}

/// Asserts that nothing more is acknowledged after a failure, although the disk may work again.
fn assert_stopped(disk: &SimulatedDisk, opened: &mut Opened) {
    let (durable, io_count) = (opened.watermark.durable(), disk.io_count());
    let first = opened.committer.head().sequence + 1;
    opened.queue.push(chunk(first, 1));
    let again = opened.committer.run_pending();
    assert!(matches!(again, Err(Error::Stopped)), "{again:?}");
    assert_eq!(opened.watermark.durable(), durable);
    assert_eq!(disk.io_count(), io_count, "something was written");
}

#[test]
fn no_fault_of_the_disk_costs_the_journal_what_it_told_durable() {
    let whole = SimulatedDisk::new();
    journal(&whole);
    assert!(segments(&whole).len() > 2);
    // `crash_points.rs` tests a disk that breaks for good.
    try_all(
        "journal",
        &FAULTS[1..],
        journal,
        |disk, acknowledged, what| {
            let mut opened = open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
            let last = opened.head.sequence;
            assert!(
                last >= acknowledged,
                "{what}: {acknowledged} told, {last} there"
            );
            assert_holds(&opened.reader, last);
            let verified = verify(&opened.reader).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(verified.head, opened.head, "{what}");
            append(&mut opened, 3).unwrap_or_else(|error| panic!("{what}: {error}"));
        },
    );
}

#[test]
fn a_start_without_room_says_so_and_harms_nothing() {
    let mut tried = 0;
    for before in (0..200).step_by(13) {
        let disk = SimulatedDisk::new();
        disk.fault_at(before, Fault::Broken);
        let acknowledged = journal(&disk);
        disk.crash(before, CrashMode::Torn);
        for after in 0..12 {
            disk.fault_at(disk.io_count() + after, Fault::NoRoom);
            match open(&disk) {
                Ok(_) => {}
                Err(error) => assert!(!error.is_damage(), "{before}, {after}: {error}"),
            }
            disk.kill();
            tried += 1;
        }
        let opened = open(&disk).unwrap();
        assert!(opened.head.sequence >= acknowledged);
        assert_holds(&opened.reader, opened.head.sequence);
    }
    println!("{tried} starts without room tried");
}

const VIEW: &str = "views/entities.redb";
const ROWS: u64 = 40;

fn open_view(disk: &SimulatedDisk) -> Result<ViewStore, ViewError> {
    ViewStore::open(disk, VIEW, 1, ViewOptions::default())
}

/// Writes rows and the position repeatedly. Returns the last acknowledged position, and whether the
/// file was created.
fn view(disk: &SimulatedDisk) -> (u64, bool) {
    let Ok(store) = open_view(disk) else {
        return (0, false);
    };
    for sequence in 1..8u64 {
        let written = store.write(|write| {
            for row in 0..ROWS {
                // Each value is longer than the one before, so that the file grows.
                let value = [sequence as u8; 40].repeat(sequence as usize);
                write.put("rows", &row.to_be_bytes(), &value)?;
            }
            let link = [sequence as u8; 32];
            write.set_position(Position { sequence, link })
        });
        if written.is_err() {
            return (sequence - 1, true);
        }
    }
    (7, true)
}

#[test]
fn no_fault_of_the_disk_parts_a_views_rows_from_its_position() {
    try_all("views", &FAULTS, view, |disk, (told, made), what| {
        let store = match open_view(disk) {
            Ok(store) => store,
            // A file whose creation was interrupted is rebuilt like any other.
            Err(ViewError::Unusable { .. }) if !made => return,
            Err(error) => panic!("{what}: {error}"),
        };
        let position = store.position().unwrap();
        let reached = position.map_or(0, |position| position.sequence);
        assert!(reached >= told, "{what}: {told} told, {reached} there");
        let read = store.read().unwrap();
        for row in 0..ROWS {
            let value = read.get("rows", &row.to_be_bytes()).unwrap();
            let wanted = [reached as u8; 40].repeat(reached as usize);
            assert_eq!(value.unwrap_or_default(), wanted, "{what}");
        }
    });
}

const SEGMENTS: u64 = 12;
const EXTENT: Extent = Extent {
    covers: (1, 9),
    times: (1, 9),
};

fn segment(number: u64) -> (String, Vec<(u128, u64)>) {
    let key = |of: u64| u128::from(of + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    let entries = (0..60).map(|entry| (key(number * 100 + entry), entry));
    (format!("views/keys-{number}"), entries.collect())
}

/// Writes segments, then merges the first two and removes them. Returns the number of acknowledged
/// segments, and whether the merge was acknowledged.
fn index(disk: &SimulatedDisk) -> (u64, bool) {
    for number in 0..SEGMENTS {
        let (name, entries) = segment(number);
        if SortedSegment::write(disk, &name, entries, EXTENT, true, &mut || {}).is_err() {
            return (number, false);
        }
    }
    let merged = merged();
    if SortedSegment::write(disk, "views/keys-merged", merged, EXTENT, true, &mut || {}).is_err() {
        return (SEGMENTS, false);
    }
    let removed = (0..2).try_for_each(|number| disk.remove(&segment(number).0));
    drop(removed);
    (SEGMENTS, true)
}

fn merged() -> Vec<(u128, u64)> {
    let mut merged = segment(0).1;
    merged.extend(segment(1).1);
    merged
}

#[test]
fn no_fault_of_the_disk_leaves_half_an_index_segment_under_its_name() {
    try_all("index", &FAULTS, index, |disk, (told, is_merged), what| {
        let assert_whole = |name: &str, entries: Vec<(u128, u64)>| {
            let found = SortedSegment::open(disk, name)
                .and_then(|segment| segment.verify().map(|()| segment))
                .unwrap_or_else(|error| panic!("{what}: {name}: {error}"));
            for (key, value) in entries {
                assert_eq!(found.find(key).unwrap(), Some(value), "{what}: {name}");
            }
        };
        for number in 0..SEGMENTS {
            let (name, entries) = segment(number);
            match disk.exists(&name).unwrap() {
                true => assert_whole(&name, entries),
                false if is_merged && number < 2 => {}
                false => assert!(number >= told, "{what}: {name} was told and is gone"),
            }
        }
        match disk.exists("views/keys-merged").unwrap() {
            true => assert_whole("views/keys-merged", merged()),
            false => assert!(!is_merged, "{what}"),
        }
    });
}
