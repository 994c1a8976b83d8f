//! The shared code of Florin's tests. `server`, `http` and `bank` drive the real executable from
//! outside, through its sockets and exit codes. The tests are in `suite/`: a folder per area, a file
//! per behaviour.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits by the machine's own clock"
)]

pub mod bank;
pub mod broker;
pub mod cards;
pub mod described;
pub mod executable;
pub mod expected;
pub mod fault_run;
pub mod faulty;
pub mod figures;
pub mod health;
pub mod http;
pub mod imports;
pub mod journal;
pub mod poll;
pub mod requests;
pub mod schema;
pub mod server;
pub mod sim;
pub mod small_disk;
pub mod sockets;
pub mod topic;
pub mod traffic;
mod watchdog;
pub mod websocket;
