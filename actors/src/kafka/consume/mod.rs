//! Consuming: each consumer reads its topics on its own thread, in sessions with the brokers. A
//! message is passed only when it is handled or its dead letter is committed.

mod continuity;
mod dead_letter_writer;
mod handling;
mod incarnations;
mod intake;
mod membership;
mod partition;
mod partitions;
mod resume;
mod resuming;
mod runner;
mod session;
mod session_dead_letters;
mod task;

#[cfg(test)]
mod delivery_tests;

pub use intake::{Intake, IntakeOptions};
