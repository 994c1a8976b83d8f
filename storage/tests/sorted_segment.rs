//! A sorted segment seen from outside: it finds what a map would find, and reports damage.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may stop at the first surprise.

use florin_storage::{Disk, Extent, SegmentWriter, SimulatedDisk, SortedSegment};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::ErrorKind;

const NAME: &str = "views/index-1";
const EXTENT: Extent = Extent {
    covers: (1, 9),
    times: (-3, 5),
};

fn make(disk: &SimulatedDisk, entries: Vec<(u128, u64)>, filter: bool) -> SortedSegment {
    SortedSegment::write(disk, NAME, entries, EXTENT, filter, &mut || {}).unwrap();
    let segment = SortedSegment::open(disk, NAME).unwrap();
    assert_eq!(segment.extent(), EXTENT);
    segment.with_filters().unwrap()
}

/// Returns a key that is as random as a hash.
fn hashed(of: u64) -> u128 {
    let mixed = u128::from(of + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    mixed ^ (mixed >> 61)
}

#[test]
fn every_key_is_found_and_absent_ones_cost_no_read() {
    let disk = SimulatedDisk::new();
    let entries: Vec<_> = (0..20_000).map(|index| (hashed(index), index)).collect();
    let segment = make(&disk, entries.clone(), true);
    assert_eq!((segment.len(), segment.covers()), (20_000, (1, 9)));
    for (key, sequence) in entries {
        assert_eq!(segment.find(key).unwrap(), Some(sequence));
    }
    let false_positives = (20_000..120_000)
        .filter(|index| segment.maybe(hashed(*index)))
        .count();
    assert!(false_positives < 20, "{false_positives}");
    assert!(segment.has_filters() && segment.filter_bytes() < 20_000 * 3);
    segment.verify().unwrap();
    let without = segment.without_filters();
    assert!(!without.has_filters() && without.maybe(hashed(20_000)));
    assert_eq!(without.find(hashed(20_000)).unwrap(), None);
    assert_eq!(without.find(hashed(7)).unwrap(), Some(7));
}

#[test]
fn keys_past_what_one_filter_takes_have_another() {
    const KEYS: u64 = (1 << 20) + 20_000;
    let disk = SimulatedDisk::new();
    let segment = make(&disk, (0..KEYS).map(|of| (hashed(of), of)).collect(), true);
    for of in (0..KEYS).step_by(991) {
        assert_eq!(segment.find(hashed(of)).unwrap(), Some(of));
    }
    let absent = (KEYS..KEYS + 20_000).filter(|of| segment.maybe(hashed(*of)));
    assert!(absent.count() < 20);
}

#[test]
fn an_empty_segment_holds_nothing() {
    for filter in [false, true] {
        let segment = make(&SimulatedDisk::new(), Vec::new(), filter);
        assert!(segment.is_empty() && !segment.maybe(0));
        assert_eq!(segment.find(0).unwrap(), None);
        segment.verify().unwrap();
    }
}

#[test]
fn blocks_hold_every_entry_in_order() {
    let disk = SimulatedDisk::new();
    let entries: Vec<_> = (0..30_000u64)
        .map(|index| (u128::from(index), index))
        .collect();
    let segment = make(&disk, entries.iter().rev().copied().collect(), false);
    let blocks = (0..segment.blocks()).step_by(7);
    let read: Vec<_> = blocks
        .flat_map(|block| segment.read_blocks(block, 7).unwrap())
        .collect();
    assert_eq!(read, entries);
}

#[test]
fn entries_out_of_order_are_refused() {
    let disk = SimulatedDisk::new();
    let mut writer = SegmentWriter::create(&disk, NAME, EXTENT, false).unwrap();
    writer.push((5, 1)).unwrap();
    writer.push((5, 2)).unwrap();
    let error = writer.push((4, 3)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(!disk.exists(NAME).unwrap());
}

#[test]
fn a_rotten_entry_is_found_by_the_look_up_that_reads_it_and_noted() {
    let disk = SimulatedDisk::new();
    let entries: Vec<_> = (0..1_000).map(|index| (hashed(index), index)).collect();
    let segment = make(&disk, entries, true);
    let length = disk.contents(NAME).unwrap().len();
    let entries_end = 128 + 1_000 * 24;
    assert!(disk.rot(NAME, entries_end / 2, 1) && entries_end < length);
    let (mut found, mut damaged) = (0, 0);
    for index in 0..1_000 {
        match segment.find(hashed(index)) {
            Ok(sequence) => {
                assert_eq!(sequence, Some(index));
                found += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidData);
                damaged += 1;
            }
        }
    }
    assert!(found > 0 && damaged > 0 && segment.is_damaged());
}

#[test]
fn a_rotten_byte_is_found_at_opening_or_by_the_full_check() {
    let disk = SimulatedDisk::new();
    let entries: Vec<_> = (0..200).map(|index| (hashed(index), index)).collect();
    drop(make(&disk, entries, true));
    let length = disk.contents(NAME).unwrap().len();
    for at in 0..length {
        assert!(disk.rot(NAME, at, 1));
        let checked = SortedSegment::open(&disk, NAME).and_then(|segment| segment.verify());
        assert_eq!(
            checked.unwrap_err().kind(),
            ErrorKind::InvalidData,
            "byte {at}"
        );
        assert!(disk.rot(NAME, at, 1));
    }
    let file = disk.open(NAME, florin_storage::OpenHow::Existing).unwrap();
    for length in [0, 1, 127, 128, 4_000, length - 1] {
        file.set_len(length as u64).unwrap();
        let error = SortedSegment::open(&disk, NAME).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "length {length}");
    }
}

fn keys() -> impl Strategy<Value = u128> {
    // Keys that are far apart, close together, equal, and at the ends.
    prop_oneof![
        any::<u128>(),
        (0..500u128).prop_map(|key| key + (1 << 90)),
        0..6u128,
        Just(u128::MAX),
    ]
}

proptest! {
    #[test]
    fn finds_what_a_map_finds(
        entries in prop::collection::vec((keys(), 1..1_000u64), 0..2_500),
        absent in prop::collection::vec(keys(), 100),
        filter in any::<bool>(),
    ) {
        let mut map = BTreeMap::new();
        for (key, sequence) in &entries {
            let highest = map.entry(*key).or_insert(*sequence);
            *highest = (*highest).max(*sequence);
        }
        let segment = make(&SimulatedDisk::new(), entries, filter);
        for key in map.keys().chain(&absent) {
            prop_assert_eq!(segment.find(*key).unwrap(), map.get(key).copied());
        }
    }
}
