//! The path of log lines: a bounded queue, and one thread that writes them to standard error.
//! Logging never blocks and never fails: a line that finds no room, or can't be written, is counted
//! as lost.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use florin_storage::threads::{self, PULSE, Spawner, ThreadName};
use tracing_subscriber::fmt::MakeWriter;

/// The most lines that wait to be written.
const LINES_MAX: usize = 4_096;
/// The most bytes of lines that wait to be written.
const BYTES_MAX: usize = 4 << 20;

/// A message to the log's thread.
enum Message {
    /// A line for standard error.
    Line(Vec<u8>),
    /// A request to report when all earlier lines are written or lost.
    Flush(SyncSender<()>),
}

/// The queue of log lines. Its clones share it.
#[derive(Clone)]
pub struct LogLines {
    sender: SyncSender<Message>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    bytes_waiting: AtomicUsize,
    lost: AtomicU64,
    /// The number of lost lines that are not yet reported in the log.
    untold: AtomicU64,
}

impl std::fmt::Debug for LogLines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogLines")
            .field("lost", &self.lost())
            .finish_non_exhaustive()
    }
}

impl LogLines {
    /// Starts the log's thread and returns its queue.
    ///
    /// # Errors
    /// Returns an error if the system can't start a thread.
    pub fn start(spawner: &Spawner) -> io::Result<Self> {
        let (lines, receiver) = Self::queue();
        let counts = Arc::clone(&lines.counts);
        // The thread runs until the process ends, because lines may come until then.
        spawner.start_and_restart(
            ThreadName::Log,
            || false,
            move || {
                write_all(&receiver, &counts, io::stderr());
                Ok(())
            },
        )?;
        Ok(lines)
    }

    fn queue() -> (Self, Receiver<Message>) {
        let (sender, receiver) = sync_channel(LINES_MAX);
        let counts = Arc::default();
        (Self { sender, counts }, receiver)
    }

    /// Returns the number of lines that were lost since the start.
    pub fn lost(&self) -> u64 {
        self.counts.lost.load(Ordering::Relaxed)
    }

    /// Waits until all lines logged before are written or lost, but at most for `limit`, because
    /// the reader of standard error may have stopped reading.
    pub fn flush(&self, limit: Duration) {
        let (done, told) = sync_channel(1);
        if self.sender.try_send(Message::Flush(done)).is_ok() {
            // After the limit, the remaining lines are lost when the process ends.
            let _ = told.recv_timeout(limit);
        }
    }

    fn put(&self, bytes: usize, message: Message) {
        let waiting = self
            .counts
            .bytes_waiting
            .fetch_add(bytes, Ordering::Relaxed);
        if waiting + bytes > BYTES_MAX || self.sender.try_send(message).is_err() {
            self.counts
                .bytes_waiting
                .fetch_sub(bytes, Ordering::Relaxed);
            self.counts.lose();
        }
    }
}

impl Counts {
    fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.untold.fetch_add(1, Ordering::Relaxed);
    }
}

/// Each call of `write` gets one line.
impl Write for LogLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line.len(), Message::Line(line.to_vec()));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for LogLines {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// Writes the lines from the queue until all its senders are dropped.
fn write_all(receiver: &Receiver<Message>, counts: &Counts, mut target: impl Write) {
    loop {
        threads::pulse();
        let bytes = match receiver.recv_timeout(PULSE) {
            Ok(Message::Line(line)) => line,
            Ok(Message::Flush(done)) => {
                // This fails if the caller no longer waits.
                let _ = done.try_send(());
                continue;
            }
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let written = target.write_all(&bytes).and_then(|()| target.flush());
        counts
            .bytes_waiting
            .fetch_sub(bytes.len(), Ordering::Relaxed);
        if written.is_err() {
            counts.lose();
            continue;
        }
        // If the line about lost lines is lost as well, it is counted with the next ones.
        match counts.untold.swap(0, Ordering::Relaxed) {
            0 => {}
            lines => tracing::error!(
                lines,
                "log lines were lost: they could not be written, or not fast enough"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A writer that fails while its first field is true, and otherwise collects the bytes in its
    /// second field.
    struct Broken(bool, Vec<u8>);

    impl Write for Broken {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.1.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn drain(lines: LogLines, receiver: &Receiver<Message>, writer: &mut Broken) -> Arc<Counts> {
        let counts = Arc::clone(&lines.counts);
        drop(lines);
        write_all(receiver, &counts, writer);
        counts
    }

    #[test]
    fn a_line_without_room_is_counted_and_nobody_waits() {
        let (mut lines, receiver) = LogLines::queue();
        for _ in 0..LINES_MAX + 7 {
            lines.write_all(b"x\n").unwrap();
        }
        assert_eq!(lines.lost(), 7);
        let mut writer = Broken(false, Vec::new());
        let counts = drain(lines, &receiver, &mut writer);
        assert_eq!(writer.1.len(), 2 * LINES_MAX);
        assert_eq!(counts.untold.load(Ordering::Relaxed), 0);
        assert_eq!(counts.bytes_waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn waiting_lines_take_no_more_memory_than_their_bound() {
        let (mut lines, _receiver) = LogLines::queue();
        let long = vec![b'x'; BYTES_MAX / 2];
        for _ in 0..3 {
            lines.write_all(&long).unwrap();
        }
        assert_eq!(lines.lost(), 1);
    }

    #[test]
    fn a_line_that_can_not_be_written_is_counted() {
        let (mut lines, receiver) = LogLines::queue();
        lines.write_all(b"lost\n").unwrap();
        let counts = drain(lines, &receiver, &mut Broken(true, Vec::new()));
        assert_eq!(counts.lost.load(Ordering::Relaxed), 1);
        assert_eq!(counts.untold.load(Ordering::Relaxed), 1);
    }
}
