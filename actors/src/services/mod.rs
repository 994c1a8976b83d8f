//! Services that live by events and messages: what they read, and the models that they keep of it.

pub mod card;
pub mod core;
mod read_model;

pub use read_model::ReadModel;
