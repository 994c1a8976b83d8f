//! Accepts connections and hands them to the lanes in turn.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc::Sender;

use super::census::Census;
use super::lane::Arrival;

/// The pause after an error that is not caused by one connection, such as a lack of file
/// descriptors. It is long enough for some descriptors to be closed.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until the future is dropped.
pub async fn run(listener: TcpListener, lanes: Vec<Sender<Arrival>>, census: Arc<Census>) {
    for lane in lanes.iter().cycle() {
        let arrival = next(&listener, &census).await;
        // A lane takes a connection within a tick. Until then, further connections wait in the
        // system's backlog. A lane that has ended takes none, which means that the server is
        // stopping.
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
                // Only one in 100 failures is logged.
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
