//! Reads through the handle of a node's core.

pub mod copying;
pub mod queries;
pub mod tree;
