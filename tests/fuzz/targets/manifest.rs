//! Fuzzes the manifest of a backup.
#![no_main]

use florin_storage::fuzzing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = fuzzing::manifest(bytes) {
        manifest.bytes();
        let _ = format!("{manifest:?}");
    }
});
