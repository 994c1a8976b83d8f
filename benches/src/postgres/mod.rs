//! A comparison with PostgreSQL, which a user could run instead: the same transfers behind a thin
//! HTTP service and under pgbench, on a private server that a run starts and removes.

mod baseline;
mod cluster;
mod pgbench;
mod service;

pub use self::baseline::Baseline;
pub use self::pgbench::PgBench;
pub use self::service::serve;
