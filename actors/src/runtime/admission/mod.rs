//! Admission: the handle that takes commands, the permits that bound their number, and the inbox
//! through which they reach the ledger's thread.

pub mod core;
pub mod inbox;
pub mod permits;
