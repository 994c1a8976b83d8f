//! A small journal on a simulated disk, and the helpers that all tests share.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may stop at the first surprise.
#![allow(dead_code)]

use florin_storage::{
    Chunk, Disk, Error, Head, Journal, Opened, Options, PersonalBytes, Reader, SimulatedDisk,
    Verified, verify_chain,
};
use std::collections::BTreeSet;
use std::sync::Arc;

pub const RECORD_BYTES_MAX: usize = 1_000_000;

/// Returns options that are small enough for a few commits to fill a segment.
pub fn options() -> Options {
    Options {
        segment_bytes_max: 64 * 1024,
        wal_bytes: Some(64 * 1024),
        frame_bytes_max: 2_048,
        record_bytes_max: RECORD_BYTES_MAX,
        live_cache_bytes: 1 << 20,
        sealed_cache_bytes: 1 << 18,
        ..Options::new([9; 16])
    }
}

pub fn open(disk: &SimulatedDisk) -> Result<Opened, Error> {
    Journal::open(Arc::new(disk.clone()), options(), 5)
}

/// Returns the bytes of a record. Its sequence makes them unique.
pub fn record(sequence: u64) -> Vec<u8> {
    let length = (sequence * 37 % 400) as usize;
    let mut bytes = sequence.to_le_bytes().to_vec();
    bytes.resize(8 + length, sequence as u8);
    bytes
}

/// Returns the personal fields of a record: every seventh record has some.
pub fn personal(sequence: u64) -> Option<Vec<u8>> {
    sequence
        .is_multiple_of(7)
        .then(|| format!("name of {sequence}.").into_bytes())
}

/// Returns a chunk of `count` records from `first` on.
pub fn chunk(first: u64, count: u64) -> Chunk {
    let mut chunk = Chunk::new(first, RECORD_BYTES_MAX);
    for sequence in first..first + count {
        chunk.begin().extend_from_slice(&record(sequence));
        let time = 1_000 + sequence as i64;
        chunk.end(time, personal(sequence)).unwrap();
    }
    chunk
}

/// Appends `count` records and commits them.
pub fn append(opened: &mut Opened, count: u64) -> Result<Head, Error> {
    let first = opened.committer.head().sequence + 1;
    opened.queue.push(chunk(first, count));
    Ok(opened.committer.run_pending()?.expect("a chunk waits"))
}

/// Appends records up to the next one that has personal fields, each in a commit of its own: these
/// go to the write-ahead log. After every other record, due checkpoints are made.
pub fn append_logged(opened: &mut Opened) -> Result<(), Error> {
    while personal(opened.committer.head().sequence + 1).is_none() {
        append(opened, 1)?;
        if opened.committer.head().sequence.is_multiple_of(2) {
            opened.checkpointer.run_pending()?;
        }
    }
    Ok(())
}

/// Asserts that records `1..=last` are there as they were written, and none after them.
pub fn assert_holds(reader: &Reader, last: u64) {
    assert_holds_without(reader, last, &[]);
}

/// Asserts the same, except that the personal fields of the `erased` records are gone.
pub fn assert_holds_without(reader: &Reader, last: u64, erased: &[u64]) {
    let sequences: Vec<u64> = (0..=last + 1).collect();
    let found = reader.records(&sequences).unwrap();
    assert_eq!(found[0], None);
    assert_eq!(found[last as usize + 1], None);
    for sequence in 1..=last {
        assert_eq!(
            found[sequence as usize],
            Some(record(sequence)),
            "record {sequence}"
        );
        let row = personal(sequence).map(|name| match erased.contains(&sequence) {
            true => PersonalBytes::Erased,
            false => PersonalBytes::Kept(name),
        });
        assert_eq!(
            reader.personal(sequence).unwrap(),
            row,
            "personal fields of {sequence}"
        );
    }
}

/// Returns the records whose personal fields are found in the bytes of any file.
pub fn named_on_disk(disk: &SimulatedDisk) -> BTreeSet<u64> {
    const START: &[u8] = b"name of ";
    const ZEROS: [u8; 4_096] = [0; 4_096];
    let mut named = BTreeSet::new();
    for file in disk.list("journal").unwrap() {
        let bytes = disk.contents(&format!("journal/{file}")).unwrap();
        // Most of a young file is zeros, so zero pages are skipped.
        let pages = bytes.chunks(ZEROS.len()).enumerate();
        for (page, _) in pages.filter(|(_, page)| !ZEROS.starts_with(page)) {
            let start = page * ZEROS.len();
            for at in start..bytes.len().min(start + ZEROS.len()) {
                if bytes[at] == START[0] && bytes[at..].starts_with(START) {
                    let rest = &bytes[at + START.len()..];
                    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
                    let digits: String = digits.map(|byte| char::from(*byte)).collect();
                    named.extend(digits.parse::<u64>());
                }
            }
        }
    }
    named
}

pub fn verify(reader: &Reader) -> Result<Verified, Error> {
    verify_chain(reader, 0, |_| Ok(()))
}

/// Returns the names of the journal's segment files, in order.
pub fn segments(disk: &SimulatedDisk) -> Vec<String> {
    let names = disk.list("journal").unwrap();
    let segments = names.iter().filter(|name| name.ends_with(".redb"));
    segments.map(|name| format!("journal/{name}")).collect()
}
