//! The standard output of the tasks of the command line.

use std::io::Write as _;

use florin_config::printable;

use super::error::RunError;

/// Writes lines to standard output. Characters that could forge a line or hide a part of it are
/// escaped.
pub fn tell(text: &str) -> Result<(), RunError> {
    let lines: Vec<_> = text.split('\n').map(printable).collect();
    let text = lines.join("\n");
    let mut out = std::io::stdout().lock();
    let told = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    told.map_err(|source| RunError::System {
        what: "standard output",
        source,
    })
}
