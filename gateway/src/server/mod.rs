//! The server: one listener, connections shared out among lanes, and an end in bounded time.

mod accept;
mod census;
mod connection;
mod descriptors;
mod lane;
pub mod talk;
mod vigil;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_rt::Arbiter;
use florin_config::Settings;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;

use crate::gateway::Gateway;
use census::Census;

/// Connections that the system may keep for us until we take them.
const BACKLOG: u32 = 4_096;
/// Connections on their way from the listener to a lane.
const UNDER_WAY_MAX: usize = 1_024;

/// The limits of connections.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Connections open at a time.
    pub connections_max: usize,
    /// How long a request's head may take.
    pub head_read: Duration,
    /// How long a connection may idle.
    pub idle: Duration,
    /// Bytes of an unread body that are thrown away before a connection closes.
    pub drained_bytes_max: usize,
    /// Threads that carry connections beside the ledger's; 0: the ledger's own does.
    pub lanes: usize,
}

impl Bounds {
    /// Takes them from the settings, on a machine with `cores` cores; fewer connections where the
    /// process has fewer file descriptors.
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

/// A listener, before it serves.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    bounds: Bounds,
}

/// A server at work.
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
    /// What the system says.
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

    /// Where it listens.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Starts to serve. To be called on the ledger's thread, inside its actix system.
    pub fn start(self, gateway: Arc<Gateway>) -> Serving {
        let census = Arc::new(Census::new(self.bounds.connections_max));
        let mut lanes = Vec::new();
        for _ in 0..self.bounds.lanes {
            let (sender, receiver) = mpsc::channel(UNDER_WAY_MAX);
            let (gateway, bounds) = (Arc::clone(&gateway), self.bounds);
            Arbiter::new().spawn_fn(move || {
                gateway.core.enter_lane();
                actix_rt::spawn(lane::run(receiver, gateway, bounds));
            });
            lanes.push(sender);
        }
        if lanes.is_empty() {
            let (sender, receiver) = mpsc::channel(UNDER_WAY_MAX);
            actix_rt::spawn(lane::run(receiver, Arc::clone(&gateway), self.bounds));
            lanes.push(sender);
        }
        let accepting = accept::run(self.listener, lanes, Arc::clone(&census));
        Serving {
            gateway,
            census,
            accepting: actix_rt::spawn(accepting),
        }
    }
}

impl Serving {
    /// Accepts nothing more, closes what idles, lets each connection end with its present answer,
    /// and waits until all have, at most `limit`.
    pub async fn stop(self, limit: Duration) {
        self.accepting.abort();
        self.gateway.stop();
        if tokio::time::timeout(limit, self.census.empty())
            .await
            .is_err()
        {
            tracing::warn!(
                connections = self.census.open(),
                "connections are cut off, they did not end in time"
            );
        }
    }
}
