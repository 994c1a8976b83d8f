//! `florin export`: the journal as JSON lines on standard output.

mod change;
mod command;
mod parts;
mod record;

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;

use florin_actors::export::{ExportError, export};
use florin_config::Settings;

pub use self::record::RecordLine;
use super::arguments::Export;
use crate::node;
use crate::process::RunError;

/// The number of bytes of lines that are collected before they are written.
const BUFFER_BYTES: usize = 64 * 1024;

/// Exports the data directory to standard output. If the reader closes the pipe, the export ends
/// without an error.
///
/// # Errors
/// Returns an error if the data is damaged or missing, or if standard output fails.
pub fn run(settings: &Settings, task: &Export) -> Result<(), RunError> {
    let (from, to) = (task.from, task.to);
    if from > to {
        return Err(RunError::Range { from, to });
    }
    let directory = settings.server.data_dir.display().to_string();
    let disk = node::open_existing(settings).map_err(|source| RunError::Data {
        directory: directory.clone(),
        source,
    })?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock());
    let mut written = Ok(());
    let exported = match disk {
        None => Err(ExportError::NoJournal),
        Some(disk) => export(&disk, from..=to, |exported| {
            written = line(&mut out, &RecordLine::new(&exported, task.personal));
            match written {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        }),
    };
    // The lines before a fault are complete, so they are written.
    let written = written.and_then(|()| out.flush());
    exported.map_err(|source| RunError::Export { directory, source })?;
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(RunError::System {
            what: "standard output",
            source: error,
        }),
        _ => Ok(()),
    }
}

fn line(out: &mut impl Write, line: &RecordLine<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
