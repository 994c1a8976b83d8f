//! Replies: the slot in which a caller waits, and the lane through which its answer returns.

pub mod confirmation;
pub mod deadline;
pub mod lane;
pub mod reply;
