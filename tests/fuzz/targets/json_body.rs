//! Fuzzes bodies of requests: each input is parsed as every type of request.
#![no_main]

use florin_gateway::fuzzing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::json_body(bytes));
