//! Fuzzes the headers of a request, one per line.
#![no_main]

use florin_gateway::fuzzing;

libfuzzer_sys::fuzz_target!(|lines: &[u8]| fuzzing::headers(lines));
