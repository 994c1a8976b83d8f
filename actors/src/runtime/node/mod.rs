//! The node: its start, its tasks and threads, and its end.

pub mod damage;
pub mod erasing;
pub mod expiry;
pub mod lifecycle;
pub mod recovery;
