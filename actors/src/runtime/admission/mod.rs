//! Admission: the handle that takes commands, and the inbox through which they reach the ledger's
//! thread.

pub mod core;
pub mod inbox;
