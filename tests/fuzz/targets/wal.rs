//! Fuzzes the write-ahead log: the bytes as a log, and a log with the bytes as records that is
//! altered in one place. What is read from it must be what was written, perhaps without its end.
#![no_main]

use florin_storage::fuzzing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = fuzzing::wal_frames(bytes);
    let Some((&[at_0, at_1, flip], records)) = bytes.split_first_chunk() else {
        return;
    };
    // The log has 15 blocks, and each entry takes at least one of them.
    let records: Vec<&[u8]> = records.split(|byte| *byte == 0).take(12).collect();
    let packed = fuzzing::pack(1, &records, 150).expect("records that are small");
    let frames = packed.into_iter().map(|bytes| fuzzing::frame(bytes).expect("a frame"));
    let frames: Vec<_> = frames.collect();
    let Ok(mut log) = fuzzing::wal(&frames) else {
        return;
    };
    let at = usize::from(u16::from_le_bytes([at_0, at_1])) % log.len();
    log[at] ^= flip;
    match fuzzing::wal_frames(&log) {
        Ok(read) => {
            assert!(frames.starts_with(&read));
            assert!(flip != 0 || read.len() == frames.len());
        }
        Err(error) => assert!(flip != 0 && error.is_damage(), "{error}"),
    }
});
