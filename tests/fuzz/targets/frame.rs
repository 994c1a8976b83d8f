//! Fuzzes frames of the journal: the bytes as a frame, and a frame with the bytes as records that
//! is altered in one place.
#![no_main]

use florin_storage::fuzzing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(frame) = fuzzing::frame(bytes.to_vec()) {
        let read: usize = frame.iter().map(|(_, record)| record.len()).sum();
        assert!(read <= bytes.len());
        assert_eq!(frame.iter().count(), frame.records());
        assert_eq!(frame.record(frame.last_sequence.wrapping_add(1)), None);
    }
    let Some((&[at_0, at_1, flip], records)) = bytes.split_first_chunk() else {
        return;
    };
    let records: Vec<&[u8]> = records.split(|byte| *byte == 0).collect();
    for mut packed in fuzzing::pack(1, &records, 200).expect("records that are small") {
        let at = usize::from(u16::from_le_bytes([at_0, at_1])) % packed.len();
        packed[at] ^= flip;
        match fuzzing::frame(packed) {
            Ok(frame) => {
                let _ = frame.iter().count();
                assert_eq!(flip, 0);
            }
            Err(what) => assert_ne!(flip, 0, "{what}"),
        }
    }
});
