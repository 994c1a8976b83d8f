//! The process: its errors and exit codes, its signals, its standard output, and the parts of the
//! machine that tests replace.

mod error;
mod exit;
mod output;
mod seams;
mod stopping;

pub use error::RunError;
pub use exit::Exit;
pub use output::tell;
pub use seams::{OpenDisk, Seams};
pub use stopping::{Start, Stop};
