//! The write-ahead log: its content is served, survives every crash and goes to the segment, and is
//! overwritten only then. Damage is reported, unless it may be a commit that was never
//! acknowledged.
#![allow(clippy::disallowed_methods)] // A test starts threads as it likes.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may stop at the first surprise.

mod common;

use common::{RECORD_BYTES_MAX, open, options, record, segments, verify};
use florin_storage::{
    BLOCK, Chunk, CrashMode, Disk, Error, Fault, Journal, OpenHow, Opened, Options, SimulatedDisk,
};
use std::sync::Arc;
use std::time::Duration;

const WAL: &str = "journal/wal";
const CLEAN_MARK: &str = "journal/clean";

/// Returns a chunk of records without personal fields, which go to the log.
fn chunk(first: u64, count: u64) -> Chunk {
    let mut chunk = Chunk::new(first, RECORD_BYTES_MAX);
    for sequence in first..first + count {
        chunk.begin().extend_from_slice(&record(sequence));
        chunk.end(1_000 + sequence as i64, None).unwrap();
    }
    chunk
}

fn append(opened: &mut Opened, count: u64) -> Result<u64, Error> {
    let first = opened.committer.head().sequence + 1;
    opened.queue.push(chunk(first, count));
    opened.committer.run_pending()?;
    Ok(first + count - 1)
}

fn assert_holds(opened: &Opened, last: u64) {
    let sequences: Vec<u64> = (1..=last + 1).collect();
    let found = opened.reader.records(&sequences).unwrap();
    for (sequence, found) in sequences.iter().zip(&found).take(last as usize) {
        assert_eq!(found.as_ref(), Some(&record(*sequence)), "{sequence}");
    }
    assert_eq!(found[last as usize], None);
    let verified = verify(&opened.reader).unwrap();
    assert_eq!(verified.head.sequence, last);
}

/// Returns the disk after a process wrote `commits` commits of five records and was killed. Only
/// the log holds these records.
fn killed(commits: u64) -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let mut opened = open(&disk).unwrap();
    for _ in 0..commits {
        append(&mut opened, 5).unwrap();
    }
    drop(opened);
    disk.kill();
    disk
}

fn overwrite(disk: &SimulatedDisk, offset: usize, bytes: &[u8]) {
    let file = disk.open(WAL, OpenHow::Existing).unwrap();
    file.write_at(offset as u64, bytes).unwrap();
    file.sync().unwrap();
}

/// Returns the position of each entry and its first sequence.
fn entries(disk: &SimulatedDisk) -> Vec<(usize, u64)> {
    let log = disk.contents(WAL).unwrap();
    let word = |at: usize| u64::from_le_bytes(log[at..at + 8].try_into().unwrap());
    let starts = (BLOCK..log.len()).step_by(BLOCK);
    let used = starts.filter(|at| word(*at) > 0 && log[*at + 8..*at + 12] == [0; 4]);
    used.map(|at| (at, word(at))).collect()
}

#[test]
fn records_are_served_from_the_log_and_after_their_checkpoint_alike() {
    let disk = SimulatedDisk::new();
    let mut opened = open(&disk).unwrap();
    let mut last = 0;
    for commit in 0..40 {
        last = append(&mut opened, 1 + commit % 7).unwrap();
        if commit % 9 == 8 {
            assert_holds(&opened, last);
            opened.checkpointer.run_pending().unwrap();
        }
        assert_holds(&opened, last);
        for from in [1, last / 2, last] {
            let frames = opened.reader.scan(from.max(1), usize::MAX).unwrap();
            assert!(frames[0].record(from.max(1)).is_some());
            assert_eq!(frames.last().unwrap().last_sequence, last);
            let follow = |pair: &[florin_storage::Frame]| {
                pair[1].first_sequence == pair[0].last_sequence + 1
            };
            assert!(frames.windows(2).all(follow));
        }
    }
    opened.committer.finish().unwrap();
    let opened = open(&disk).unwrap();
    assert!(opened.clean_start);
    assert_holds(&opened, last);
}

#[test]
fn the_log_is_written_over_again_and_again_and_loses_nothing() {
    let disk = SimulatedDisk::new();
    let mut opened = open(&disk).unwrap();
    let length = disk.contents(WAL).unwrap().len();
    let mut last = 0;
    for commit in 0..600 {
        last = append(&mut opened, 1 + commit * 7 % 23).unwrap();
        // Sometimes the checkpointer has made room; mostly the committer has to.
        if commit % 50 == 20 {
            opened.checkpointer.run_pending().unwrap();
        }
    }
    assert_eq!(disk.contents(WAL).unwrap().len(), length);
    assert!(segments(&disk).len() > 3);
    assert_holds(&opened, last);
    drop(opened);
    disk.crash(7, CrashMode::LoseAll);
    assert_holds(&open(&disk).unwrap(), last);
}

#[test]
fn what_only_the_log_holds_is_there_after_a_crash() {
    let disk = killed(6);
    assert_eq!(entries(&disk).len(), 6);
    disk.crash(1, CrashMode::LoseAll);
    let mut opened = open(&disk).unwrap();
    assert_eq!(opened.head.sequence, 30);
    assert_holds(&opened, 30);
    assert_eq!(append(&mut opened, 2).unwrap(), 32);
    assert_holds(&opened, 32);
}

#[test]
fn a_lost_log_is_named_and_never_made_anew() {
    let stopped = SimulatedDisk::new();
    let mut opened = open(&stopped).unwrap();
    append(&mut opened, 5).unwrap();
    opened.committer.finish().unwrap();
    // The log must not be missing after a clean shutdown either: if one file was lost, others may
    // be lost as well.
    for disk in [killed(3), stopped] {
        disk.remove(WAL).unwrap();
        for _ in 0..2 {
            let error = open(&disk).unwrap_err();
            assert!(
                error.is_damage() && error.to_string().contains(WAL),
                "{error}"
            );
        }
        assert_eq!(disk.contents(WAL), None);
    }
}

#[test]
fn a_log_that_goes_on_after_a_clean_end_is_refused_and_left_as_it_is() {
    let disk = SimulatedDisk::new();
    let mut opened = open(&disk).unwrap();
    append(&mut opened, 5).unwrap();
    opened.committer.finish().unwrap();
    let mark = disk.contents(CLEAN_MARK).unwrap();
    let mut opened = open(&disk).unwrap();
    append(&mut opened, 5).unwrap();
    drop(opened);
    disk.kill();
    let file = disk.open(CLEAN_MARK, OpenHow::Create).unwrap();
    file.write_at(0, &mark).unwrap();

    let error = open(&disk).unwrap_err();
    let text = error.to_string();
    let named = text.contains("ended at sequence 5") && text.contains("ends at 10");
    assert!(error.is_damage() && named, "{text}");
    let holds = |name: &str| {
        let (bytes, record) = (disk.contents(name).unwrap(), record(10));
        bytes.windows(record.len()).any(|window| window == record)
    };
    let live = segments(&disk).pop().unwrap();
    assert!(holds(WAL) && !holds(&live), "{live}");
    disk.remove(CLEAN_MARK).unwrap();
    assert_holds(&open(&disk).unwrap(), 10);
    assert!(holds(&live));
}

#[test]
fn a_log_that_is_left_alone_is_refused_and_kept() {
    let disk = killed(3);
    for name in segments(&disk) {
        disk.remove(&name).unwrap();
    }
    let before = disk.contents(WAL);
    let error = open(&disk).unwrap_err();
    let named = error.to_string().contains("there is no segment");
    assert!(error.is_damage() && named, "{error}");
    assert_eq!(segments(&disk), Vec::<String>::new());
    assert!(disk.contents(WAL) == before);
}

#[test]
fn a_log_of_another_journal_is_refused() {
    let (disk, other) = (killed(3), SimulatedDisk::new());
    let options = Options {
        journal_id: [8; 16],
        ..options()
    };
    drop(Journal::open(Arc::new(other.clone()), options, 5).unwrap());
    overwrite(&disk, 0, &other.contents(WAL).unwrap());
    let error = open(&disk).unwrap_err();
    assert!(
        error.is_damage() && error.to_string().contains(WAL),
        "{error}"
    );
}

#[test]
fn a_damaged_entry_is_named_unless_it_is_the_last_one() {
    let places = entries(&killed(6));
    for (index, (at, first)) in places.iter().enumerate() {
        // The offsets are in the block's head, the frame's length, its records and its link.
        for offset in [0, 8, 12, 16, 40, 300] {
            let disk = killed(6);
            let log = disk.contents(WAL).unwrap();
            overwrite(&disk, at + offset, &[log[at + offset] ^ 0x10]);
            match open(&disk) {
                // The damage can't be told from a commit that was torn before it was acknowledged.
                Ok(opened) => {
                    assert_eq!(index, 5, "an entry at {offset}");
                    assert_eq!(opened.head.sequence, first - 1);
                    assert_holds(&opened, first - 1);
                }
                Err(error) => {
                    assert!(index < 5, "{error}");
                    assert!(
                        error.is_damage() && error.to_string().contains(WAL),
                        "{error}"
                    );
                }
            }
        }
    }
}

#[test]
fn no_record_can_pass_for_an_entry() {
    // These are the blocks of a journal that is far ahead, as a client might send them in a record.
    let ahead = SimulatedDisk::new();
    let mut opened = open(&ahead).unwrap();
    append(&mut opened, 100).unwrap();
    append(&mut opened, 3).unwrap();
    let (at, first) = entries(&ahead)[1];
    assert_eq!(first, 101);
    let block = &ahead.contents(WAL).unwrap()[at..at + BLOCK];
    for shift in [0, 1, 16, 20, 61, 4_075] {
        let disk = SimulatedDisk::new();
        let mut opened = open(&disk).unwrap();
        let mut chunk = Chunk::new(1, RECORD_BYTES_MAX);
        let hostile = chunk.begin();
        hostile.resize(shift, 0);
        (0..4).for_each(|_| hostile.extend_from_slice(block));
        chunk.end(1, None).unwrap();
        opened.queue.push(chunk);
        opened.committer.run_pending().unwrap();
        drop(opened);
        disk.kill();
        assert_eq!(open(&disk).unwrap().head.sequence, 1, "shifted by {shift}");
    }
}

#[test]
fn a_failed_checkpoint_stops_the_committer() {
    let disk = SimulatedDisk::new();
    let mut opened = open(&disk).unwrap();
    for _ in 0..8 {
        append(&mut opened, 5).unwrap();
    }
    disk.fault_at(disk.io_count(), Fault::Once);
    assert!(opened.checkpointer.run_pending().is_err());
    let io_count = disk.io_count();
    opened.queue.push(chunk(41, 1));
    assert!(matches!(
        opened.committer.run_pending(),
        Err(Error::Stopped)
    ));
    assert_eq!(disk.io_count(), io_count, "something was written");
    drop(opened);
    disk.kill();
    assert_holds(&open(&disk).unwrap(), 40);
}

/// Fills the log more than once. Returns the last acknowledged sequence.
fn workload(disk: &SimulatedDisk) -> u64 {
    let mut acknowledged = 0;
    let mut run = || -> Result<(), Error> {
        let mut opened = open(disk)?;
        for commit in 0..45 {
            acknowledged = append(&mut opened, 1 + commit * 5 % 17)?;
            if commit % 29 == 28 {
                opened.checkpointer.run_pending()?;
            }
        }
        Ok(())
    };
    // The result does not matter: the check looks at what is on the disk.
    let _ = run();
    acknowledged
}

#[test]
fn nothing_acknowledged_is_lost_at_any_io_of_a_log_that_fills_up() {
    let whole = SimulatedDisk::new();
    workload(&whole);
    for point in 0..whole.io_count() {
        for seed in 0..4 {
            let disk = SimulatedDisk::new();
            let fault = [Fault::Broken, Fault::LostSync][seed as usize % 2];
            disk.fault_at(point, fault);
            let acknowledged = workload(&disk);
            match seed {
                0 | 1 => disk.crash(point * 31 + seed, CrashMode::Torn),
                2 => disk.crash(point, CrashMode::LoseAll),
                _ => disk.kill(),
            }
            let mut opened = open(&disk)
                .unwrap_or_else(|error| panic!("{fault:?} at I/O {point}, {seed}: {error}"));
            let last = opened.head.sequence;
            assert!(last >= acknowledged, "{fault:?} at I/O {point}, {seed}");
            append(&mut opened, 3).unwrap();
            assert_holds(&opened, last + 3);
        }
    }
}

#[test]
fn threads_commit_checkpoint_and_read_side_by_side() {
    const LAST: u64 = 6_000;
    let disk = SimulatedDisk::new();
    let opened = open(&disk).unwrap();
    let (queue, watermark, reader) = (opened.queue, opened.watermark, opened.reader);
    let committer = std::thread::spawn(move || opened.committer.run());
    let checkpointer = std::thread::spawn(move || opened.checkpointer.run());
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (watermark, reader) = (watermark.clone(), reader.clone());
            std::thread::spawn(move || {
                let mut seen = 0;
                while seen < LAST {
                    let durable = watermark.wait_past(seen, Duration::from_secs(20));
                    assert!(durable > seen, "no commit for 20 seconds");
                    let frames = reader.scan(seen + 1, usize::MAX).unwrap();
                    let records = frames.iter().flat_map(|frame| frame.iter());
                    let from = seen;
                    for (sequence, found) in records.filter(|(sequence, _)| *sequence > from) {
                        assert_eq!(sequence, seen + 1);
                        assert_eq!(found, record(sequence));
                        seen = sequence;
                    }
                    assert!(seen >= durable);
                    assert_eq!(
                        reader.record(seen / 2 + 1).unwrap(),
                        Some(record(seen / 2 + 1))
                    );
                }
            })
        })
        .collect();
    for first in (1..=LAST).step_by(4) {
        queue.push(chunk(first, 4));
    }
    for thread in readers {
        thread.join().unwrap();
    }
    queue.close();
    assert_eq!(committer.join().unwrap().unwrap().sequence, LAST);
    checkpointer.join().unwrap().unwrap();
    assert!(open(&disk).unwrap().clean_start);
}

#[test]
fn a_log_takes_another_length_at_the_next_start_and_keeps_it_for_who_asks_for_none() {
    let disk = killed(3);
    let with = |wal_bytes| Options {
        wal_bytes,
        ..options()
    };
    let mut last = 15;
    for (asked, length) in [
        (Some(200_000), 196_608),
        (None, 196_608),
        (Some(100_000), 98_304),
    ] {
        let mut opened = Journal::open(Arc::new(disk.clone()), with(asked), 5).unwrap();
        assert_holds(&opened, last);
        last = append(&mut opened, 5).unwrap();
        assert_eq!(disk.contents(WAL).unwrap().len(), length);
        drop(opened);
        disk.crash(last, CrashMode::LoseAll);
    }
    assert_holds(&open(&disk).unwrap(), last);
}
