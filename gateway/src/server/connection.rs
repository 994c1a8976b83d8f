//! One connection: serves it with hyper's HTTP/1, limits its times, and closes it so that the
//! client gets its last answer.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use warp::http::Request;

use super::Bounds;
use super::census::Place;
use super::gate::{Gate, Link};
use super::talk;
use super::vigil::Vigil;
use crate::http::Unread;
use crate::http::websocket::OutgoingMessages;

/// The largest head, in bytes. It is also the most that is read of a body at a time.
const BUFFER_BYTES_MAX: usize = 64 << 10;
/// The longest time that discarding an unread body may take.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Serves a connection to its end.
pub async fn serve(stream: TcpStream, place: Place, gate: Rc<Gate>, bounds: Bounds) {
    let vigil = Rc::new(Vigil::new());
    let socket = Rc::new(RefCell::new(TokioIo::new(stream)));
    let opened: Cell<Option<OutgoingMessages>> = Cell::new(None);
    let unread = Unread::new();
    // This block drops hyper's state of the connection before the connection turns into a
    // WebSocket.
    let (opened, ended) = {
        let io = Watched {
            socket: Rc::clone(&socket),
            vigil: Rc::clone(&vigil),
        };
        let (spare, opened, unread) = (place.spare, &opened, &unread);
        let service = service_fn(|request: Request<Incoming>| {
            let (gate, vigil) = (Rc::clone(&gate), Rc::clone(&vigil));
            vigil.began();
            async move {
                let link = Link {
                    spare,
                    is_crowded: vigil.is_crowded(),
                    unread,
                };
                let answered = gate.answer(request, link).await;
                vigil.answered(&answered);
                if answered.talk.is_some() {
                    opened.set(answered.talk);
                }
                Ok::<_, Infallible>(answered.response)
            }
        });
        let mut connection = http1::Builder::new()
            // Answers are flushed even while more requests wait. Otherwise all answers to a client
            // that sends and never reads would be kept.
            .pipeline_flush(false)
            // Head and body are written from one buffer, so a short answer takes one plain write.
            .writev(false)
            .half_close(true)
            .header_read_timeout(None)
            .max_buf_size(BUFFER_BYTES_MAX)
            .serve_connection(io, service);
        let ended = watch(Pin::new(&mut connection), &vigil, &gate, &bounds).await;
        let talk = opened.take().filter(|_| ended == Ended::Well);
        // A client must wait for the answer before it sends more (RFC 6455, 4.1). If it did not
        // wait, the connection closes.
        let talk = talk.filter(|_| connection.into_parts().read_buf.is_empty());
        (talk, ended)
    };
    if let Some(talk) = opened {
        // The socket has no other owner any more.
        if let Some(socket) = Rc::into_inner(socket) {
            let stream = socket.into_inner().into_inner();
            // The future is boxed, because only few connections become a WebSocket.
            Box::pin(talk::run(stream, talk, gate.gateway(), bounds.idle)).await;
        }
    } else if ended == Ended::Amiss || vigil.is_unread() {
        drain(&socket, bounds.drained_bytes_max).await;
    }
    drop(place);
}

/// The way in which a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// The connection ended normally, or because the server stops.
    Well,
    /// The connection ended with an error: the network failed, or the bytes were not HTTP.
    Amiss,
    /// The connection exceeded one of its times.
    OverTime,
}

/// Drives a connection to its end.
async fn watch<C>(mut connection: Pin<&mut C>, vigil: &Vigil, gate: &Gate, bounds: &Bounds) -> Ended
where
    C: Future<Output = hyper::Result<()>> + GracefulShutdown,
{
    let gateway = gate.gateway();
    let interval = Vigil::interval(bounds);
    let mut stopping = pin!(gateway.stopping());
    let mut alarm = pin!(tokio::time::sleep(interval));
    let (mut listens, mut told) = (false, false);
    poll_fn(|context| {
        if !listens {
            // One poll is enough for both to wake this task later, because the waker of a task
            // stays the same.
            listens = true;
            let _ = stopping.as_mut().poll(context);
            let _ = alarm.as_mut().poll(context);
        }
        if !told && gateway.is_stopping() {
            told = true;
            connection.as_mut().shut_down();
        }
        if let Poll::Ready(ended) = connection.as_mut().poll(context) {
            return Poll::Ready(match ended {
                Ok(()) => Ended::Well,
                Err(_) => Ended::Amiss,
            });
        }
        while alarm.is_elapsed() {
            if vigil.is_over(bounds) {
                return Poll::Ready(Ended::OverTime);
            }
            alarm.as_mut().reset(Instant::now() + interval);
            let _ = alarm.as_mut().poll(context);
        }
        Poll::Pending
    })
    .await
}

/// A connection that can be asked to end after its current answer.
trait GracefulShutdown {
    fn shut_down(self: Pin<&mut Self>);
}

impl<S> GracefulShutdown for http1::Connection<Watched, S>
where
    S: hyper::service::HttpService<Incoming>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::ResBody: hyper::body::Body + 'static,
    <S::ResBody as hyper::body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn shut_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Shuts the sending side down, then reads and discards the bytes that still arrive, within bounds.
/// If a socket is closed with unread bytes, the system resets it, and the client may lose the
/// answer.
async fn drain(socket: &RefCell<TokioIo<TcpStream>>, bytes_max: usize) {
    let mut buffer = vec![0; BUFFER_BYTES_MAX];
    let mut left = bytes_max;
    let mut is_shut = false;
    let reading = poll_fn(|context| {
        if !is_shut {
            // hyper has already done this, unless the bytes that it read were not HTTP.
            is_shut = Pin::new(socket.borrow_mut().inner_mut())
                .poll_shutdown(context)
                .is_ready();
        }
        loop {
            let mut socket = socket.borrow_mut();
            let mut part = tokio::io::ReadBuf::new(&mut buffer);
            match Pin::new(socket.inner_mut()).poll_read(context, &mut part) {
                Poll::Ready(Ok(())) if !part.filled().is_empty() && left > part.filled().len() => {
                    left -= part.filled().len();
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    });
    // The connection closes in any case, whether everything arrived or the time was over.
    let _ = tokio::time::timeout(DRAIN_MAX, reading).await;
}

/// The socket as hyper sees it. It reports the bytes that move to the vigil. It is shared, so that
/// it outlives hyper's connection.
struct Watched {
    socket: Rc<RefCell<TokioIo<TcpStream>>>,
    vigil: Rc<Vigil>,
}

impl Watched {
    fn sent(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(1..)) = written {
            self.vigil.sent();
        }
        written
    }
}

impl Read for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut *self.socket.borrow_mut()).poll_read(context, buffer);
        if read.is_ready() {
            self.vigil.received();
        }
        read
    }
}

impl Write for Watched {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *self.socket.borrow_mut()).poll_write(context, bytes);
        self.sent(written)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes after it has written everything that it has.
        self.vigil.flushed();
        Pin::new(&mut *self.socket.borrow_mut()).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.socket.borrow_mut()).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.borrow().is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *self.socket.borrow_mut()).poll_write_vectored(context, parts);
        self.sent(written)
    }
}
