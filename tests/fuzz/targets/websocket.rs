//! Fuzzes the bytes that a client sends over a WebSocket.
#![no_main]

use florin_gateway::fuzzing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::frames(bytes));
