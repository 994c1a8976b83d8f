//! The command line: its arguments, and the commands other than `florin serve`.

mod arguments;
mod ask;
pub mod backup;
pub mod dlq;
pub mod export;
pub mod health;
pub mod replay;
pub mod restore;
pub mod verify;

pub use arguments::{Arguments, Task};
