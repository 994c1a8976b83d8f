//! Florin's gateway. It turns HTTP requests into typed commands for the core and sends the replies.
//! It also contains everything that the `florin` executable does.
//!
//! A request goes through `server/` (connection, route, request id), the handler of its route in
//! `api/`, `routing/body.rs` and `http/json.rs`, `api/command.rs`, the core, and back through
//! `api/answer.rs`. Every error becomes an answer in `http/problem.rs`.
//!
//! The folders, bottom first. A folder imports only those before it.
//!
//! 1. `http/`: the forms of HTTP that need no state
//! 2. `log/`: the log of the process
//! 3. `process/`: errors and exit codes, signals, and the seams for tests
//! 4. `node/`: the options, services and buses of the node
//! 5. `metrics/`: the metrics
//! 6. `routing/`: the types of routes and requests, and the state that requests share
//! 7. `openapi/`: the OpenAPI document, made from routes
//! 8. `api/`: the resources of the API
//! 9. `server/`: connections and lanes
//! 10. `cli/`: the arguments and commands of the command line
//! 11. `serve/`: the composition of a server
//! 12. `run.rs`: the tasks of the executable
//! 13. `fuzzing.rs`: the functions for the fuzz targets

mod api;
mod cli;
#[cfg(fuzzing)]
pub mod fuzzing;
mod http;
mod log;
mod metrics;
mod node;
mod openapi;
mod process;
mod routing;
mod run;
mod serve;
mod server;

pub use cli::{Arguments, Task};
pub use process::{Exit, OpenDisk, Seams};
pub use run::{run, run_on};
