//! Florin beside a real Kafka broker: `cargo test -p florin-tests --test kafka -- --ignored` (or
//! `.ci/run kafka`) starts brokers by `scripts/kafka`. One file a behaviour, one executable for all;
//! the tests share a broker, and one that kills its broker has its own.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits by the machine's own clock"
)]

mod cards;
mod commands;
mod dead_letters;
mod fault_run;
mod faults;
mod identity;
mod publishing;
mod replay;
mod secured;
mod support;
mod topics;
