//! The core service: accounts, wallets, transfers, and the commands that come from topics.

mod commands;
mod request;
mod start;

pub use commands::Commands;
pub(super) use start::start;
