//! The suite: Florin as its users run it. One file a behaviour, one executable for all, each file
//! with a server of its own.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits by the machine's own clock"
)]

mod accounts;
mod assets;
mod asynchronous;
mod backup;
mod batches;
mod cards;
mod clock;
mod confirmation;
mod crash;
mod cut_starts;
mod erasure;
mod events;
mod export;
mod file_descriptors;
mod full_disk;
mod history;
mod hold_expiry;
mod hold_requests;
mod holds;
mod hostile_connections;
mod http;
mod idempotency;
mod input;
mod metrics;
mod money;
mod newcomer;
mod openapi;
mod operations;
mod overload;
mod past;
mod paused;
mod read_only;
mod replays;
mod reversals;
mod services;
mod settings;
mod shutdown;
mod supervision;
mod switched;
mod transfer_lists;
mod transfers;
mod verify;
mod views;
mod wallets;
mod websockets;
