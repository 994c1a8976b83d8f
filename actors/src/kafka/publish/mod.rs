//! Publishing: the journal's events are sent to their topics in transactions that also contain the
//! cursor. Replays use transactions of their own.

mod bridge;
mod cursor;
mod mark;
mod preparing;
mod publisher;
mod replay;
mod reports;
mod takeover;

pub use bridge::Bridge;
pub use mark::PUBLISHED_FILE;
pub use publisher::Halt;
pub use replay::replay_to;
