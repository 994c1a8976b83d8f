//! The card service's part of a request: it builds commands for its own journal, and reads the
//! cards of all instances.

use std::sync::Arc;

use super::{AccountCache, AllCards};
use crate::commands::{Command, DeleteCard, OpenCard};
use crate::entities::{CardCopy, CardView};
use crate::runtime::{Core, Page, Unavailable};
use crate::words::{Country, EntityId};

/// The maximum number of draws of a card number before a number is used that another instance's
/// card may have.
const DRAWS_MAX: usize = 16;

/// The card service of this process.
#[derive(Debug)]
pub struct CardService {
    core: Core,
    accounts: Arc<AccountCache>,
    /// The cards of all instances; `None` if there can be no other instances.
    all: Option<Arc<AllCards>>,
}

impl CardService {
    /// Creates the service on its journal. `all` follows the cards of every instance; it is `None`
    /// if there can be no other instances.
    pub const fn new(core: Core, accounts: Arc<AccountCache>, all: Option<Arc<AllCards>>) -> Self {
        Self {
            core,
            accounts,
            all,
        }
    }

    /// Returns the command that opens a card for an account. The command carries the account's
    /// status as it is known now.
    pub fn open(&self, account: EntityId, country: Country) -> Command {
        let is_free = |draw: &u32| {
            let all = self.all.as_ref();
            all.is_none_or(|all| !all.is_taken(*draw))
        };
        let mut draws = std::iter::repeat_with(|| self.core.card_draw()).take(DRAWS_MAX);
        let drawn = draws.find(is_free);
        Command::OpenCard(OpenCard {
            account,
            country,
            draw: drawn.unwrap_or_else(|| self.core.card_draw()),
            told: self.accounts.status(account),
        })
    }

    /// Returns a sentence that says why the known account statuses may be out of date; `None` if
    /// every account event was read.
    pub fn gap(&self) -> Option<String> {
        self.accounts.gap()
    }

    /// Returns the command that deletes a card, whichever instance created it.
    pub fn delete(&self, card: EntityId) -> Command {
        let known = self.all.as_ref().and_then(|all| all.card(card));
        let copy = known.map(|known| {
            Box::new(CardCopy {
                opened: known.opened,
                created_at: known.created_at,
            })
        });
        Command::DeleteCard(DeleteCard { card, copy })
    }

    /// Returns a card; `None` if no instance is known to have created it.
    ///
    /// # Errors
    /// Returns an error if the card can't be read now.
    pub async fn card(&self, id: EntityId) -> Result<Option<CardView>, Unavailable> {
        let own = self.core.card(id).await?;
        let told = self.all.as_ref().and_then(|all| all.card(id));
        Ok(own.map(|own| merged(own, told)).or(told))
    }

    /// Returns a page of an account's cards, in the order of their ids. The page contains all cards
    /// of this instance that were durable when the call started, and the cards of other instances
    /// whose events have arrived.
    ///
    /// # Errors
    /// Returns an error if the views can't be read, or did not catch up in time.
    pub async fn cards(
        &self,
        account: EntityId,
        after: Option<EntityId>,
        limit: usize,
    ) -> Result<Page<CardView, EntityId>, Unavailable> {
        let own = self.core.cards(account, after, limit + 1).await?.entries;
        let Some(all) = &self.all else {
            return Ok(page(own, limit));
        };
        let mut entries = all.of_account(account, after, limit + 1);
        for card in own {
            match entries.binary_search_by_key(&card.id, |known| known.id) {
                Ok(place) => entries[place] = merged(card, Some(entries[place])),
                Err(place) => entries.insert(place, card),
            }
        }
        Ok(page(entries, limit))
    }
}

/// Merges a card of this journal with the events about it: another instance may have deleted it.
fn merged(own: CardView, told: Option<CardView>) -> CardView {
    CardView {
        deleted: own.deleted || told.is_some_and(|told| told.deleted),
        ..own
    }
}

fn page(mut entries: Vec<CardView>, limit: usize) -> Page<CardView, EntityId> {
    let has_more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().map(|last| last.id).filter(|_| has_more);
    Page { entries, next }
}
