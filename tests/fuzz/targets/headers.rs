//! The headers of a request, a line each.
#![no_main]

use florin_gateway::fuzzing;

libfuzzer_sys::fuzz_target!(|lines: &[u8]| fuzzing::headers(lines));
