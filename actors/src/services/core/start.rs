//! The start of the core service.

use std::sync::Arc;

use florin_storage::ViewError;

use super::Commands;
use crate::bus::Consumer as _;
use crate::services::{Setup, Started};

/// Starts the core service. Its consumer takes commands from topics in `group`.
///
/// # Errors
/// Returns an error if a file can't be opened; the core service has none.
pub fn start(setup: &Setup<'_>, group: &str) -> Result<Started, ViewError> {
    let mut started = Started::default();
    if setup.takes_commands {
        let (core, assets) = (setup.core.clone(), setup.assets.clone());
        let commands = Commands::new(core, assets, group.to_owned(), setup.bindings);
        if !commands.topics().is_empty() {
            started.consumers.push(Arc::new(commands));
        }
    }
    Ok(started)
}
