//! The node that a process runs: its options, its services and buses, and the parts of it that
//! requests use in addition to the core.

mod backups;
mod event_log;
mod events;
pub mod kafka;
mod options;
mod peer;
mod services;

pub use backups::{Backups, carry_mark, open_empty};
pub use event_log::EventLog;
pub use events::{Events, Waiting};
pub use options::{open_disk, open_existing, options};
pub use services::{Service, Services};
