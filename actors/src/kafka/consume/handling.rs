//! The hand-over of messages to their consumer, and the results that come back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::task::{Context, Poll, Waker};

use tokio::runtime::Handle;

use crate::bus::{Consumer, Failure, Message};

/// The result of handling a message.
#[derive(Debug)]
pub(super) struct Handled {
    pub(super) message: Arc<Message>,
    pub(super) result: Result<(), Failure>,
}

/// Sends the result of handling a message when it is dropped, so that a panic is reported too.
struct Report {
    results: Sender<Handled>,
    handled: Option<Handled>,
}

impl Report {
    fn set(&mut self, result: Result<(), Failure>) {
        if let Some(handled) = &mut self.handled {
            handled.result = result;
        }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if let Some(handled) = self.handled.take() {
            // If the session has ended, its messages are taken again by the next one.
            let _ = self.results.send(handled);
        }
    }
}

/// Hands a message to its consumer. Everything that must happen in order has happened when this
/// returns; the rest runs on `runtime`. The result is sent to `results`. Returns whether it was
/// sent already.
pub(super) fn hand_over(
    consumer: &dyn Consumer,
    runtime: &Handle,
    results: &Sender<Handled>,
    message: &Arc<Message>,
) -> bool {
    let mut report = Report {
        results: results.clone(),
        handled: Some(Handled {
            message: Arc::clone(message),
            result: Err(Failure::panicked()),
        }),
    };
    let begun = catch_unwind(AssertUnwindSafe(|| {
        let mut handling = consumer.handle(Arc::clone(message));
        let mut context = Context::from_waker(Waker::noop());
        match handling.as_mut().poll(&mut context) {
            Poll::Ready(result) => Err(result),
            Poll::Pending => Ok(handling),
        }
    }));
    match begun {
        Ok(Ok(handling)) => {
            runtime.spawn(async move {
                let mut report = report;
                report.set(handling.await);
            });
            false
        }
        Ok(Err(result)) => {
            report.set(result);
            true
        }
        // The report tells of the panic.
        Err(_) => true,
    }
}
