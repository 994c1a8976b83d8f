//! Florin's core: pure entities, the actors that own them, and the views that follow the journal.

pub mod backup;
mod blocking;
pub mod bus;
pub mod entities;
pub mod export;
#[cfg(fuzzing)]
pub mod fuzzing;
#[cfg(not(florin_loom))]
pub mod kafka;
pub mod messages;
mod record_codec;
pub mod runtime;
pub mod services;
mod sync;
pub mod verify;
pub mod views;

pub use record_codec::{
    RecordError, decode_personal, decode_record, encode_personal, encode_record,
};
