//! A lane: one thread that carries connections, with services of its own.

use std::rc::Rc;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::mpsc::Receiver;

use super::Bounds;
use super::census::Place;
use super::connection;
use crate::gate::Gate;
use crate::gateway::Gateway;
use crate::routes;

/// A connection on its way to a lane.
#[derive(Debug)]
pub struct Arrival {
    /// The connection, not registered anywhere yet.
    pub stream: std::net::TcpStream,
    /// Its place.
    pub place: Place,
}

/// Serves what arrives, until nothing can arrive any more.
pub async fn run(mut arrivals: Receiver<Arrival>, gateway: Arc<Gateway>, bounds: Bounds) {
    let gate = Rc::new(Gate::new(gateway, routes::areas()));
    while let Some(Arrival { stream, place }) = arrivals.recv().await {
        // It registers with the reactor of this thread.
        let stream = TcpStream::from_std(stream);
        match stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream)) {
            Ok(stream) => {
                actix_rt::spawn(connection::serve(stream, place, Rc::clone(&gate), bounds));
            }
            Err(error) => tracing::debug!(%error, "a connection was gone before it was served"),
        }
    }
}
