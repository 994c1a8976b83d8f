//! Blocking work that must not run on the ledger arbiter, namely reading the disk.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

/// Runs blocking work: on the threads of a runtime beside the arbiter or, in a simulation, on this
/// thread.
#[derive(Clone)]
pub enum Beside {
    /// The work runs on the blocking threads of this runtime.
    Runtime(Handle),
    /// The work runs on this thread, after the delay that the function returns.
    Simulated(Arc<dyn Fn() -> Duration + Send + Sync>),
}

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Runtime(_) => "Runtime",
            Self::Simulated(_) => "Simulated",
        })
    }
}

impl Beside {
    /// Runs `work` and returns its result, or `None` if it panicked or the runtime is gone.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        match self {
            Self::Runtime(handle) => handle.spawn_blocking(work).await.ok(),
            Self::Simulated(delay) => {
                let delay = delay();
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                Some(work())
            }
        }
    }
}
