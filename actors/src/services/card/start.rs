//! The start of the card service.

use std::sync::Arc;

use florin_storage::ViewError;

use super::{AccountCache, AllCards, CardService};
use crate::bus::{Bindings, Consumer};
use crate::events::EventType;
use crate::services::{Setup, Started};

/// Starts the card service. Its consumers, in `group`, follow the events of accounts, and the events
/// of cards if there may be other instances, each with a journal of its own.
///
/// # Errors
/// Returns an error if a file can't be opened.
pub fn start(setup: &Setup<'_>, group: &str) -> Result<Started, ViewError> {
    let (disk, upkeep) = (setup.disk, setup.core.upkeep());
    let accounts = AccountCache::open(disk, setup.account_topic, group, upkeep)?;
    let accounts = Arc::new(accounts.logging_events(setup.logs_documents));
    let mut consumers = vec![Arc::clone(&accounts) as Arc<dyn Consumer>];
    let mut all = None;
    if setup.has_other_instances {
        let cards = AllCards::open(disk, card_topics(setup.bindings), group, upkeep)?;
        let cards = Arc::new(cards);
        consumers.push(Arc::clone(&cards) as Arc<dyn Consumer>);
        all = Some(cards);
    }
    let card = Some(CardService::new(setup.core.clone(), accounts, all));
    Ok(Started { consumers, card })
}

/// Returns the topics of cards' events, each once.
fn card_topics(bindings: &Bindings) -> Vec<String> {
    let types = [EventType::CardCreated, EventType::CardDeleted];
    let bound = types.iter().flat_map(|one| bindings.topics(*one));
    let mut topics: Vec<String> = bound.cloned().collect();
    topics.sort_unstable();
    topics.dedup();
    topics
}
