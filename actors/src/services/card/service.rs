//! What requests about cards are made of: commands to the own journal, and cards of all instances.

use std::sync::Arc;

use super::{AccountCache, AllCards};
use crate::messages::{CardCopy, CardView, Command, Country, DeleteCard, EntityId, OpenCard};
use crate::runtime::{Core, Page, Unavailable};

/// How often a number is drawn that no other instance's card has.
const DRAWS_MAX: usize = 16;

/// The card service of this process.
#[derive(Debug)]
pub struct CardService {
    core: Core,
    accounts: Arc<AccountCache>,
    /// Where there may be other instances.
    all: Option<Arc<AllCards>>,
}

impl CardService {
    /// The service on its journal. `all` follows the cards of every instance, where there may be
    /// others.
    pub const fn new(core: Core, accounts: Arc<AccountCache>, all: Option<Arc<AllCards>>) -> Self {
        Self {
            core,
            accounts,
            all,
        }
    }

    /// The command that makes a card for an account: with what is known of the account now.
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

    /// The command that deletes a card, whichever instance made it.
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

    /// A card. `None`: no instance made it, as far as is known here.
    ///
    /// # Errors
    /// It can't be read now.
    pub async fn card(&self, id: EntityId) -> Result<Option<CardView>, Unavailable> {
        let own = self.core.card(id).await?;
        let told = self.all.as_ref().and_then(|all| all.card(id));
        Ok(own.map(|own| merged(own, told)).or(told))
    }

    /// A page of an account's cards, in the order of their ids: all that this instance made and that
    /// were durable when the call came, and those of the others as far as their events came.
    ///
    /// # Errors
    /// The views can't be read, or didn't get there in time.
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

/// A card of the own journal that another instance may have deleted.
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
