//! The load generator, over keep-alive connections, in a closed loop or at a fixed rate. Each
//! thread has its own epoll loop. Requests are rendered into one buffer, and replies are parsed
//! only as far as needed.
//!
//! It shares the cores with the server that it measures, so its own cost is part of every figure.

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
