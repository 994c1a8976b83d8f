//! Bodies of requests: each as every request there is.
#![no_main]

use florin_gateway::fuzzing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::json_body(bytes));
