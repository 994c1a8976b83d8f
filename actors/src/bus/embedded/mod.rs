//! The embedded bus: consumers of the process's own journal, on a separate thread.

mod bus;
mod dead_letters;
mod feed;
mod shared;
mod store;
mod subscription;

#[cfg(test)]
pub(crate) mod tests;

pub use bus::EmbeddedBus;
pub use store::BusStore;
