//! Query strings, and what their parameters may be.
#![no_main]

use florin_gateway::fuzzing;

libfuzzer_sys::fuzz_target!(|raw: &str| fuzzing::query(raw));
