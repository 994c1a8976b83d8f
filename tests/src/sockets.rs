//! Clients on bare sockets that do what no HTTP client does: they half-close, never read, or send a
//! byte at a time.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// The time without bytes after which a client considers the server hung.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// The time after which a connection that takes no more bytes counts as full.
const FULL_AFTER: Duration = Duration::from_millis(500);

/// Sends these bytes, closes the sending side and reads until the server closes the connection.
/// Returns what was read, and the error that ended the reading: it is a timeout if the server
/// neither answers nor closes. The server may close before everything is sent.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> (String, io::Result<()>) {
    let mut answer = Vec::new();
    let read = TcpStream::connect(address).and_then(|mut stream| {
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        stream.read_to_end(&mut answer).map(drop)
    });
    (String::from_utf8_lossy(&answer).into_owned(), read)
}

/// A client that sends requests and never reads an answer.
#[derive(Debug)]
pub struct Deaf {
    stream: TcpStream,
    /// The number of requests that were sent.
    pub sent: usize,
}

impl Deaf {
    /// Sends `requests`, which are `count` requests, again and again until the connection takes no
    /// more or `sent_max` requests are sent. A server stops reading while its answers aren't taken.
    ///
    /// # Panics
    /// Panics if it can't connect.
    pub fn send_until_full(
        address: SocketAddr,
        requests: &[u8],
        count: usize,
        sent_max: usize,
    ) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_write_timeout(Some(FULL_AFTER)).unwrap();
        let mut sent = 0;
        while sent < sent_max && stream.write_all(requests).is_ok() {
            sent += count;
        }
        Self { stream, sent }
    }

    /// Closes the connection.
    ///
    /// # Panics
    /// Panics if the system refuses it.
    pub fn hang_up(self) {
        self.stream.shutdown(Shutdown::Both).unwrap();
    }
}

/// A client that sends one more byte at each check whether its connection is closed.
#[derive(Debug)]
pub struct Trickle(TcpStream);

impl Trickle {
    /// Connects and sends the first bytes.
    ///
    /// # Panics
    /// Panics if it can't connect.
    pub fn new(address: SocketAddr, start: &[u8]) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(start).unwrap();
        stream.set_nonblocking(true).unwrap();
        Self(stream)
    }

    /// Reports whether the server has closed the connection.
    pub fn is_hung_up_on(&mut self) -> bool {
        let mut bytes = [0; 4_096];
        loop {
            match self.0.read(&mut bytes) {
                Ok(0) => return true,
                // This is the answer that comes before the connection ends.
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return true,
            }
        }
        self.0.write_all(b"x").is_err()
    }
}
