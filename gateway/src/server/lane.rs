//! A lane: a thread that carries connections, with a gate of its own.

use std::rc::Rc;
use std::sync::Arc;

use florin_storage::threads::{self, PULSE};
use tokio::net::TcpStream;
use tokio::sync::mpsc::Receiver;

use super::Bounds;
use super::census::Place;
use super::connection;
use super::gate::Gate;
use crate::routing::Gateway;

/// A connection on its way to a lane.
#[derive(Debug)]
pub struct Arrival {
    /// The connection, which is not registered with a reactor yet.
    pub stream: std::net::TcpStream,
    /// The place of the connection in the count.
    pub place: Place,
}

/// Serves the connections that arrive, until the sender is dropped.
pub async fn run(mut arrivals: Receiver<Arrival>, gateway: Arc<Gateway>, bounds: Bounds) {
    let gate = Rc::new(Gate::new(gateway));
    loop {
        threads::pulse();
        let Ok(arrived) = tokio::time::timeout(PULSE, arrivals.recv()).await else {
            continue;
        };
        let Some(Arrival { stream, place }) = arrived else {
            return;
        };
        // This registers the connection with the reactor of this thread.
        let stream = TcpStream::from_std(stream);
        match stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream)) {
            Ok(stream) => {
                actix_rt::spawn(connection::serve(stream, place, Rc::clone(&gate), bounds));
            }
            Err(error) => tracing::debug!(%error, "a connection was closed before it was served"),
        }
    }
}
