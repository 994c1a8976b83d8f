//! Florin's core: pure entities, the actors that own them, and the views that follow the journal.
//!
//! The folders and files in the order of their imports, the lowest first. Each imports only what
//! stands before it, and no two files import each other; a test of the workspace checks both.
//!
//! - `sync.rs`, `blocking.rs`: the primitives that the loom models replace, and waiting for a future
//! - `conditions.rs`, `upkeep.rs`: the conditions of the node, and its threads
//! - `words/`: ids, money, time, text, refusals
//! - `entities/`: the rules: one pure state machine per kind
//! - `commands/`: the typed requests: which entities each touches, and what each of these does
//! - `record/`: one entry of the journal: what one command changed
//! - `record_codec/`: the bytes of a record
//! - `base/`: clock, random values, and records as they are read back
//! - `events/`: the public events that a record causes
//! - `views/`: what is derived from the journal: lists, histories, snapshots
//! - `verify.rs`, `backup.rs`: the check and the copy of a journal
//! - `runtime/`: the actors, the order of records, idempotency, answers
//! - `bus/`: events to consumers and commands from topics, without a broker
//! - `kafka/`: the same with Kafka
//! - `services/`: the services that consume events
//! - `export.rs`, `fuzzing.rs`: the records as JSON, and the functions for the fuzz targets

pub mod backup;
mod base;
mod blocking;
pub mod bus;
pub mod commands;
pub mod conditions;
pub mod entities;
pub mod events;
pub mod export;
#[cfg(fuzzing)]
pub mod fuzzing;
#[cfg(not(florin_loom))]
pub mod kafka;
pub mod record;
mod record_codec;
pub mod runtime;
pub mod services;
mod sync;
pub mod upkeep;
pub mod verify;
pub mod views;
pub mod words;

/// The words, facts, commands and records of the core, for the crates that use it.
pub mod messages {
    // Both have a transfer: the command's is meant.
    pub use crate::commands::Transfer;
    pub use crate::commands::*;
    pub use crate::entities::*;
    pub use crate::record::{
        Change, Execution, FORMAT, Movement, NewTransfer, Outcome, Posting, Record,
    };
    pub use crate::words::*;
}

pub use record_codec::{
    RecordError, decode_personal, decode_record, encode_personal, encode_record,
};
