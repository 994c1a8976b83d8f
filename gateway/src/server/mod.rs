//! The server: one listener, connections distributed over lanes, and a stop in bounded time.

mod accept;
mod census;
mod connection;
pub mod descriptors;
mod gate;
mod lane;
pub mod talk;
mod vigil;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use florin_config::Settings;
use florin_storage::threads::ThreadName;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::routing::Gateway;
use census::Census;

/// The most connections that the system keeps until they are accepted.
const BACKLOG: u32 = 4_096;
/// The most connections on their way from the listener to one lane.
const UNDER_WAY_MAX: usize = 1_024;

/// The limits of connections.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The most connections that are open at the same time.
    pub connections_max: usize,
    /// The longest time that a request's head may take to arrive.
    pub head_read: Duration,
    /// The longest time that a connection may be idle.
    pub idle: Duration,
    /// The most bytes of an unread body that are discarded before a connection closes.
    pub drained_bytes_max: usize,
    /// The number of threads that carry connections. With 0, the ledger's own thread carries them.
    pub lanes: usize,
}

impl Bounds {
    /// Creates the limits from the settings, for a machine with `cores` cores. There are fewer
    /// connections if the process has too few file descriptors.
    pub fn new(settings: &Settings, cores: usize) -> Self {
        let gateway = &settings.gateway;
        Self {
            connections_max: descriptors::connections_max(gateway.connections_max),
            head_read: Duration::from_secs(gateway.header_read_seconds_max),
            idle: Duration::from_secs(gateway.keep_alive_idle_seconds_max),
            drained_bytes_max: gateway.body_bytes_drained_max,
            lanes: gateway.lanes.resolve(cores),
        }
    }
}

/// A listener that does not serve yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    bounds: Bounds,
}

/// A running server.
#[derive(Debug)]
pub struct Serving {
    gateway: Arc<Gateway>,
    census: Arc<Census>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Listens on `address`.
    ///
    /// # Errors
    /// Returns the system's error if the address can't be listened on.
    pub fn bind(address: SocketAddr, bounds: Bounds) -> io::Result<Self> {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Self {
            listener: socket.listen(BACKLOG)?,
            bounds,
        })
    }

    /// Returns the address on which the server listens.
    ///
    /// # Errors
    /// Returns the system's error if the address can't be read.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Starts to serve. Call it on the ledger's thread, inside its actix system.
    ///
    /// # Errors
    /// Returns an error if the system can't start a thread, or has no file descriptor for one.
    pub fn start(self, gateway: Arc<Gateway>) -> io::Result<Serving> {
        let census = Arc::new(Census::new(self.bounds.connections_max));
        let mut lanes = Vec::new();
        for _ in 0..self.bounds.lanes {
            let (sender, receiver) = mpsc::channel(UNDER_WAY_MAX);
            let (gateway, bounds) = (Arc::clone(&gateway), self.bounds);
            let spawner = gateway.core.upkeep().spawner.clone();
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let runtime = LaneRuntime(Some(runtime));
            spawner.start(ThreadName::Lane, move || {
                let Some(runtime) = &runtime.0 else { return };
                LocalSet::new().block_on(runtime, async {
                    gateway.core.enter_lane();
                    lane::run(receiver, gateway, bounds).await;
                    // Open connections continue after the last one has arrived. They end with the
                    // process.
                    std::future::pending::<()>().await;
                });
            })?;
            lanes.push(sender);
        }
        if lanes.is_empty() {
            let (sender, receiver) = mpsc::channel(UNDER_WAY_MAX);
            actix_rt::spawn(lane::run(receiver, Arc::clone(&gateway), self.bounds));
            lanes.push(sender);
        }
        let accepting = accept::run(self.listener, lanes, Arc::clone(&census));
        Ok(Serving {
            gateway,
            census,
            accepting: actix_rt::spawn(accepting),
        })
    }
}

/// A lane's runtime. If its thread can't be started, the runtime is dropped on the ledger's thread,
/// inside another runtime. Waiting for its end is not allowed there, so it is shut down in the
/// background.
struct LaneRuntime(Option<Runtime>);

impl Drop for LaneRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Serving {
    /// Waits until connections are no longer accepted although no stop was requested, and returns
    /// the reason.
    pub async fn failed(&mut self) -> String {
        match (&mut self.accepting).await {
            Ok(()) => "a lane accepts no more connections".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    /// Stops accepting connections, closes idle ones, lets each other connection end after its
    /// current answer, and waits until all have ended, but at most for `limit`.
    pub async fn stop(self, limit: Duration) {
        self.accepting.abort();
        self.gateway.stop();
        if tokio::time::timeout(limit, self.census.empty())
            .await
            .is_err()
        {
            tracing::warn!(
                connections = self.census.open(),
                "connections were closed because they did not end in time"
            );
        }
    }
}
