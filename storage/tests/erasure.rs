//! Erasure seen from outside: no file contains a byte of an erased row, everything else is
//! unchanged, and no crash brings a row back or removes anything else.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may stop at the first surprise.

mod common;

use common::{append, assert_holds, assert_holds_without, named_on_disk, open, segments, verify};
use florin_storage::{
    CrashMode, Disk, Eraser, Erasure, Error, Opened, PersonalBytes, SimulatedDisk,
};
use std::collections::BTreeSet;

const RECORDS: u64 = 60;
/// Rows in the first segment, in a later one, and in the live one.
const EARLY: [u64; 2] = [7, 21];
const LATER: u64 = 399;
const LATEST: u64 = 539;

fn erase(eraser: &mut Eraser, sequences: &[u64]) -> Result<Erasure, Error> {
    eraser.erase(sequences, 0, &|| true)
}

/// Erases all these rows.
fn erase_all(opened: &mut Opened, sequences: &[u64], gone: &mut Vec<u64>) -> Result<(), Error> {
    let mut left = sequences.to_vec();
    while !left.is_empty() {
        match erase(&mut opened.eraser, &left)? {
            Erasure::Gone(rows) => {
                left.retain(|sequence| !rows.contains(sequence));
                gone.extend(rows);
            }
            Erasure::Sealing => assert_eq!(opened.committer.run_pending()?, None),
            Erasure::Stopped => panic!("it goes on"),
        }
    }
    Ok(())
}

/// Fills several segments. The last one is live and has a row to erase.
fn filled(disk: &SimulatedDisk) -> Opened {
    let mut opened = open(disk).unwrap();
    for _ in 0..9 {
        append(&mut opened, RECORDS).unwrap();
    }
    opened
}

fn live_first(disk: &SimulatedDisk) -> u64 {
    let last = segments(disk).pop().unwrap();
    last["journal/".len()..][..20].parse().unwrap()
}

#[test]
fn what_was_erased_is_in_no_byte_and_everything_else_is_as_it_was() {
    let disk = SimulatedDisk::new();
    let mut opened = filled(&disk);
    let last = opened.head.sequence + 9 * RECORDS;
    let before = verify(&opened.reader).unwrap();
    // Now the segments are open and their frames are cached.
    assert_holds(&opened.reader, last);
    let sealed = segments(&disk);
    assert!(sealed.len() > 2 && live_first(&disk) > LATER && live_first(&disk) <= LATEST);
    let erased = [EARLY[0], EARLY[1], LATER];
    let named = named_on_disk(&disk);
    assert_eq!(named.len() as u64, last / 7);
    let mut gone = Vec::new();
    erase_all(&mut opened, &erased, &mut gone).unwrap();
    assert_eq!(gone, erased);
    assert_eq!(segments(&disk), sealed);
    for opened in [Some(opened), None] {
        let mut opened = opened.unwrap_or_else(|| open(&disk).unwrap());
        let left: BTreeSet<u64> = named
            .iter()
            .copied()
            .filter(|at| !erased.contains(at))
            .collect();
        assert_eq!(named_on_disk(&disk), left);
        assert_holds_without(&opened.reader, last, &erased);
        assert_eq!(verify(&opened.reader).unwrap(), before);
        // A second erasure changes nothing.
        let ios = disk.io_count();
        erase_all(&mut opened, &erased, &mut Vec::new()).unwrap();
        assert_eq!(disk.io_count(), ios);
    }
}

#[test]
fn many_rows_of_a_segment_are_erased_by_one_rewrite() {
    let disk = SimulatedDisk::new();
    let mut opened = filled(&disk);
    let ios = disk.io_count();
    erase(&mut opened.eraser, &[7]).unwrap();
    let one = disk.io_count() - ios;
    let many: Vec<u64> = (2..14).map(|number| number * 7).collect();
    let ios = disk.io_count();
    assert_eq!(
        erase(&mut opened.eraser, &many).unwrap(),
        Erasure::Gone(many.clone())
    );
    assert!(disk.io_count() - ios <= one, "{one} I/Os for one row");
    // A clean shutdown and a start treat the rewritten segment like any other.
    let head = opened.committer.finish().unwrap();
    let opened = open(&disk).unwrap();
    assert!(opened.clean_start);
    assert_eq!(opened.head, head);
    assert_holds_without(&opened.reader, head.sequence, &[&[7], &many[..]].concat());
}

#[test]
fn the_live_segment_is_sealed_first_and_only_for_what_it_holds() {
    let disk = SimulatedDisk::new();
    let mut opened = filled(&disk);
    let (sealed, live) = (segments(&disk).len(), live_first(&disk));
    let mut gone = Vec::new();
    erase_all(&mut opened, &[LATEST], &mut gone).unwrap();
    assert_eq!(gone, [LATEST]);
    assert_eq!(segments(&disk).len(), sealed + 1);
    assert!(!named_on_disk(&disk).contains(&LATEST));
    assert!(live_first(&disk) > live);
    // A second, late request finds the segment sealed and creates no further empty segment.
    let last = opened.committer.head().sequence;
    assert_eq!(last + 1, live_first(&disk));
    append(&mut opened, 2).unwrap();
    assert_holds_without(&opened.reader, last + 2, &[LATEST]);
    let asked = erase(&mut opened.eraser, &[last + 1]).unwrap();
    assert_eq!(asked, Erasure::Sealing);
    // The next commit carries out the seal.
    append(&mut opened, 3).unwrap();
    assert_eq!(live_first(&disk), last + 6);
    assert!(matches!(
        erase(&mut opened.eraser, &[last + 1]).unwrap(),
        Erasure::Gone(_)
    ));
    let head = verify(&opened.reader).unwrap().head;
    drop(opened);
    disk.kill();
    assert_eq!(open(&disk).unwrap().head, head);
}

#[test]
fn a_withheld_row_is_served_no_more_from_the_moment_its_erasure_is_durable() {
    let disk = SimulatedDisk::new();
    let mut opened = filled(&disk);
    let last = opened.committer.head().sequence;
    let mut chunk = common::chunk(last + 1, 1);
    chunk.withhold(7);
    opened.queue.push(chunk);
    assert_holds(&opened.reader, last);
    opened.committer.run_pending().unwrap();
    assert_holds_without(&opened.reader, last + 1, &[7]);
    assert!(named_on_disk(&disk).contains(&7));
    opened.reader.withhold([14]);
    assert_holds_without(&opened.reader, last + 1, &[7, 14]);
    erase_all(&mut opened, &[7, 14], &mut Vec::new()).unwrap();
    assert_holds_without(&opened.reader, last + 1, &[7, 14]);
}

#[test]
fn an_erasure_that_is_given_up_or_has_no_room_leaves_everything_as_it_was() {
    let disk = SimulatedDisk::new();
    let mut opened = filled(&disk);
    let names = disk.list("journal").unwrap();
    let asked = std::cell::Cell::new(0);
    for looks in 0..3 {
        asked.set(0);
        let stopped = opened.eraser.erase(&EARLY, 0, &|| {
            asked.set(asked.get() + 1);
            asked.get() <= looks
        });
        assert_eq!(stopped.unwrap(), Erasure::Stopped);
        assert_eq!(asked.get(), looks + 1);
    }
    disk.set_free_bytes(100_000);
    let full = opened.eraser.erase(&EARLY, 90_000, &|| true).unwrap_err();
    assert!(full.to_string().contains("free"), "{full}");
    assert_eq!(disk.list("journal").unwrap(), names);
    assert_holds(&opened.reader, 9 * RECORDS);
    disk.set_free_bytes(1 << 40);
    erase_all(&mut opened, &EARLY, &mut Vec::new()).unwrap();
    assert_holds_without(&opened.reader, 9 * RECORDS, &EARLY);
}

#[test]
fn a_damaged_segment_is_named_and_not_replaced() {
    let disk = SimulatedDisk::new();
    let opened = filled(&disk);
    let name = segments(&disk)[0].clone();
    let whole = disk.contents(&name).unwrap();
    drop(opened);
    // Find a record by its bytes.
    let wanted = common::record(9);
    let at = whole
        .windows(wanted.len())
        .position(|bytes| bytes == wanted);
    assert!(disk.rot(&name, at.unwrap() + 20, 1));
    let mut opened = open(&disk).unwrap();
    let damaged = disk.contents(&name).unwrap();
    let error = erase(&mut opened.eraser, &EARLY).unwrap_err().to_string();
    assert!(error.contains(&name), "{error}");
    assert_eq!(disk.contents(&name).unwrap(), damaged);
    assert!(!disk.exists(&format!("{name}.tmp")).unwrap());
}

#[test]
fn readers_in_the_middle_of_a_segment_go_on_while_its_file_is_replaced() {
    let disk = SimulatedDisk::new();
    let mut opened = filled(&disk);
    let reader = opened.reader.clone();
    let mut frames = reader.frames(1);
    let first = frames.next().unwrap().unwrap();
    erase_all(&mut opened, &EARLY, &mut Vec::new()).unwrap();
    let mut next = first.last_sequence + 1;
    for frame in frames {
        let frame = frame.unwrap();
        assert_eq!(frame.first_sequence, next);
        next = frame.last_sequence + 1;
    }
    assert_eq!(next, 9 * RECORDS + 1);
}

/// Continues from [`filled`] until the disk fails or all is done. Notes the acknowledged sequence
/// and the erased rows.
fn workload(
    disk: &SimulatedDisk,
    mut opened: Opened,
    acknowledged: &mut u64,
    gone: &mut Vec<u64>,
) -> Result<(), Error> {
    *acknowledged = opened.watermark.durable();
    erase_all(&mut opened, &EARLY, gone)?;
    erase_all(&mut opened, &[LATER, LATEST], gone)?;
    append(&mut opened, RECORDS)?;
    *acknowledged = opened.watermark.durable();
    opened.committer.finish()?;
    let mut opened = open(disk)?;
    erase_all(&mut opened, &[14], gone)
}

const ALL: [u64; 5] = [EARLY[0], 14, EARLY[1], LATER, LATEST];

/// Checks the state after a crash: all acknowledged records are there, the rows in `gone` stay
/// erased, and every other row is either kept or erased. Then carries out all erasures as if
/// nothing had happened.
fn assert_recovers(disk: &SimulatedDisk, acknowledged: u64, gone: &[u64], what: &str) {
    let mut opened = open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    let last = opened.head.sequence;
    assert!(last >= acknowledged, "{what}");
    let names = disk.list("journal").unwrap();
    assert!(names.iter().all(|name| !name.ends_with(".tmp")), "{what}");
    let named = named_on_disk(disk);
    for sequence in gone {
        assert!(!named.contains(sequence), "{what}: {sequence} is back");
    }
    let there = |sequence: &u64| {
        matches!(
            opened.reader.personal(*sequence).unwrap(),
            Some(PersonalBytes::Kept(_))
        )
    };
    let missing: Vec<u64> = ALL.into_iter().filter(|at| !there(at)).collect();
    assert_holds_without(&opened.reader, last, &missing);
    let verified = verify(&opened.reader).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(verified.head, opened.head, "{what}");
    let durable: Vec<u64> = ALL.into_iter().filter(|at| *at <= last).collect();
    erase_all(&mut opened, &durable, &mut Vec::new())
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    append(&mut opened, 3).unwrap();
    assert_holds_without(&opened.reader, last + 3, &ALL);
    let named = named_on_disk(disk);
    assert!(durable.iter().all(|at| !named.contains(at)), "{what}");
    assert_eq!(
        verify(&opened.reader).unwrap().head,
        opened.committer.head()
    );
}

fn try_every_point(crash: impl Fn(&SimulatedDisk, u64)) {
    let disk = SimulatedDisk::new();
    let mut gone = Vec::new();
    let opened = filled(&disk);
    let begins = disk.io_count();
    workload(&disk, opened, &mut 0, &mut gone).unwrap();
    gone.sort_unstable();
    assert_eq!(gone, ALL);
    let points = begins..disk.io_count();
    println!("{points:?} are tried");
    for point in points {
        let disk = SimulatedDisk::new();
        let opened = filled(&disk);
        disk.fail_at(point);
        let (mut acknowledged, mut gone) = (0, Vec::new());
        let ended = workload(&disk, opened, &mut acknowledged, &mut gone);
        crash(&disk, point);
        let what = format!("crash at I/O {point}, workload ended with {ended:?}");
        assert_recovers(&disk, acknowledged, &gone, &what);
    }
}

#[test]
fn no_crash_brings_back_what_is_gone_when_every_unsynced_write_is_lost() {
    try_every_point(|disk, point| disk.crash(point, CrashMode::LoseAll));
}

#[test]
fn no_crash_brings_back_what_is_gone_when_unsynced_writes_are_torn() {
    for seed in 0..2 {
        try_every_point(|disk, point| disk.crash(point * 31 + seed, CrashMode::Torn));
    }
}

#[test]
fn no_crash_brings_back_what_is_gone_when_only_the_process_ends() {
    try_every_point(|disk, _| disk.kill());
}

#[test]
fn a_rename_whose_folder_was_not_synced_is_not_believed() {
    // One I/O of the erasure fails, and the disk works again. Each I/O is tried.
    let ios = {
        let disk = SimulatedDisk::new();
        let mut opened = filled(&disk);
        let before = disk.io_count();
        erase(&mut opened.eraser, &EARLY).unwrap();
        disk.io_count() - before
    };
    for cut in 0..ios {
        let disk = SimulatedDisk::new();
        let mut opened = filled(&disk);
        disk.fail_at(disk.io_count() + cut);
        erase(&mut opened.eraser, &EARLY).unwrap_err();
        disk.fail_at(u64::MAX);
        let gone = erase(&mut opened.eraser, &EARLY).unwrap();
        assert_eq!(gone, Erasure::Gone(EARLY.to_vec()), "cut at {cut}");
        drop(opened);
        disk.crash(cut, CrashMode::LoseAll);
        assert_recovers(&disk, 9 * RECORDS, &EARLY, &format!("cut at {cut}"));
    }
}
