//! Fuzzes the decoding of records, personal rows and snapshots. A value that was read can be
//! written, and is then the same. Reading reserves no more memory than the codec's limit.
#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use florin_actors::{
    decode_personal, decode_record, encode_personal, encode_record, fuzzing as actors,
};
use florin_gateway::fuzzing as gateway;

/// The system's allocator, with a count of the bytes in use and their maximum.
struct Counting;

static USED: AtomicUsize = AtomicUsize::new(0);
static HIGHEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = USED.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        HIGHEST.fetch_max(used, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs `read` and asserts that its memory peak, on top of what was in use, stays within the limit.
fn measured<T>(read: impl FnOnce() -> T) -> T {
    let before = USED.load(Ordering::Relaxed);
    HIGHEST.store(before, Ordering::Relaxed);
    let value = read();
    let taken = HIGHEST.load(Ordering::Relaxed).saturating_sub(before);
    let most = florin_storage::ENCODED_BYTES_MAX + (2 << 20);
    assert!(taken <= most, "{taken} bytes to read one value");
    value
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(record) = measured(|| decode_record(bytes)) {
        let mut written = Vec::new();
        encode_record(&record, &mut written).expect("a record that was read can be written");
        // The decoder also accepts longer forms of lengths and numbers. The encoder writes the
        // shortest.
        assert!(written.len() <= bytes.len());
        let again = decode_record(&written).expect("a record that was written can be read");
        assert_eq!(again, record);
        let mut same = Vec::new();
        encode_record(&again, &mut same).expect("a record that was read can be written");
        assert_eq!(same, written);
        gateway::export_line(&record);
    }
    if let Ok(row) = measured(|| decode_personal(bytes)) {
        let written = encode_personal(&row).expect("a row that was read can be written");
        assert_eq!(decode_personal(&written).ok(), Some(row));
    }
    measured(|| actors::is_snapshot(bytes));
});
