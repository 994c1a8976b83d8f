//! The entities in memory: a seat and an actor for each, and what is known of the others.

pub mod directory;
pub mod envelope;
pub mod heads;
pub mod host;
pub mod residents;
pub mod seat;
