//! A read model: rows made from events, in a file together with the positions up to which the
//! events were read.

mod file;
mod model;
mod positions;
mod replay_count;

pub use model::ReadModel;
