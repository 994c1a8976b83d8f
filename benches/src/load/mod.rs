//! The load generator: a closed loop over keep-alive connections. Each thread has its own epoll
//! loop, requests are rendered into one buffer and replies are read just far enough.
//!
//! It shares the cores with what it measures, so what it costs is part of every figure.

mod drive;
mod reply;
mod script;
mod tally;
mod worker;

pub use drive::{Driven, Plan, drive};
pub use reply::{Malformed, ReplyReader};
pub use script::Script;
#[cfg(test)]
pub use tally::Tally;
