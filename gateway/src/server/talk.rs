//! A connection that became a WebSocket: sends its messages, and closes. The content of the
//! client's messages is ignored; they only show that the client is still there.

use std::time::Duration;

use futures_util::stream::BoxStream;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message as Frame};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes as Payload, Error};

use crate::http::websocket::{Message, OutgoingMessages};
use crate::routing::Gateway;

/// The largest frame, and the largest message, that is read. No messages are expected. A longer one
/// closes the connection as soon as its head is read, before any of its bytes are kept.
pub const INCOMING_BYTES_MAX: usize = 4 << 10;
/// The number of bytes that are read at a time. Each connection keeps a buffer of this size.
const READ_BYTES: usize = 1 << 10;
/// The most bytes that may wait for a client that doesn't read.
const WAITING_BYTES_MAX: usize = 1 << 20;
/// The longest interval between two pings. A client that has sent nothing since the previous ping
/// is dropped.
const ALIVE_MAX: Duration = Duration::from_secs(30);
/// The shortest interval between two pings.
const ALIVE_MIN: Duration = Duration::from_millis(100);
/// The longest time that a client may take to read a message.
const SEND_MAX: Duration = Duration::from_secs(10);
/// The longest time that a client may take to answer the close.
const CLOSE_MAX: Duration = Duration::from_secs(5);
/// The longest time that sending the close may take when the server stops.
const LAST_WORD_MAX: Duration = Duration::from_millis(500);

type Socket = WebSocketStream<TcpStream>;

/// Carries a WebSocket to its end. A client that sends nothing within `idle`, not even the answer
/// to a ping, is dropped.
pub async fn run(stream: TcpStream, talk: OutgoingMessages, gateway: &Gateway, idle: Duration) {
    let Some(messages) = talk.take() else {
        return;
    };
    let mut socket = Socket::from_raw_socket(stream, Role::Server, Some(config())).await;
    let alive = (idle / 2).clamp(ALIVE_MIN, ALIVE_MAX);
    let carrying = async {
        if let Some(code) = carry(&mut socket, messages, alive).await {
            // The connection closes in any case, whether the client answered the close or the time
            // was over.
            let _ = timeout(CLOSE_MAX, close(&mut socket, code)).await;
        }
    };
    let is_stopped = tokio::select! {
        biased;
        () = gateway.stopped() => true,
        () = carrying => false,
    };
    if is_stopped {
        let farewell = socket.close(Some(frame(CloseCode::Away)));
        let _ = timeout(LAST_WORD_MAX, farewell).await;
    }
}

/// Returns the bounds for reading and writing.
pub fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WAITING_BYTES_MAX)
        .max_message_size(Some(INCOMING_BYTES_MAX))
        .max_frame_size(Some(INCOMING_BYTES_MAX))
}

/// Sends the messages. Returns the code to close with, or `None` if the client is gone.
async fn carry(
    socket: &mut Socket,
    mut messages: BoxStream<'static, Message>,
    alive: Duration,
) -> Option<CloseCode> {
    let mut alarm = interval_at(Instant::now() + alive, alive);
    let (mut is_there, mut is_last) = (true, false);
    loop {
        tokio::select! {
            biased;
            message = messages.next() => {
                let Some(message) = message else {
                    // The messages ended without the last one, so the client has to connect again.
                    return Some(if is_last { CloseCode::Normal } else { CloseCode::Away });
                };
                is_last = message.is_last;
                send(socket, Frame::text(message.text)).await?;
            }
            _ = alarm.tick() => {
                if !std::mem::take(&mut is_there) {
                    return None;
                }
                send(socket, Frame::Ping(Payload::new())).await?;
            }
            heard = socket.next() => match heard {
                // The library answers a close frame while the stream is read to its end.
                Some(Ok(_)) => is_there = true,
                Some(Err(Error::Capacity(_))) => return Some(CloseCode::Size),
                Some(Err(Error::Protocol(_))) => return Some(CloseCode::Protocol),
                Some(Err(Error::Utf8(_))) => return Some(CloseCode::Invalid),
                Some(Err(_)) | None => return None,
            },
        }
    }
}

/// Sends a frame. Returns `None` if it fails, or if the client does not read the frame in time.
async fn send(socket: &mut Socket, frame: Frame) -> Option<()> {
    timeout(SEND_MAX, socket.send(frame)).await.ok()?.ok()
}

/// Sends the close, and waits until the client closes too.
async fn close(socket: &mut Socket, code: CloseCode) {
    if socket.close(Some(frame(code))).await.is_ok() {
        while let Some(Ok(_)) = socket.next().await {}
    }
}

fn frame(code: CloseCode) -> CloseFrame {
    let reason = match code {
        CloseCode::Normal => "complete",
        CloseCode::Away => "connect again",
        CloseCode::Size => "message too long",
        _ => "malformed",
    };
    CloseFrame {
        code,
        reason: reason.into(),
    }
}
