//! Taking connections, and handing them to the lanes in turn.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc::Sender;

use super::census::Census;
use super::lane::Arrival;

/// How long to wait after an error that is not the connection's own, as when there are no more
/// file descriptors: long enough for some to close.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts until it is dropped.
pub async fn run(listener: TcpListener, lanes: Vec<Sender<Arrival>>, census: Arc<Census>) {
    for lane in lanes.iter().cycle() {
        let arrival = next(&listener, &census).await;
        // A lane takes a connection within a tick; until then further ones wait in the system's
        // backlog. One that has ended takes none: the server is stopping.
        if lane.send(arrival).await.is_err() {
            return;
        }
    }
}

async fn next(listener: &TcpListener, census: &Arc<Census>) -> Arrival {
    let mut failures: u32 = 0;
    loop {
        match listener
            .accept()
            .await
            .and_then(|(stream, _)| stream.into_std())
        {
            Ok(stream) => match census.enter() {
                Some(place) => return Arrival { stream, place },
                None => drop(stream),
            },
            Err(error) if is_of_one_connection(error.kind()) => {}
            Err(error) => {
                // One line now and then, not one a try.
                if failures.is_multiple_of(100) {
                    tracing::error!(%error, failures, "no connection can be accepted");
                }
                failures = failures.wrapping_add(1);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn is_of_one_connection(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
    )
}
