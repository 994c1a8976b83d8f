//! Crashes at every I/O of a workload. After the next start, every acknowledged record is there,
//! the journal is a prefix of what was written, and the chain is intact.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may stop at the first surprise.

mod common;

use common::{append, append_logged, assert_holds, open, segments, verify};
use florin_storage::{CrashMode, Error, SimulatedDisk};

const COMMITS: u64 = 9;
const RECORDS: u64 = 60;

/// Runs until the disk fails or the workload is finished. Stores the last acknowledged sequence in
/// `acknowledged`.
fn workload(disk: &SimulatedDisk, acknowledged: &mut u64) -> Result<(), Error> {
    let mut opened = open(disk)?;
    for commit in 0..COMMITS {
        append(&mut opened, RECORDS + commit)?;
        *acknowledged = opened.watermark.durable();
        let logged = append_logged(&mut opened);
        *acknowledged = opened.watermark.durable();
        logged?;
    }
    opened.committer.finish()?;
    let mut opened = open(disk)?;
    append(&mut opened, RECORDS)?;
    *acknowledged = opened.watermark.durable();
    let logged = append_logged(&mut opened);
    *acknowledged = opened.watermark.durable();
    logged
}

fn assert_recovers(disk: &SimulatedDisk, acknowledged: u64, what: &str) {
    let mut opened = open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    let last = opened.head.sequence;
    assert!(
        last >= acknowledged,
        "{what}: {acknowledged} acknowledged, {last} there"
    );
    assert_holds(&opened.reader, last);
    let verified = verify(&opened.reader).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(verified.head, opened.head, "{what}");
    append(&mut opened, 3).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_holds(&opened.reader, last + 3);
}

fn io_of_workload() -> u64 {
    let disk = SimulatedDisk::new();
    let mut acknowledged = 0;
    workload(&disk, &mut acknowledged).unwrap();
    assert!(
        segments(&disk).len() > 2,
        "the workload has to fill segments"
    );
    disk.io_count()
}

fn try_every_point(crash: impl Fn(&SimulatedDisk, u64)) {
    for point in 0..io_of_workload() {
        let disk = SimulatedDisk::new();
        disk.fail_at(point);
        let mut acknowledged = 0;
        let ended = workload(&disk, &mut acknowledged);
        crash(&disk, point);
        let what = format!("crash at I/O {point}, workload ended with {ended:?}");
        assert_recovers(&disk, acknowledged, &what);
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_every_unsynced_write_is() {
    try_every_point(|disk, point| disk.crash(point, CrashMode::LoseAll));
}

#[test]
fn nothing_acknowledged_is_lost_when_unsynced_writes_are_torn() {
    for seed in 0..2 {
        try_every_point(|disk, point| disk.crash(point * 31 + seed, CrashMode::Torn));
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_only_the_process_ends() {
    try_every_point(|disk, _| disk.kill());
}

#[test]
fn a_second_crash_during_recovery_loses_nothing_either() {
    let points = io_of_workload();
    for point in (0..points).step_by(11) {
        for second in 0..12 {
            let disk = SimulatedDisk::new();
            disk.fail_at(point);
            let mut acknowledged = 0;
            let _ = workload(&disk, &mut acknowledged);
            disk.crash(point, CrashMode::Torn);
            disk.fail_at(disk.io_count() + second);
            let _ = open(&disk);
            disk.crash(second, CrashMode::Torn);
            let what = format!("crash at I/O {point}, then {second} I/Os into recovery");
            assert_recovers(&disk, acknowledged, &what);
        }
    }
}

#[test]
fn a_failed_sync_is_not_believed_by_the_next_start() {
    let disk = SimulatedDisk::new();
    let mut opened = open(&disk).unwrap();
    append(&mut opened, 10).unwrap();
    disk.fail_next_sync();
    append(&mut opened, 10).unwrap_err();
    // The committer has stopped for good, although the disk works again.
    opened.queue.push(common::chunk(11, 1));
    let again = opened.committer.run_pending();
    assert!(matches!(again, Err(Error::Stopped)));
    assert_eq!(opened.watermark.durable(), 10);
    drop(opened);
    // The page cache holds the second commit, but the disk does not.
    disk.kill();
    let opened = open(&disk).unwrap();
    assert_eq!(opened.head.sequence, 10);
    drop(opened);
    disk.crash(0, CrashMode::LoseAll);
    assert_recovers(&disk, 10, "after a failed sync");
}

#[test]
fn a_clean_mark_that_an_earlier_start_removed_does_not_come_back() {
    // The mark is removed, but the sync of its folder fails. Each of the first six I/Os of the
    // start is tried, since that sync may be any of them.
    for cut in 0..6 {
        let disk = SimulatedDisk::new();
        let mut opened = open(&disk).unwrap();
        append(&mut opened, 3).unwrap();
        opened.committer.finish().unwrap();
        disk.fail_at(disk.io_count() + cut);
        drop(open(&disk));
        disk.kill();
        let mut opened = open(&disk).unwrap();
        append(&mut opened, 2).unwrap();
        drop(opened);
        disk.crash(cut, CrashMode::LoseAll);
        assert_recovers(&disk, 5, &format!("cut at I/O {cut} of the start"));
    }
}
