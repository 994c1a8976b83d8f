//! The load generator, over keep-alive connections: a closed loop, or requests at a set rate. Each
//! thread has its own epoll loop, requests are rendered into one buffer and replies are read just
//! far enough.
//!
//! It shares the cores with what it measures, so what it costs is part of every figure.

mod drive;
mod pace;
mod reply;
mod script;
mod series;
mod tally;
mod timer;
mod worker;

pub use drive::{Driven, Plan, drive, drive_watched};
pub use pace::Pace;
pub use reply::{Malformed, ReplyReader};
pub use script::Script;
pub use series::Second;
#[cfg(test)]
pub use tally::{Tally, Timing};
