//! Florin with a real Kafka broker: `cargo test --workspace --test kafka -- --ignored` (or
//! `.ci/run kafka`) starts brokers with `scripts/kafka`. There is one file per behaviour and one
//! executable for all. The tests share a broker, and a test that kills its broker has its own.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits by the machine's own clock"
)]

mod cards;
mod commands;
mod continuity;
mod cursor;
mod dead_letters;
mod fault_run;
mod faults;
mod identity;
mod positions;
mod publishing;
mod replay;
mod secured;
mod support;
mod threads;
mod too_large;
mod topics;
