//! A sorted segment seen from outside: it finds what a map would find, and shows damage.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may stop at the first surprise.

use florin_storage::{Disk, SimulatedDisk, SortedSegment};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::ErrorKind;

const NAME: &str = "views/index-1";

fn make(disk: &SimulatedDisk, entries: Vec<(u128, u64)>, filter: bool) -> SortedSegment {
    SortedSegment::write(disk, NAME, entries, (1, 9), filter).unwrap();
    SortedSegment::open(disk, NAME).unwrap()
}

/// A key as random as a hash's.
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
    assert!(segment.memory_bytes() < 20_000 * 3);
    segment.verify().unwrap();
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
    let read: Vec<_> = segment.blocks().flat_map(Result::unwrap).collect();
    assert_eq!(read, entries);
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
    // Far apart, close together, equal, and at the ends.
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
