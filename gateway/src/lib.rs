//! Florin's gateway: HTTP in, typed commands to the core, replies out; and what the `florin`
//! executable does.
//!
//! A request goes through `gate.rs` (route, request id, metrics), its area under `routes/`,
//! `body.rs` and `json.rs`, `command.rs`, the core, and back through `answer.rs`; whatever goes
//! wrong becomes an answer in `problem.rs`.

mod answer;
mod ask;
mod backup;
mod backups;
mod body;
mod call;
mod cli;
mod codes;
mod command;
mod cursor;
mod dlq;
mod dto;
mod endpoints;
mod event_log;
mod events;
mod exit;
mod export;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gate;
mod gateway;
mod headers;
mod json;
mod kafka;
mod log;
mod metrics;
mod node;
mod openapi;
mod pages;
mod peer;
mod problem;
mod query;
mod reference;
mod replay;
mod restore;
mod routes;
mod run;
mod serve;
mod server;
mod services;
mod stopping;
mod verify;
mod websocket;

pub use cli::{Arguments, Task};
pub use exit::Exit;
pub use run::{OpenDisk, Seams, run, run_on};
