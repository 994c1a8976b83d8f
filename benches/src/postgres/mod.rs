//! What a user would run instead: the same transfers on PostgreSQL, behind a thin HTTP service and
//! under pgbench, on a private server that a run starts and removes.

mod baseline;
mod cluster;
mod pgbench;
mod service;

pub use self::baseline::Baseline;
pub use self::pgbench::PgBench;
pub use self::service::serve;
