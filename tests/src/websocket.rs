//! A small WebSocket client that hides nothing: a test sees every frame, and may send what no
//! proper client would.

use std::io;

use serde_json::Value;

use crate::http::{Client, Connection, Request};

/// What a frame is.
pub const TEXT: u8 = 1;
/// A frame that closes.
pub const CLOSE: u8 = 8;
/// A frame that asks whether the other end is there.
pub const PING: u8 = 9;
/// Its answer.
pub const PONG: u8 = 10;

/// The key of every request, the standard's own example, and what answers it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// What the client's frames are masked with.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The request that opens the WebSocket of an operation.
pub fn request(id: &str) -> Request {
    Request::get(&format!("/operations/{id}/ws"))
        .header("Connection", "keep-alive, Upgrade")
        .header("Upgrade", "WebSocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", KEY)
}

/// A connection that became a WebSocket.
#[derive(Debug)]
pub struct Socket(Connection);

/// A frame of the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: u8,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Socket {
    /// Opens the WebSocket of an operation.
    ///
    /// # Panics
    /// When it is refused, or opened in another way than the standard's.
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
    /// What the system says.
    pub fn send(&mut self, kind: u8, payload: &[u8]) -> io::Result<()> {
        self.begin(kind, payload.len() as u64)?;
        let masked = payload.iter().zip(MASK.iter().cycle());
        let masked: Vec<u8> = masked.map(|(byte, mask)| byte ^ mask).collect();
        self.0.write(&masked)
    }

    /// Sends the head of a frame, whatever follows.
    ///
    /// # Errors
    /// What the system says.
    pub fn begin(&mut self, kind: u8, length: u64) -> io::Result<()> {
        let mut head = vec![0x80 | kind, 0x80 | 127];
        match u8::try_from(length) {
            Ok(short @ ..126) => head[1] = 0x80 | short,
            _ => head.extend(length.to_be_bytes()),
        }
        head.extend(MASK);
        self.0.write(&head)
    }

    /// Sends any bytes.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write(bytes)
    }

    /// The next frame.
    ///
    /// # Errors
    /// What the system says; `UnexpectedEof` when the server has closed.
    ///
    /// # Panics
    /// When it is in parts, masked, or longer than 65,535 bytes.
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

    /// The next frame, which must be a text of JSON.
    ///
    /// # Panics
    /// When it is anything else.
    #[track_caller]
    pub fn json(&mut self) -> Value {
        let frame = self.frame().expect("a frame");
        assert_eq!(frame.kind, TEXT, "{frame:?}");
        serde_json::from_slice(&frame.payload).expect("JSON")
    }

    /// Reads the close that must come next, answers it, and sees the connection end; its code.
    ///
    /// # Panics
    /// When anything else comes.
    #[track_caller]
    pub fn closed(&mut self) -> u16 {
        let frame = self.frame().expect("a frame");
        assert_eq!(frame.kind, CLOSE, "{frame:?}");
        // It may be gone already.
        let _ = self.send(CLOSE, &frame.payload[..2]);
        assert!(self.frame().is_err(), "something follows the close");
        u16::from_be_bytes([frame.payload[0], frame.payload[1]])
    }

    /// Whether nothing has come that was not read.
    pub fn is_silent(&mut self) -> bool {
        !self.0.is_stale()
    }
}
