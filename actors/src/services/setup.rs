//! What services are started with, and what a started service consists of.

use std::fmt;
use std::sync::Arc;

use florin_storage::Disk;

use super::card::CardService;
use crate::bus::{Bindings, Consumer};
use crate::runtime::Core;
use crate::words::Assets;

/// The parts of the process, and the settings, with which a service is started.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// The data folder.
    pub disk: &'a Arc<dyn Disk>,
    /// The process's own ledger.
    pub core: &'a Core,
    /// The known assets.
    pub assets: &'a Assets,
    /// The topics of each event type.
    pub bindings: &'a Bindings,
    /// The consumer group; empty for the service's own.
    pub group: &'a str,
    /// The topic of account events that the card service follows.
    pub account_topic: &'a str,
    /// True if commands are taken from topics.
    pub takes_commands: bool,
    /// True if other processes may run the same service with journals of their own.
    pub has_other_instances: bool,
    /// True if events are logged as the source documents show it.
    pub logs_documents: bool,
}

impl<'a> Setup<'a> {
    /// Returns the consumer group, which is `own` if the settings name no other.
    pub(super) const fn group_or(&self, own: &'static str) -> &'a str {
        if self.group.is_empty() {
            own
        } else {
            self.group
        }
    }
}

/// A started service.
#[derive(Default)]
pub struct Started {
    /// The consumers of the service.
    pub consumers: Vec<Arc<dyn Consumer>>,
    /// The card service's part of a request, if this is the card service.
    pub card: Option<CardService>,
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started")
            .field("consumers", &self.consumers.len())
            .finish_non_exhaustive()
    }
}
