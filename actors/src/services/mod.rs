//! Services that live by events: what they read, and the models that they keep of it.

pub mod card;
mod read_model;

pub use read_model::ReadModel;
