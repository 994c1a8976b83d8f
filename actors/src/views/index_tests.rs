//! Tests of the indexes on disk. Whatever is sealed, merged, rebuilt or expired, and wherever a
//! crash interrupts it, an entry is found with its record or is not in a segment yet.

use std::collections::BTreeSet;
use std::sync::Arc;

use florin_storage::{CrashMode, Disk, OpenHow, Reader, SimulatedDisk, SortedSegment};

use super::sample::{Sample, Still, account};
use super::*;
use crate::base::{Clock, key_hash, operation_entry};

const RECORDS: u64 = 140;

fn options() -> ProjectorOptions {
    ProjectorOptions {
        flush_records_max: 1,
        flush_millis_max: 1,
        states_kept_max: 1,
        keys_max: 1_000_000,
        keys_millis_max: 1_000_000_000,
        index_memory_bytes_max: u64::MAX,
        milestone_records: 64,
    }
}

fn sample() -> Sample {
    let mut sample = Sample::default();
    sample.open(account(0), 0);
    for micros in 1..RECORDS as i64 {
        sample.move_money(account(0), 1, micros * 1_000);
    }
    sample
}

fn open(
    disk: &SimulatedDisk,
    reader: &Reader,
    options: ProjectorOptions,
    threads: bool,
) -> std::io::Result<Indexes> {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let memory = Arc::default();
    Indexes::open(
        &shared,
        reader.clone(),
        4,
        options,
        memory,
        Crew::new(threads.then(|| Arc::new(Still) as Arc<dyn Clock>)),
    )
}

/// Adds the records that no segment covers, and runs all pending jobs.
fn follow(indexes: &mut Indexes, sample: &Sample) -> std::io::Result<()> {
    let (keys, operations) = indexes.covered();
    for record in &sample.records[keys.min(operations) as usize..] {
        indexes.take(record);
        indexes.seal(record.sequence, record.time, &mut || {})?;
        indexes.tend(u64::MAX)?;
    }
    for _ in 0..50 {
        indexes.tend(u64::MAX)?;
    }
    indexes.forget_taken();
    Ok(())
}

fn look_up(segments: &[Arc<SortedSegment>], entry: u128) -> std::io::Result<Option<u64>> {
    crate::base::search(segments, entry)
}

/// Asserts that every entry of a covered record is found and that no other is. Keys of records up
/// to `expired` may be missing.
#[track_caller]
fn assert_whole(indexes: &Indexes, sample: &Sample, expired: u64) {
    let (keys, operations) = indexes.segments();
    let covered = indexes.covered();
    for record in &sample.records {
        let sequence = record.sequence;
        let wanted = (sequence <= covered.1).then_some(sequence);
        let entry = operation_entry(record.operation_id);
        assert_eq!(look_up(&operations, entry).unwrap(), wanted, "{sequence}");
        if let Some(key) = &record.key {
            let found = look_up(&keys, key_hash(&record.caller, key)).unwrap();
            if sequence <= covered.0 && sequence > expired {
                assert_eq!(found, Some(sequence), "{sequence}");
            } else if sequence > covered.0 {
                assert_eq!(found, None, "{sequence}");
            }
        }
    }
}

fn files(disk: &SimulatedDisk) -> Vec<String> {
    disk.list("views").unwrap()
}

#[test]
fn segments_stay_few_and_every_entry_is_found() {
    let (disk, sample) = (SimulatedDisk::new(), sample());
    let reader = sample.write(&disk, 1);
    let mut indexes = open(&disk, &reader, options(), false).unwrap();
    follow(&mut indexes, &sample).unwrap();
    assert_whole(&indexes, &sample, 0);
    let (keys, operations) = indexes.segments();
    assert!(keys.len() <= 11 && operations.len() <= 11, "{keys:?}");
    assert_eq!(files(&disk).len(), keys.len() + operations.len());
    assert_eq!(indexes.covered(), (RECORDS, RECORDS));
}

#[test]
fn a_crash_at_any_io_leaves_a_whole_index_and_the_start_removes_what_is_left_over() {
    let sample = sample();
    let run = |disk: &SimulatedDisk, reader: &Reader| {
        let mut indexes = open(disk, reader, options(), false)?;
        follow(&mut indexes, &sample)
    };
    let journal = |disk: &SimulatedDisk| sample.write(disk, 1);
    let whole = SimulatedDisk::new();
    let reader = journal(&whole);
    let before = whole.io_count();
    run(&whole, &reader).unwrap();
    for point in (before..whole.io_count()).step_by(3) {
        let mode = if point % 2 == 0 {
            CrashMode::LoseAll
        } else {
            CrashMode::Torn
        };
        let disk = SimulatedDisk::new();
        let reader = journal(&disk);
        disk.fail_at(point);
        drop(run(&disk, &reader));
        disk.crash(point, mode);
        let mut indexes = open(&disk, &reader, options(), false).unwrap();
        assert_whole(&indexes, &sample, 0);
        let (keys, operations) = indexes.segments();
        assert_eq!(
            files(&disk).len(),
            keys.len() + operations.len(),
            "I/O {point}"
        );
        // The crash closed the reader's files, so the journal is opened again.
        indexes = open(&disk, &reopened(&disk), options(), false).unwrap();
        follow(&mut indexes, &sample).unwrap();
        assert_whole(&indexes, &sample, 0);
        assert_eq!(indexes.covered(), (RECORDS, RECORDS));
    }
}

/// Opens the journal again and returns its reader.
fn reopened(disk: &SimulatedDisk) -> Reader {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let journal = florin_storage::Options::new([1; 16]);
    let opened = florin_storage::Journal::open(shared, journal, 0).unwrap();
    let reader = opened.reader.clone();
    opened.committer.finish().unwrap();
    reader
}

#[test]
fn any_file_that_is_missing_or_damaged_is_written_anew() {
    let sample = sample();
    let disk = SimulatedDisk::new();
    let reader = sample.write(&disk, 1);
    let mut indexes = open(&disk, &reader, options(), false).unwrap();
    follow(&mut indexes, &sample).unwrap();
    drop(indexes);
    let whole: Vec<(String, Vec<u8>)> = files(&disk)
        .into_iter()
        .map(|file| format!("views/{file}"))
        .map(|name| (name.clone(), disk.contents(&name).unwrap()))
        .collect();
    for (name, bytes) in &whole {
        for damage in 0..6 {
            restore(&disk, &whole);
            let file = disk.open(name, OpenHow::Existing).unwrap();
            match damage {
                0 => disk.remove(name).unwrap(),
                1 => file.set_len(0).unwrap(),
                2 => file.set_len(bytes.len() as u64 - 1).unwrap(),
                3 => file.set_len(bytes.len() as u64 + 1).unwrap(),
                // The bytes damaged are in the header and in an entry.
                4 => assert!(disk.rot(name, 30, 9)),
                _ => assert!(disk.rot(name, 140, 9)),
            }
            let mut indexes = open(&disk, &reader, options(), false).unwrap();
            follow(&mut indexes, &sample).unwrap();
            // A segment that a look-up finds damaged is rebuilt while the node runs.
            let (keys, operations) = indexes.segments();
            for record in &sample.records {
                drop(look_up(&operations, operation_entry(record.operation_id)));
                if let Some(key) = &record.key {
                    drop(look_up(&keys, key_hash(&record.caller, key)));
                }
            }
            follow(&mut indexes, &sample).unwrap();
            assert_whole(&indexes, &sample, 0);
            // A segment takes four entries. Four keys come from up to six records, so fewer than
            // six records may be uncovered.
            let (keys, operations) = indexes.covered();
            assert!(keys.min(operations) > RECORDS - 6, "{name}, {damage}");
        }
    }
}

/// Restores the views' files to the given contents.
fn restore(disk: &SimulatedDisk, whole: &[(String, Vec<u8>)]) {
    for file in files(disk) {
        disk.remove(&format!("views/{file}")).unwrap();
    }
    for (name, bytes) in whole {
        let file = disk.open(name, OpenHow::Create).unwrap();
        file.write_at(0, bytes).unwrap();
    }
}

#[test]
fn expired_keys_go_in_whole_segments_and_never_too_soon() {
    let (disk, sample) = (SimulatedDisk::new(), sample());
    let reader = sample.write(&disk, 1);
    let by_number = ProjectorOptions {
        keys_max: 40,
        ..options()
    };
    let mut indexes = open(&disk, &reader, by_number, false).unwrap();
    follow(&mut indexes, &sample).unwrap();
    let (keys, _) = indexes.segments();
    let kept: u64 = keys.iter().map(|segment| segment.len()).sum();
    assert!((40..=40 + 10).contains(&kept), "{kept}");
    assert!(keys.len() <= 21, "{keys:?}");
    // Two of three records have a key.
    assert_whole(&indexes, &sample, RECORDS - 40 * 3 / 2);
    drop(indexes);
    // After a restart the expired keys stay gone, and nothing is rebuilt.
    let again = open(&disk, &reader, by_number, false).unwrap();
    assert_eq!(again.covered(), (RECORDS, RECORDS));
    assert_whole(&again, &sample, RECORDS - 40 * 3 / 2);

    let disk = SimulatedDisk::new();
    let reader = sample.write(&disk, 1);
    let by_age = ProjectorOptions {
        // There is one record per millisecond.
        keys_millis_max: 60,
        ..options()
    };
    let mut indexes = open(&disk, &reader, by_age, false).unwrap();
    follow(&mut indexes, &sample).unwrap();
    assert_whole(&indexes, &sample, RECORDS - 60);
    let (keys, _) = indexes.segments();
    let oldest = keys.iter().find(|segment| !segment.is_empty()).unwrap();
    let newest_there = oldest.extent().times.1;
    assert!(newest_there >= (RECORDS as i64 - 1 - 60) * 1_000 - 15_000 - 4_000);
}

#[test]
fn past_the_cap_the_oldest_filters_go_and_their_keys_are_found_on_disk() {
    let (disk, sample) = (SimulatedDisk::new(), sample());
    let reader = sample.write(&disk, 1);
    let mut with_filters = Vec::new();
    for cap in [0, 200, 500, 1_000_000] {
        let capped = ProjectorOptions {
            index_memory_bytes_max: cap,
            ..options()
        };
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let memory = Arc::new(IndexMemory::default());
        let crew = Crew::new(None);
        let mut indexes = Indexes::open(
            &shared,
            reader.clone(),
            4,
            capped,
            Arc::clone(&memory),
            crew,
        )
        .unwrap();
        follow(&mut indexes, &sample).unwrap();
        assert!(memory.bytes() <= cap);
        assert_whole(&indexes, &sample, 0);
        let (keys, operations) = indexes.segments();
        assert!(operations.iter().all(|segment| !segment.has_filters()));
        with_filters.push(keys.iter().filter(|segment| segment.has_filters()).count());
        // A generation that takes the whole cap leaves no room for filters.
        memory.add_generation(cap);
        indexes.tend(u64::MAX).unwrap();
        let (keys, _) = indexes.segments();
        assert!(keys.iter().all(|segment| !segment.has_filters()));
        assert_whole(&indexes, &sample, 0);
        memory.drop_generation(cap);
        indexes.tend(u64::MAX).unwrap();
        assert!(memory.bytes() <= cap);
    }
    assert_eq!(with_filters[0], 0);
    assert!(with_filters.is_sorted() && with_filters[3] > with_filters[1]);
}

#[test]
fn a_merge_on_a_thread_of_its_own_ends_with_the_same_index() {
    let (disk, sample) = (SimulatedDisk::new(), sample());
    let reader = sample.write(&disk, 1);
    let mut indexes = open(&disk, &reader, options(), true).unwrap();
    follow(&mut indexes, &sample).unwrap();
    let mut few = false;
    while !few {
        indexes.tend(u64::MAX).unwrap();
        let (keys, operations) = indexes.segments();
        few = keys.len() <= 10 && operations.len() <= 10;
        std::thread::yield_now();
    }
    assert_whole(&indexes, &sample, 0);
    indexes.stop();
    let known: BTreeSet<String> = files(&disk).into_iter().collect();
    drop(open(&disk, &reader, options(), false).unwrap());
    let left: BTreeSet<String> = files(&disk).into_iter().collect();
    assert!(left.is_subset(&known));
    assert!(left.iter().all(|file| !file.ends_with(".tmp")));
}
