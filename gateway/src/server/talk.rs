//! A connection that became a WebSocket: sends what is to be said, and closes. What the client says
//! is of no interest, only that it is there.

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

use crate::gateway::Gateway;
use crate::websocket::{Message, Talk};

/// The largest frame, and message, that is read. Nothing is expected; what is longer closes the
/// connection by its head, before a byte of it is kept.
pub const INCOMING_BYTES_MAX: usize = 4 << 10;
/// How much is read at a time; each connection keeps as much.
const READ_BYTES: usize = 1 << 10;
/// How much may wait for a client that doesn't read.
const WAITING_BYTES_MAX: usize = 1 << 20;
/// How seldom a client is asked whether it is there, at most; one that said nothing since is dropped.
const ALIVE_MAX: Duration = Duration::from_secs(30);
/// How often, at most.
const ALIVE_MIN: Duration = Duration::from_millis(100);
/// How long a client may take to read a message.
const SEND_MAX: Duration = Duration::from_secs(10);
/// How long a client may take to say that it closes too.
const CLOSE_MAX: Duration = Duration::from_secs(5);
/// How long the last word may take to be sent when the server stops.
const LAST_WORD_MAX: Duration = Duration::from_millis(500);

type Socket = WebSocketStream<TcpStream>;

/// Carries a talk to its end. A client that doesn't show in `idle` that it is there is dropped.
pub async fn run(stream: TcpStream, talk: Talk, gateway: &Gateway, idle: Duration) {
    let Some(messages) = talk.take() else {
        return;
    };
    let mut socket = Socket::from_raw_socket(stream, Role::Server, Some(config())).await;
    let alive = (idle / 2).clamp(ALIVE_MIN, ALIVE_MAX);
    let carrying = async {
        if let Some(code) = carry(&mut socket, messages, alive).await {
            // Whether it says so too or the time is over: the connection closes.
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

/// The bounds of what is read and written.
pub fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WAITING_BYTES_MAX)
        .max_message_size(Some(INCOMING_BYTES_MAX))
        .max_frame_size(Some(INCOMING_BYTES_MAX))
}

/// Sends what is to be said; how to close then, `None` when there is nobody to tell.
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
                    // Without its end a talk is to be taken up again elsewhere, or later.
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
                // A close is answered as the stream is read on to its end.
                Some(Ok(_)) => is_there = true,
                Some(Err(Error::Capacity(_))) => return Some(CloseCode::Size),
                Some(Err(Error::Protocol(_))) => return Some(CloseCode::Protocol),
                Some(Err(Error::Utf8(_))) => return Some(CloseCode::Invalid),
                Some(Err(_)) | None => return None,
            },
        }
    }
}

/// Sends a frame, to a client that reads it in time.
async fn send(socket: &mut Socket, frame: Frame) -> Option<()> {
    timeout(SEND_MAX, socket.send(frame)).await.ok()?.ok()
}

/// Says that it closes, and waits until the client did.
async fn close(socket: &mut Socket, code: CloseCode) {
    if socket.close(Some(frame(code))).await.is_ok() {
        while let Some(Ok(_)) = socket.next().await {}
    }
}

fn frame(code: CloseCode) -> CloseFrame {
    let reason = match code {
        CloseCode::Normal => "all is said",
        CloseCode::Away => "come again",
        CloseCode::Size => "too long",
        _ => "malformed",
    };
    CloseFrame {
        code,
        reason: reason.into(),
    }
}
