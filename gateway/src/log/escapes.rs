//! A writer of log lines that escapes characters which could forge a line or hide a part of it.
//! Every text from a caller, a file name or a message passes through it on its way into the log.

use std::borrow::Cow;
use std::io;

use florin_config::{LogFormat, is_hidden, printable, printable_json};
use tracing_subscriber::fmt::MakeWriter;

/// The maker of escaping writers for a log.
#[derive(Debug, Clone)]
pub struct LogEscapes<M> {
    inner: M,
    format: LogFormat,
    /// Whether the lines have colours. Colour codes contain control characters that must not be
    /// escaped.
    is_coloured: bool,
}

impl<M> LogEscapes<M> {
    /// Creates a maker whose writers escape lines for the writers of `inner`.
    pub const fn new(inner: M, format: LogFormat, is_coloured: bool) -> Self {
        Self {
            inner,
            format,
            is_coloured,
        }
    }
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for LogEscapes<M> {
    type Writer = EscapingWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        EscapingWriter {
            inner: self.inner.make_writer(),
            format: self.format,
            is_coloured: self.is_coloured,
        }
    }
}

/// A writer of log lines that escapes them. Each call of `write` must get a whole line.
#[derive(Debug)]
pub struct EscapingWriter<W> {
    inner: W,
    format: LogFormat,
    is_coloured: bool,
}

impl<W: io::Write> io::Write for EscapingWriter<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(line) {
            Ok(text) => {
                let escaped = escaped(text, self.format, self.is_coloured);
                self.inner.write_all(escaped.as_bytes())?;
            }
            Err(_) => self.inner.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn escaped(line: &str, format: LogFormat, is_coloured: bool) -> Cow<'_, str> {
    let is_escaped =
        |character: char| is_hidden(character) && !(is_coloured && character == '\u{1b}');
    let (text, end) = match line.strip_suffix('\n') {
        Some(text) => (text, "\n"),
        None => (line, ""),
    };
    if !text.chars().any(is_escaped) {
        return Cow::Borrowed(line);
    }
    match (format, is_coloured) {
        (LogFormat::Json, _) => printable_json(line),
        (LogFormat::Text, false) => Cow::Owned(format!("{}{end}", printable(text))),
        (LogFormat::Text, true) => {
            let parts = text.split('\u{1b}').map(printable);
            let parts: Vec<Cow<'_, str>> = parts.collect();
            Cow::Owned(format!("{}{end}", parts.join("\u{1b}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line_and_shows_what_it_has() {
        let text = |line| escaped(line, LogFormat::Text, false).into_owned();
        assert_eq!(text("INFO plain Zoë\n"), "INFO plain Zoë\n");
        assert_eq!(text("name=a\nERROR forged\n"), "name=a\\nERROR forged\n");
        assert_eq!(text("a\u{202e}b\u{1b}[2J\n"), "a\\u{202e}b\\u{1b}[2J\n");
        let coloured = escaped("\u{1b}[32mINFO\u{1b}[0m a\u{202e}\n", LogFormat::Text, true);
        assert_eq!(coloured, "\u{1b}[32mINFO\u{1b}[0m a\\u{202e}\n");
    }

    #[test]
    fn a_line_of_json_stays_the_same_json() {
        let value = serde_json::json!({"message": "a\u{202e}b\u{9b}\n\u{e0041}\u{7f}"});
        let line = format!("{value}\n");
        let escaped = escaped(&line, LogFormat::Json, false);
        assert!(!escaped.trim_end().chars().any(is_hidden), "{escaped}");
        let read: serde_json::Value = serde_json::from_str(&escaped).unwrap();
        assert_eq!(read, value);
    }
}
