//! One connection: hyper's HTTP/1, watched over, ended well.

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
use tokio::io::AsyncRead;
use tokio::net::TcpStream;
use tokio::time::Instant;
use warp::http::Request;

use super::Bounds;
use super::census::Place;
use super::talk;
use super::vigil::Vigil;
use crate::gate::{Gate, Serve};
use crate::websocket::Talk;

/// The largest head; also how much of a body is read at a time.
const BUFFER_BYTES_MAX: usize = 64 << 10;
/// How long a body that nobody wants may take to be thrown away.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Serves a connection to its end.
pub async fn serve<S: Serve>(stream: TcpStream, place: Place, gate: Rc<Gate<S>>, bounds: Bounds) {
    let vigil = Rc::new(Vigil::new());
    let socket = Rc::new(RefCell::new(TokioIo::new(stream)));
    let opened: Cell<Option<Talk>> = Cell::new(None);
    // What hyper keeps of a connection goes before it turns into a WebSocket.
    let opened = {
        let io = Watched {
            socket: Rc::clone(&socket),
            vigil: Rc::clone(&vigil),
        };
        let (spare, opened) = (place.spare, &opened);
        let service = service_fn(|request: Request<Incoming>| {
            let (gate, vigil) = (Rc::clone(&gate), Rc::clone(&vigil));
            vigil.began();
            async move {
                let answered = gate.answer(request, spare).await;
                vigil.answered(answered.unread);
                if answered.talk.is_some() {
                    opened.set(answered.talk);
                }
                Ok::<_, Infallible>(answered.response)
            }
        });
        let mut connection = http1::Builder::new()
            // Answers are not held back while more requests wait: a client that sends and never reads
            // would have all of them kept for it.
            .pipeline_flush(false)
            // Head and body in one buffer: a short answer leaves by a plain write.
            .writev(false)
            .half_close(true)
            .header_read_timeout(None)
            .max_buf_size(BUFFER_BYTES_MAX)
            .serve_connection(io, service);
        let is_whole = watch(Pin::new(&mut connection), &vigil, &gate, &bounds).await;
        let talk = opened.take().filter(|_| is_whole);
        // A client that already sent more didn't wait for the answer as it must (RFC 6455, 4.1): the
        // connection closes.
        talk.filter(|_| connection.into_parts().read_buf.is_empty())
    };
    if let Some(talk) = opened {
        // Nothing else has the socket any more.
        if let Some(socket) = Rc::into_inner(socket) {
            let stream = socket.into_inner().into_inner();
            // In a box: of all connections few become one.
            Box::pin(talk::run(stream, talk, gate.gateway(), bounds.idle)).await;
        }
    } else if vigil.is_unread() {
        drain(&socket, bounds.drained_bytes_max).await;
    }
    drop(place);
}

/// Drives a connection to its end: its own, past its bounds, or with the server. Whether it was its
/// own, with nothing amiss.
async fn watch<C, S>(
    mut connection: Pin<&mut C>,
    vigil: &Vigil,
    gate: &Gate<S>,
    bounds: &Bounds,
) -> bool
where
    C: Future<Output = hyper::Result<()>> + GracefulShutdown,
    S: Serve,
{
    let gateway = gate.gateway();
    let interval = Vigil::interval(bounds);
    let mut stopping = pin!(gateway.stopping());
    let mut alarm = pin!(tokio::time::sleep(interval));
    let (mut listens, mut told) = (false, false);
    poll_fn(|context| {
        if !listens {
            // Polled once, both wake this task later: a task's waker stays the same.
            listens = true;
            let _ = stopping.as_mut().poll(context);
            let _ = alarm.as_mut().poll(context);
        }
        if !told && gateway.is_stopping() {
            told = true;
            connection.as_mut().shut_down();
        }
        if let Poll::Ready(ended) = connection.as_mut().poll(context) {
            return Poll::Ready(ended.is_ok());
        }
        while alarm.is_elapsed() {
            if vigil.is_over(bounds) {
                return Poll::Ready(false);
            }
            alarm.as_mut().reset(Instant::now() + interval);
            let _ = alarm.as_mut().poll(context);
        }
        Poll::Pending
    })
    .await
}

/// A connection that can be asked to end with its present answer.
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

/// Reads what still comes and throws it away, within bounds: a socket closed with bytes unread is
/// reset, and the client may lose the answer.
async fn drain(socket: &RefCell<TokioIo<TcpStream>>, bytes_max: usize) {
    let mut buffer = vec![0; BUFFER_BYTES_MAX];
    let mut left = bytes_max;
    let reading = poll_fn(|context| {
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
    // Whether all of it came or the time was over makes no difference: the connection closes.
    let _ = tokio::time::timeout(DRAIN_MAX, reading).await;
}

/// The socket as hyper sees it, telling the vigil what moves. It is shared so that it outlives
/// hyper's connection.
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
