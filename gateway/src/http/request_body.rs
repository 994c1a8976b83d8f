//! The body of a request, and the handling of the part of it that no handler has read.
//!
//! An answer may be ready before the request's body was read: if the path is unknown, the id is
//! malformed, or the route takes no body. hyper then closes the connection without announcing it,
//! and the client's next request on it fails. So the unread rest of a body goes back to the
//! connection, which reads and discards it, or answers with `Connection: close`.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// The longest time that an answer waits for the rest of a body that is discarded.
const DISCARD_MAX: Duration = Duration::from_secs(1);

/// The progress of reading the body of the connection's current request.
#[derive(Debug)]
enum State {
    /// The body was read to its end, or there is none.
    Read,
    /// A reader still holds the body.
    Reading,
    /// The reader dropped the body before its end. `asked` says whether the client was already
    /// asked to send it: the first read of a body makes hyper send `100 Continue` to a client that
    /// waits for it.
    Left { rest: Incoming, asked: bool },
    /// The body was malformed, or ended too early. The bytes after it can't be interpreted.
    Broken,
}

/// The place to which the unread part of a request's body goes. Each connection has one, because it
/// has one request at a time.
#[derive(Debug, Clone)]
pub struct Unread(Arc<Mutex<State>>);

impl Unread {
    /// Creates the place for a connection without a request.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State::Read)))
    }

    fn set(&self, state: State) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    fn take(&self) -> State {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *state, State::Read)
    }

    /// Returns whether the current request's body was read to its end, or there is none. It is
    /// false while a reader still holds the body.
    pub fn is_empty(&self) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(*state, State::Read)
    }

    /// Discards the rest of the current request's body, up to `bytes_max`, for at most one second.
    /// Returns whether the connection is then at the start of the next request. If it is not, it
    /// must close.
    ///
    /// `awaits` says that the client sends its body only once it is asked for it
    /// (`Expect: 100-continue`). A client that was not asked yet is not asked for a body that
    /// nothing will read.
    pub async fn discard(&self, bytes_max: usize, awaits: bool) -> bool {
        let mut rest = match self.take() {
            State::Read => return true,
            State::Left { rest, asked } if asked || !awaits => rest,
            State::Left { .. } | State::Reading | State::Broken => return false,
        };
        let bytes_max = bytes_max as u64;
        if rest.size_hint().lower() > bytes_max {
            return false;
        }
        let reading = async {
            let mut read = 0;
            while let Some(frame) = rest.frame().await {
                let Ok(frame) = frame else { return false };
                read += frame.data_ref().map_or(0, Bytes::len) as u64;
                if read > bytes_max {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(DISCARD_MAX, reading)
            .await
            .unwrap_or(false)
    }
}

/// A request's body. If it is dropped before its end, it leaves the rest to its connection. The
/// default is an empty body.
#[derive(Debug, Default)]
pub struct RequestBody {
    incoming: Option<Incoming>,
    /// The place for the unread part, or `None` if the request has no body.
    unread: Option<Unread>,
    is_asked: bool,
    is_broken: bool,
}

impl RequestBody {
    /// Creates the body of a request that arrived on the connection of `unread`.
    pub fn new(incoming: Incoming, unread: &Unread) -> Self {
        let has_body = !incoming.is_end_stream();
        if has_body {
            unread.set(State::Reading);
        }
        Self {
            incoming: Some(incoming),
            unread: has_body.then(|| unread.clone()),
            is_asked: false,
            is_broken: false,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let Some(incoming) = &mut this.incoming else {
            return Poll::Ready(None);
        };
        this.is_asked = true;
        let polled = Pin::new(incoming).poll_frame(context);
        match &polled {
            // The end of a chunked body is known only here.
            Poll::Ready(None) => {
                this.incoming = None;
                // The reader may keep the body for longer, so its end is reported now.
                if let Some(unread) = this.unread.take() {
                    unread.set(State::Read);
                }
            }
            Poll::Ready(Some(Err(_))) => {
                this.is_broken = true;
                this.incoming = None;
            }
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.incoming {
            Some(incoming) => incoming.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let Some(unread) = &self.unread else {
            return;
        };
        let asked = self.is_asked;
        unread.set(match self.incoming.take() {
            _ if self.is_broken => State::Broken,
            Some(rest) if !rest.is_end_stream() => State::Left { rest, asked },
            _ => State::Read,
        });
    }
}
