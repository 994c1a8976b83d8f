//! The core service: accounts, wallets, transfers, and the commands that come from topics.

mod commands;
mod request;

pub use commands::Commands;
pub use request::{Asked, Malformed, read};
