//! Fuzzes cursors of lists.
#![no_main]

use florin_gateway::fuzzing;

libfuzzer_sys::fuzz_target!(|text: &str| fuzzing::cursor(text));
