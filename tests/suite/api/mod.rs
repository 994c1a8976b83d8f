//! The HTTP interface: requests, answers, keys and connections, whatever they are about.

mod asynchronous;
mod bodies;
mod http;
mod idempotency;
mod input;
mod item_keys;
mod kept_connections;
mod key_forms;
mod openapi;
mod operations;
mod origins;
mod refusals;
mod websockets;
