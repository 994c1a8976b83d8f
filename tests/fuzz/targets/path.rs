//! Fuzzes request paths.
#![no_main]

use florin_gateway::fuzzing;

libfuzzer_sys::fuzz_target!(|path: &str| fuzzing::path(path));
