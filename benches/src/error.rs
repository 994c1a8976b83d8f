//! The reasons why a benchmark could not continue. A wrong measurement (an error reply, a missing
//! record) is a fault in the report instead: the run continues and ends with a non-zero exit code.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::load::Malformed;

#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    #[error("no node at {}; build it with `cargo build --release`", .0.display())]
    NodeMissing(PathBuf),
    #[error("{} is older than {}; build it with `cargo build --release`, or name it with --florin to measure it as it is", node.display(), than.display())]
    NodeStale { node: PathBuf, than: PathBuf },
    #[error("{name} ended before it was ready ({status}); its last output:\n{output}")]
    EndedEarly {
        name: &'static str,
        status: String,
        output: String,
    },
    #[error("{name} was not ready within {limit:?}: {last}; its last output:\n{output}")]
    NotReady {
        name: &'static str,
        limit: Duration,
        last: String,
        output: String,
    },
    #[error("{request}: {source}")]
    Malformed { request: String, source: Malformed },
    #[error("{request} was answered {status}: {body}")]
    Status {
        request: String,
        status: u16,
        body: String,
    },
    #[error("{request} was answered with a body this benchmark can't read: {source}")]
    Body {
        request: String,
        source: serde_json::Error,
    },
    #[error("{name} ended with {status}:\n{output}")]
    Program {
        name: &'static str,
        status: String,
        output: String,
    },
    #[error("{}: {source}", file.display())]
    Report {
        file: PathBuf,
        source: serde_json::Error,
    },
    #[error("{0}")]
    Opening(String),
    #[error("interrupted")]
    Interrupted,
}

impl BenchError {
    /// Returns a function for `map_err` on an I/O result. `what` is the operation that failed.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
