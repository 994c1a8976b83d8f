//! The parts of the machine that tests replace: the disk, the clocks, and faults.

use std::fmt;
use std::sync::Arc;

use florin_actors::runtime::{Clock, Intercept, SystemClock};
use florin_actors::upkeep::ThreadFaults;
use florin_config::Settings;
use florin_storage::Disk;

/// A function that opens the disk that a node runs on.
pub trait OpenDisk: FnOnce(&Settings) -> Result<Arc<dyn Disk>, florin_storage::Error> {}

impl<F: FnOnce(&Settings) -> Result<Arc<dyn Disk>, florin_storage::Error>> OpenDisk for F {}

/// The replacements for the machine's clocks and for faults of entities and threads, used by tests.
/// The default is the real machine without faults.
#[derive(Clone)]
pub struct Seams {
    /// The clocks of the machine.
    pub clock: Arc<dyn Clock>,
    /// A hook that can make entities fail.
    pub intercept: Arc<dyn Intercept>,
    /// A hook that can make threads fail.
    pub threads: Arc<dyn ThreadFaults>,
}

impl fmt::Debug for Seams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seams").finish_non_exhaustive()
    }
}

impl Default for Seams {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            intercept: Arc::new(()),
            threads: Arc::new(()),
        }
    }
}
