//! The suite: tests of Florin as its users run it. There is a folder per area, a file per
//! behaviour, and one executable for all. Each file has its own server.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits by the machine's own clock"
)]

mod api;
mod events;
mod faults;
mod imports;
mod money;
mod operating;
