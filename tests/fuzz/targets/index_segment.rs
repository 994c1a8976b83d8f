//! Fuzzes a segment of the index that is altered in places: every three bytes of the input are a
//! place and its new byte. The segment is read as altered, then again with corrected checksums. The
//! input is also read as a segment by itself.
#![no_main]

use std::sync::LazyLock;

use florin_storage::{Disk, Extent, OpenHow, SimulatedDisk, SortedSegment, fuzzing};

const NAME: &str = "keys/1";

/// A valid segment with filters. It has so few blocks that a search uses both guessing and halving.
static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let disk = SimulatedDisk::new();
    let entries = (0..700_u64).map(|n| (u128::from(n) << 64 | u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)), n));
    let extent = Extent {
        covers: (1, 700),
        times: (1, 2),
    };
    SortedSegment::write(&disk, NAME, entries.collect(), extent, true, &mut || {})
        .expect("a disk that takes all");
    disk.contents(NAME).expect("a file")
});

fn read_all(bytes: &[u8]) {
    let disk = SimulatedDisk::new();
    let file = disk.open(NAME, OpenHow::Create).expect("a file");
    file.write_at(0, bytes).expect("a disk that takes all");
    let Ok(segment) = SortedSegment::open(&disk, NAME) else {
        return;
    };
    let with = segment.with_filters().ok();
    for segment in with.iter().chain([&segment]) {
        for key in [0, 5 << 64, 699 << 64, u128::MAX, u128::MAX / 3] {
            let _ = segment.find(key);
        }
        let _ = segment.read_blocks(0, u64::MAX);
        let _ = segment.verify();
    }
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut bytes = WHOLE.clone();
    for change in input.chunks_exact(3) {
        // The places are mostly in the header and the heads of the filters. Between them are
        // entries.
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % bytes.len();
        bytes[at] = change[2];
    }
    read_all(&bytes);
    fuzzing::mend_checks(&mut bytes);
    read_all(&bytes);
    read_all(input);
});
