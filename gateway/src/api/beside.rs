//! Work beside the ledger's thread.

use std::sync::Arc;

use warp::reply::Response;

use crate::http::{Problem, ProblemCode};
use crate::routing::{Answering, Call};

/// Handles a request that is not a command outside the ledger's thread, because it may take a while.
pub fn beside<F>(call: Arc<Call>, work: fn(Arc<Call>) -> F) -> Answering
where
    F: Future<Output = Result<Response, Problem>> + Send + 'static,
{
    Box::pin(async move {
        let done = call.gateway.beside.spawn(work(Arc::clone(&call))).await;
        done.unwrap_or_else(|_| {
            Err(Problem::new(
                ProblemCode::ShuttingDown,
                "the server is stopping",
            ))
        })
    })
}
