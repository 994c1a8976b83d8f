//! A journal seen from outside: appended records come back after restarts and across segments, and
//! damage is reported.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may stop at the first surprise.
#![allow(clippy::disallowed_methods)] // A test starts threads as it likes.

mod common;

use common::{append, assert_holds, chunk, open, options, personal, record, segments, verify};
use florin_storage::{
    Chunk, CommitObserver, CrashMode, Disk, Error, Journal, PersonalBytes, SimulatedDisk,
    genesis_link, verify_chain,
};
use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Returns a disk with several segments after a clean shutdown, and the last sequence.
fn filled(commits: u64) -> (SimulatedDisk, u64) {
    let disk = SimulatedDisk::new();
    let mut opened = open(&disk).unwrap();
    for _ in 0..commits {
        append(&mut opened, 40).unwrap();
    }
    let head = opened.committer.finish().unwrap();
    (disk, head.sequence)
}

#[test]
fn an_empty_journal_starts_from_its_identity() {
    let disk = SimulatedDisk::new();
    let opened = open(&disk).unwrap();
    assert_eq!((opened.head.sequence, opened.head.time_micros), (0, 0));
    assert_eq!(opened.head.link, genesis_link(&[9; 16]));
    assert_eq!(opened.journal_id, [9; 16]);
    assert!(!opened.clean_start);
    assert_holds(&opened.reader, 0);
    assert_eq!(verify(&opened.reader).unwrap().head, opened.head);
    assert!(opened.reader.scan(0, 1_000).unwrap().is_empty());
}

#[test]
fn records_come_back_across_segments_and_restarts() {
    let (disk, last) = filled(20);
    assert!(segments(&disk).len() >= 3);
    let mut opened = open(&disk).unwrap();
    assert!(opened.clean_start);
    assert_eq!(opened.head.sequence, last);
    assert_eq!(opened.head.time_micros, 1_000 + last as i64);
    assert_holds(&opened.reader, last);
    append(&mut opened, 5).unwrap();
    assert_holds(&opened.reader, last + 5);
    let verified = verify(&opened.reader).unwrap();
    assert_eq!(
        (verified.records, verified.head),
        (last + 5, opened.committer.head())
    );
    // An existing journal keeps its identity, whatever the options say.
    drop(opened);
    disk.kill();
    let other = florin_storage::Options {
        journal_id: [1; 16],
        ..options()
    };
    let opened = Journal::open(Arc::new(disk.clone()), other, 6).unwrap();
    assert_eq!(opened.journal_id, [9; 16]);
    assert!(!opened.clean_start);
}

#[test]
fn a_scan_from_any_sequence_starts_with_its_frame_and_leaves_no_gap() {
    let (disk, last) = filled(12);
    let reader = open(&disk).unwrap().reader;
    for from in [0, 1, 2, 100, last / 2, last] {
        let frames: Vec<_> = reader.frames(from).map(Result::unwrap).collect();
        assert!(frames[0].first_sequence <= from.max(1));
        assert!(frames[0].last_sequence >= from);
        assert_eq!(frames.last().unwrap().last_sequence, last);
        for pair in frames.windows(2) {
            assert_eq!(pair[0].last_sequence + 1, pair[1].first_sequence);
            assert_eq!(pair[0].link, pair[1].previous_link);
        }
        for (sequence, bytes) in frames.iter().flat_map(|frame| frame.iter()) {
            assert_eq!(bytes, record(sequence));
        }
        assert_eq!(reader.scan(from, 1).unwrap(), frames[..1]);
        let verified = verify_chain(&reader, from, |_| Ok(())).unwrap();
        assert_eq!(verified.frames, frames.len() as u64);
    }
    assert!(reader.scan(last + 1, 1_000).unwrap().is_empty());
    assert!(reader.frames(last + 1).next().is_none());
}

#[test]
fn a_large_record_has_a_frame_of_its_own_and_a_larger_one_is_refused_before_anything() {
    let disk = SimulatedDisk::new();
    let mut opened = open(&disk).unwrap();
    let mut chunk = Chunk::new(1, common::RECORD_BYTES_MAX);
    chunk.begin().extend_from_slice(b"small");
    chunk.end(1, None).unwrap();
    chunk.begin().resize(5 + 500_000, 3);
    chunk.end(2, None).unwrap();
    chunk
        .begin()
        .resize(5 + 500_000 + common::RECORD_BYTES_MAX + 1, 3);
    assert!(matches!(
        chunk.end(3, None),
        Err(Error::RecordTooLarge { .. })
    ));
    opened.queue.push(chunk);
    assert_eq!(opened.committer.run_pending().unwrap().unwrap().sequence, 2);
    assert_eq!(opened.reader.record(2).unwrap().unwrap().len(), 500_000);
    assert_eq!(opened.reader.frames(1).count(), 2);
}

#[test]
fn a_chunk_that_does_not_follow_stops_the_committer() {
    let disk = SimulatedDisk::new();
    let mut opened = open(&disk).unwrap();
    append(&mut opened, 3).unwrap();
    opened.queue.push(chunk(5, 1));
    let error = opened.committer.run_pending().unwrap_err();
    assert!(matches!(
        error,
        Error::NotContiguous {
            expected: 4,
            found: 5
        }
    ));
    assert!(matches!(
        opened.committer.run_pending(),
        Err(Error::Stopped)
    ));
    assert!(matches!(opened.committer.finish(), Err(Error::Stopped)));
    assert!(!disk.exists("journal/clean").unwrap());
}

#[test]
fn the_backlog_counts_what_is_not_durable_and_commits_are_observed() {
    #[derive(Default)]
    struct Seen(Mutex<Vec<(u64, usize, Duration)>>, AtomicUsize);
    impl CommitObserver for Seen {
        fn committed(&self, last: u64, records: usize, bytes: usize, duration: Duration) {
            self.0.lock().unwrap().push((last, records, duration));
            self.1.fetch_add(bytes, Ordering::Relaxed);
        }
    }
    let seen = Arc::new(Seen::default());
    let ticks = AtomicUsize::new(0);
    let options = florin_storage::Options {
        observer: seen.clone(),
        nanos: Arc::new(move || ticks.fetch_add(700, Ordering::Relaxed) as u64),
        ..options()
    };
    let disk = SimulatedDisk::new();
    let mut opened = Journal::open(Arc::new(disk), options, 0).unwrap();
    let (one, two) = (chunk(1, 10), chunk(11, 4));
    let bytes = (one.bytes() + two.bytes()) as u64;
    opened.queue.push(one);
    opened.queue.push(two);
    opened.queue.push(Chunk::new(99, 1));
    assert_eq!(
        (opened.queue.backlog_records(), opened.queue.backlog_bytes()),
        (14, bytes)
    );
    assert_eq!(opened.reader.record(1).unwrap(), None);
    opened.committer.run_pending().unwrap();
    assert_eq!(
        (opened.queue.backlog_records(), opened.queue.backlog_bytes()),
        (0, 0)
    );
    let commit = (14, 14, Duration::from_nanos(700));
    assert_eq!(*seen.0.lock().unwrap(), [commit]);
    assert!(seen.1.load(Ordering::Relaxed) as u64 > bytes - 100);
    assert_eq!(opened.committer.run_pending().unwrap(), None);
}

#[test]
fn a_thread_commits_what_others_push_and_read() {
    let disk = SimulatedDisk::new();
    let opened = open(&disk).unwrap();
    let (queue, watermark, reader) = (opened.queue, opened.watermark, opened.reader);
    let committer = std::thread::spawn(move || opened.committer.run());
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (watermark, reader) = (watermark.clone(), reader.clone());
            std::thread::spawn(move || {
                let mut seen = 0;
                while seen < 2_000 {
                    let durable = watermark.wait_past(seen, Duration::from_secs(20));
                    assert!(durable > seen, "no commit for 20 seconds");
                    for sequence in [seen + 1, seen / 2 + 1, 1, durable] {
                        assert_eq!(reader.record(sequence).unwrap(), Some(record(sequence)));
                    }
                    seen = durable;
                }
            })
        })
        .collect();
    for first in (1..=2_000).step_by(20) {
        queue.push(chunk(first, 20));
    }
    for thread in readers {
        thread.join().unwrap();
    }
    queue.close();
    assert_eq!(committer.join().unwrap().unwrap().sequence, 2_000);
    assert_holds(&reader, 2_000);
    assert!(open(&disk).unwrap().clean_start);
}

/// Removes the segment of the last record, and the empty one after it.
fn cut_tail(disk: &SimulatedDisk, last: u64) {
    let empty = format!("journal/{:020}.redb", last + 1);
    let tail = segments(disk);
    for name in tail.iter().filter(|name| **name == empty) {
        disk.remove(name).unwrap();
    }
    disk.remove(segments(disk).last().unwrap()).unwrap();
}

#[test]
fn a_lost_tail_after_a_clean_end_is_refused() {
    let (disk, last) = filled(20);
    cut_tail(&disk, last);
    let error = open(&disk).unwrap_err().to_string();
    assert!(
        error.contains(&format!("ended at sequence {last}")),
        "{error}"
    );
}

#[test]
fn a_clean_end_with_no_segment_left_is_refused_and_nothing_begun_anew() {
    let (disk, last) = filled(20);
    for name in segments(&disk) {
        disk.remove(&name).unwrap();
    }
    let error = open(&disk).unwrap_err();
    assert!(error.is_damage());
    assert!(error.to_string().contains(&last.to_string()), "{error}");
    assert_eq!(segments(&disk), Vec::<String>::new());
}

#[test]
fn a_lost_tail_without_the_mark_shows_against_a_noted_head() {
    let (disk, last) = filled(20);
    cut_tail(&disk, last);
    disk.remove("journal/clean").unwrap();
    let opened = open(&disk).unwrap();
    let verified = verify(&opened.reader).unwrap();
    assert!(verified.head.sequence < last);
}

#[test]
fn a_lost_segment_in_the_middle_is_named() {
    let (disk, _) = filled(20);
    let names = segments(&disk);
    disk.remove(&names[names.len() - 2]).unwrap();
    let error = open(&disk).unwrap_err().to_string();
    assert!(error.contains(names.last().unwrap()), "{error}");

    let (disk, _) = filled(40);
    let names = segments(&disk);
    disk.remove(&names[1]).unwrap();
    let error = open(&disk).unwrap_err();
    assert!(error.is_damage(), "{error}");
    assert!(error.to_string().contains(&names[2]), "{error}");
}

#[test]
fn a_lost_first_segment_is_named() {
    let (disk, _) = filled(40);
    let names = segments(&disk);
    disk.remove(&names[0]).unwrap();
    let error = open(&disk).unwrap_err();
    assert!(error.is_damage(), "{error}");
    let error = error.to_string();
    assert!(
        error.contains(&names[0]) && error.contains("missing"),
        "{error}"
    );
}

#[test]
fn a_lost_log_is_refused_after_a_clean_end_too() {
    let (disk, _) = filled(2);
    for is_clean in [true, false] {
        disk.remove("journal/wal").unwrap();
        if !is_clean {
            disk.remove("journal/clean").unwrap();
        }
        let error = open(&disk).unwrap_err();
        assert!(error.is_damage(), "{error}");
        assert!(!disk.exists("journal/wal").unwrap());
        drop(
            disk.open("journal/wal", florin_storage::OpenHow::Create)
                .unwrap(),
        );
    }
}

#[test]
fn a_segment_that_is_lost_while_the_journal_is_open_is_damage() {
    let (disk, last) = filled(40);
    let options = florin_storage::Options {
        sealed_open_max: 1,
        ..options()
    };
    let opened = Journal::open(Arc::new(disk.clone()), options, 5).unwrap();
    disk.remove(&segments(&disk)[0]).unwrap();
    let error = opened.reader.record(1).unwrap_err();
    assert!(error.is_damage(), "{error}");
    assert_eq!(opened.reader.record(last).unwrap(), Some(record(last)));
}

/// Records the reported damage.
#[derive(Default)]
struct Told(std::sync::Mutex<Vec<(String, u64)>>);

impl florin_storage::DamageObserver for Told {
    fn damaged(&self, file: &str, frame: u64, _what: &str) {
        self.0.lock().unwrap().push((file.to_owned(), frame));
    }
}

#[test]
fn damage_is_told_with_its_place_at_every_read_that_meets_it() {
    let (disk, last) = filled(8);
    let name = segments(&disk)[0].clone();
    // The record is long enough that its bytes occur nowhere else.
    let altered = (1..last)
        .find(|sequence| record(*sequence).len() > 300)
        .unwrap();
    let bytes = disk.contents(&name).unwrap();
    let wanted = record(altered);
    for (at, window) in bytes.windows(wanted.len()).enumerate() {
        if window == wanted {
            assert!(disk.rot(&name, at + 20, 1));
        }
    }
    let told = Arc::new(Told::default());
    let options = florin_storage::Options {
        damage_observer: told.clone(),
        ..options()
    };
    let opened = Journal::open(Arc::new(disk.clone()), options, 5).unwrap();
    for _ in 0..3 {
        assert!(opened.reader.record(altered).unwrap_err().is_damage());
    }
    let told = told.0.lock().unwrap();
    assert_eq!(told.len(), 3);
    assert!(
        told.iter()
            .all(|(file, frame)| *file == name && *frame <= altered)
    );
}

#[test]
fn a_segment_of_another_journal_is_refused() {
    let (disk, _) = filled(20);
    let other = SimulatedDisk::new();
    let options = florin_storage::Options {
        journal_id: [2; 16],
        ..options()
    };
    let mut opened = Journal::open(Arc::new(other.clone()), options, 5).unwrap();
    for _ in 0..20 {
        append(&mut opened, 40).unwrap();
    }
    opened.committer.finish().unwrap();
    let tail = segments(&disk).pop().unwrap();
    let bytes = other.contents(&tail).unwrap();
    let file = disk.open(&tail, florin_storage::OpenHow::Existing).unwrap();
    file.set_len(0).unwrap();
    file.write_at(0, &bytes).unwrap();
    file.sync().unwrap();
    let error = open(&disk).unwrap_err().to_string();
    assert!(
        error.contains(&tail) && error.contains("does not continue"),
        "{error}"
    );
}

#[test]
fn files_that_are_no_segments_are_named_or_left_alone() {
    let (disk, _) = filled(2);
    let make = |name: &str, bytes: &[u8]| {
        let file = disk.open(name, florin_storage::OpenHow::Create).unwrap();
        file.write_at(0, bytes).unwrap();
        file.sync().unwrap();
    };
    make("journal/notes.txt", b"an operator's");
    make("journal/00000000000000000777.redb.tmp", b"half made");
    drop(open(&disk).unwrap());
    assert!(disk.exists("journal/notes.txt").unwrap());
    assert!(
        !disk
            .exists("journal/00000000000000000777.redb.tmp")
            .unwrap()
    );
    make("journal/777.redb", b"?");
    let error = open(&disk).unwrap_err().to_string();
    assert!(error.contains("journal/777.redb"), "{error}");
    disk.remove("journal/777.redb").unwrap();
    make("journal/00000000000000000777.redb", b"");
    let error = open(&disk).unwrap_err().to_string();
    assert!(
        error.contains("00000000000000000777.redb: frame 777: the file is empty"),
        "{error}"
    );
}

#[test]
fn options_out_of_range_are_refused_before_anything_is_made() {
    let disk = SimulatedDisk::new();
    let options = florin_storage::Options {
        frame_bytes_max: 10,
        ..options()
    };
    let error = Journal::open(Arc::new(disk.clone()), options, 0).unwrap_err();
    assert!(matches!(
        error,
        Error::Setting {
            name: "frame_bytes_max",
            ..
        }
    ));
    assert_eq!(disk.io_count(), 0);
}

/// Opens the journal, verifies it and reads all records. Returns the first error.
fn inspect(disk: &SimulatedDisk, last: u64) -> Result<(), String> {
    let opened = open(disk).map_err(|error| error.to_string())?;
    let verified = verify(&opened.reader).map_err(|error| error.to_string())?;
    for sequence in 1..=verified.head.sequence {
        let found = opened
            .reader
            .record(sequence)
            .map_err(|error| error.to_string())?;
        assert_eq!(found, Some(record(sequence)));
        let row = opened.reader.personal(sequence);
        let row = row.map_err(|error| error.to_string())?;
        let wanted = personal(sequence).map(PersonalBytes::Kept);
        if row != wanted {
            // If the root of the table is lost, all rows are lost with it; the rows' owner knows
            // that a row must exist.
            assert_eq!(row, None);
        }
    }
    if verified.head.sequence == last {
        Ok(())
    } else {
        Err("the tail is cut".to_owned())
    }
}

#[test]
fn a_byte_altered_in_any_frame_is_found() {
    let (disk, last) = filled(8);
    let mut altered = 0;
    for name in segments(&disk) {
        let bytes = disk.contents(&name).unwrap();
        for sequence in (1..=last).step_by(9) {
            let wanted = record(sequence);
            if wanted.len() < 40 {
                continue;
            }
            let mut at = bytes
                .windows(wanted.len())
                .position(|window| window == wanted);
            while let Some(offset) = at {
                // Old copies of a page may hold the record too, so all of them are altered.
                assert!(disk.rot(&name, offset + 20, 0x40));
                let bytes = disk.contents(&name).unwrap();
                at = bytes
                    .windows(wanted.len())
                    .position(|window| window == wanted);
                altered += 1;
            }
            if disk.contents(&name).unwrap() == bytes {
                continue;
            }
            let crashed = SimulatedDisk::new();
            copy(&disk, &crashed);
            let error = inspect(&crashed, last).unwrap_err();
            assert!(error.contains(&name), "record {sequence}: {error}");
            restore(&disk, &name, &bytes);
        }
    }
    assert!(altered > 20);
}

/// The store panics on some of these files, and again while it is closed. The process must go on.
#[test]
fn a_rotten_byte_in_any_page_never_ends_the_process() {
    let (disk, last) = filled(8);
    let mut refused = 0;
    for name in segments(&disk) {
        let bytes = disk.contents(&name).unwrap();
        // The file's header is skipped: if a length there is altered, the store makes a file of
        // that length.
        for at in (4_096..bytes.len()).step_by(307) {
            let page = at / 4_096 * 4_096;
            if bytes[page..page + 4_096].iter().all(|byte| *byte == 0) {
                continue;
            }
            assert!(disk.rot(&name, at, 0x81));
            let rotten = SimulatedDisk::new();
            copy(&disk, &rotten);
            rotten
                .open("journal/clean", florin_storage::OpenHow::Create)
                .unwrap();
            let unnoticed = inspect(&rotten, last);
            if let Ok(mut opened) = open(&rotten) {
                for _ in 0..2 {
                    let _ = append(&mut opened, 40);
                }
            }
            refused += u32::from(unnoticed.is_err());
            assert!(disk.rot(&name, at, 0x81));
        }
        assert_eq!(disk.contents(&name).unwrap(), bytes);
    }
    assert!(refused > 100, "{refused}");
}

fn copy(from: &SimulatedDisk, to: &SimulatedDisk) {
    for name in from.list("journal").unwrap() {
        let name = format!("journal/{name}");
        let file = to.open(&name, florin_storage::OpenHow::Create).unwrap();
        drop(file);
        restore(to, &name, &from.contents(&name).unwrap());
    }
}

fn restore(disk: &SimulatedDisk, name: &str, bytes: &[u8]) {
    let file = disk.open(name, florin_storage::OpenHow::Existing).unwrap();
    file.set_len(0).unwrap();
    file.write_at(0, bytes).unwrap();
    file.sync().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn a_rotten_byte_anywhere_never_yields_a_wrong_record(
        segment in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        flip in 1..=255u8,
        clean in any::<bool>(),
    ) {
        let (disk, last) = filled(8);
        if !clean {
            disk.remove("journal/clean").unwrap();
        }
        let names = segments(&disk);
        let name = &names[segment.index(names.len())];
        let length = disk.contents(name).unwrap().len();
        prop_assert!(disk.rot(name, at.index(length), flip));
        // Unused bytes may decay unnoticed; only intact data is served.
        let _ = inspect(&disk, last);
        if let Ok(mut opened) = open(&disk) {
            let acknowledged = append(&mut opened, 40).map(|head| head.sequence);
            if let Ok(sequence) = acknowledged {
                let _ = opened.reader.record(sequence);
            }
        }
    }

    #[test]
    fn whatever_is_read_while_bytes_rot_is_right_or_an_error(
        rot in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..8u32), 1..60,
        ),
        reads in prop::collection::vec((any::<prop::sample::Index>(), 0..3u8), 1..40),
        rots_while_open in any::<bool>(),
    ) {
        let (disk, last) = filled(8);
        let names = segments(&disk);
        let sealed = &names[..names.len() - 1];
        let rot_all = || {
            for (segment, at, bit) in &rot {
                let name = &sealed[segment.index(sealed.len())];
                // The first page is skipped: it holds only what the store needs to open the file.
                let length = disk.contents(name).unwrap().len() - 4_096;
                disk.rot(name, 4_096 + at.index(length), 1 << bit);
            }
        };
        if !rots_while_open {
            rot_all();
        }
        let Ok(opened) = open(&disk) else { return Ok(()) };
        if rots_while_open {
            rot_all();
        }
        let reader = &opened.reader;
        for (at, how) in reads {
            let sequence = 1 + at.index(last as usize) as u64;
            match how {
                0 => if let Ok(found) = reader.record(sequence) {
                    prop_assert_eq!(found, Some(record(sequence)));
                },
                1 => if let Ok(Some(found)) = reader.personal(sequence) {
                    prop_assert_eq!(Some(found), personal(sequence).map(PersonalBytes::Kept));
                },
                _ => if let Ok(frames) = reader.scan(sequence, 20_000) {
                    let first = frames[0].first_sequence;
                    prop_assert!(first <= sequence);
                    let records = frames.iter().flat_map(florin_storage::Frame::iter);
                    for (next, (at, bytes)) in (first..).zip(records) {
                        prop_assert_eq!(at, next);
                        prop_assert_eq!(bytes.to_vec(), record(at));
                    }
                },
            }
        }
    }

    #[test]
    fn any_chunking_yields_the_same_records(
        sizes in prop::collection::vec(prop::collection::vec(1..30u64, 1..4), 1..8),
        seed in any::<u64>(),
    ) {
        let disk = SimulatedDisk::new();
        let mut opened = open(&disk).unwrap();
        let mut next = 1;
        for chunks in sizes {
            for size in chunks {
                opened.queue.push(chunk(next, size));
                next += size;
            }
            let head = opened.committer.run_pending().unwrap().unwrap();
            prop_assert_eq!(head.sequence, next - 1);
        }
        assert_holds(&opened.reader, next - 1);
        drop(opened);
        disk.crash(seed, CrashMode::Torn);
        let opened = open(&disk).unwrap();
        assert_holds(&opened.reader, next - 1);
    }
}
