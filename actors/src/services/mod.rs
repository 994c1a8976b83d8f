//! Services that live by events and messages.

pub mod core;
