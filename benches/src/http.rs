//! Single requests, each on its own connection, to ask whether a server is ready and what it
//! recorded.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::error::BenchError;
use crate::load::ReplyReader;

/// The timeout of connecting, of sending and of each read.
const IO_LIMIT: Duration = Duration::from_secs(10);

/// A complete reply.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns the body as text, for display.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends `GET path`.
pub fn get(address: SocketAddr, path: &str) -> Result<Answer, BenchError> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    exchange(address, &format!("GET {path}"), request.as_bytes())
}

/// Sends a complete request and reads its reply. `what` names the request in errors.
pub fn exchange(address: SocketAddr, what: &str, request: &[u8]) -> Result<Answer, BenchError> {
    let io = |source| BenchError::Io {
        what: what.to_owned(),
        source,
    };
    let mut socket = TcpStream::connect_timeout(&address, IO_LIMIT).map_err(io)?;
    socket.set_read_timeout(Some(IO_LIMIT)).map_err(io)?;
    socket.set_write_timeout(Some(IO_LIMIT)).map_err(io)?;
    socket.write_all(request).map_err(io)?;
    let mut reader = ReplyReader::default();
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = socket.read(&mut buffer).map_err(io)?;
        if read == 0 {
            return Err(io(io::Error::from(ErrorKind::UnexpectedEof)));
        }
        match reader.feed(&buffer[..read]) {
            Ok(None) => {}
            Ok(Some(reply)) => {
                return Ok(Answer {
                    status: reply.status,
                    body: reply.body.to_vec(),
                });
            }
            Err(source) => {
                return Err(BenchError::Malformed {
                    request: what.to_owned(),
                    source,
                });
            }
        }
    }
}
