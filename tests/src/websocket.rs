//! A small WebSocket client that hides nothing: a test sees every frame, and may send invalid
//! frames.

use std::io;

use serde_json::Value;

use crate::http::{Client, Connection, Request};

/// The opcode of a text frame.
pub const TEXT: u8 = 1;
/// The opcode of a close frame.
pub const CLOSE: u8 = 8;
/// The opcode of a ping frame.
pub const PING: u8 = 9;
/// The opcode of a pong frame.
pub const PONG: u8 = 10;

/// The key of every request, which is the standard's own example, and the matching accept value.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// The mask of the client's frames.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Returns the request that opens the WebSocket of an operation.
pub fn request(id: &str) -> Request {
    Request::get(&format!("/operations/{id}/ws"))
        .header("Connection", "keep-alive, Upgrade")
        .header("Upgrade", "WebSocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", KEY)
}

/// A connection that was upgraded to a WebSocket.
#[derive(Debug)]
pub struct Socket(Connection);

/// A frame from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its opcode.
    pub kind: u8,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl Socket {
    /// Opens the WebSocket of an operation.
    ///
    /// # Panics
    /// Panics if it is refused, or if the handshake differs from the standard's.
    #[track_caller]
    pub fn open(client: &Client, id: &str) -> Self {
        let mut connection = client.connect();
        let answer = connection.send(&request(id)).expect("an answer");
        assert_eq!(answer.status, 101, "{answer:?}");
        assert_eq!(answer.header("connection"), Some("Upgrade"));
        assert_eq!(answer.header("upgrade"), Some("websocket"));
        assert_eq!(answer.header("sec-websocket-accept"), Some(ACCEPT));
        assert!(answer.header("x-request-id").is_some(), "{answer:?}");
        Self(connection)
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// Returns the I/O error of the connection.
    pub fn send(&mut self, kind: u8, payload: &[u8]) -> io::Result<()> {
        self.begin(kind, payload.len() as u64)?;
        let masked = payload.iter().zip(MASK.iter().cycle());
        let masked: Vec<u8> = masked.map(|(byte, mask)| byte ^ mask).collect();
        self.0.write(&masked)
    }

    /// Sends the head of a frame with any length, whatever follows.
    ///
    /// # Errors
    /// Returns the I/O error of the connection.
    pub fn begin(&mut self, kind: u8, length: u64) -> io::Result<()> {
        let mut head = vec![0x80 | kind, 0x80 | 127];
        match u8::try_from(length) {
            Ok(short @ ..126) => head[1] = 0x80 | short,
            _ => head.extend(length.to_be_bytes()),
        }
        head.extend(MASK);
        self.0.write(&head)
    }

    /// Sends arbitrary bytes.
    ///
    /// # Errors
    /// Returns the I/O error of the connection.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write(bytes)
    }

    /// Reads the next frame.
    ///
    /// # Errors
    /// Returns the I/O error of the connection: `UnexpectedEof` if the server has closed it.
    ///
    /// # Panics
    /// Panics if the frame is fragmented, masked, or longer than 65,535 bytes.
    #[track_caller]
    pub fn frame(&mut self) -> io::Result<Frame> {
        let head = self.0.read_bytes(2)?;
        assert_eq!(head[0] & 0xf0, 0x80, "a whole frame, no extension");
        let length = match head[1] {
            short @ ..126 => usize::from(short),
            126 => {
                let length = self.0.read_bytes(2)?;
                usize::from(u16::from_be_bytes([length[0], length[1]]))
            }
            long => panic!("masked, or very long: {long}"),
        };
        Ok(Frame {
            kind: head[0] & 0x0f,
            payload: self.0.read_bytes(length)?,
        })
    }

    /// Reads the next frame, which must be a text of JSON.
    ///
    /// # Panics
    /// Panics if it is anything else.
    #[track_caller]
    pub fn json(&mut self) -> Value {
        let frame = self.frame().expect("a frame");
        assert_eq!(frame.kind, TEXT, "{frame:?}");
        serde_json::from_slice(&frame.payload).expect("JSON")
    }

    /// Reads the close frame that must come next, answers it, checks that the connection ends, and
    /// returns the close code.
    ///
    /// # Panics
    /// Panics if anything else comes.
    #[track_caller]
    pub fn closed(&mut self) -> u16 {
        let frame = self.frame().expect("a frame");
        assert_eq!(frame.kind, CLOSE, "{frame:?}");
        // The server may have closed the connection already.
        let _ = self.send(CLOSE, &frame.payload[..2]);
        assert!(self.frame().is_err(), "something follows the close");
        u16::from_be_bytes([frame.payload[0], frame.payload[1]])
    }

    /// Reports whether no unread bytes have arrived and the connection is still open.
    pub fn is_silent(&mut self) -> bool {
        !self.0.is_stale()
    }
}
