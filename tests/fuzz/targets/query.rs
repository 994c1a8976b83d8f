//! Fuzzes query strings, and the values of their parameters.
#![no_main]

use florin_gateway::fuzzing;

libfuzzer_sys::fuzz_target!(|raw: &str| fuzzing::query(raw));
