//! Cards. Whether an account may have a card is decided by the account's status, which the command
//! carries. It is the status that the account's events had reported when the command arrived.

use serde::{Deserialize, Serialize};

use super::entity::{Entity, Fact, Stamp, Viewed};
use super::listing::{List, ListKey, ListRow};
use super::money::AccountStatus;
use crate::words::{Code, Country, EntityId, Rejection, Timestamp};

/// The facts recorded when a card is made. They never change.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CardOpened {
    /// The account that the card belongs to.
    pub account: EntityId,
    /// The country that the card is for.
    pub country: Country,
    /// The card's number without the country. It is shown as eight hexadecimal digits.
    pub number: u32,
}

impl CardOpened {
    /// Returns the card's number in its public form, e.g. `US-7c9e6679`.
    pub fn card_number(&self) -> String {
        format!("{}-{:08x}", self.country.code(), self.number)
    }
}

/// A card that another instance of the card service made, according to the card's events.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CardCopy {
    /// The facts recorded when the card was made.
    pub opened: CardOpened,
    /// The time at which the card was made.
    pub created_at: Timestamp,
}

/// An event of a card.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum CardEvent {
    /// The card was made.
    Opened(CardOpened),
    /// The card was made by another instance and was changed here for the first time.
    Adopted(CardCopy),
    /// The card was deleted.
    Deleted,
}

impl Fact for CardEvent {}

/// A step that only a card takes.
#[derive(Debug, Clone, PartialEq)]
pub enum CardStep {
    /// Open the card. `told` is the status that the account's events had reported when the command
    /// arrived; `None` if none had arrived.
    Open {
        /// The facts recorded with the card.
        opened: CardOpened,
        /// The account's reported status.
        told: Option<AccountStatus>,
    },
    /// Delete the card. The copy describes a card that another instance of the service made.
    Delete(Option<Box<CardCopy>>),
}

/// A card as its owner sees it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CardView {
    /// The card.
    pub id: EntityId,
    /// The facts recorded when the card was made.
    pub opened: CardOpened,
    /// Whether it was deleted.
    pub deleted: bool,
    /// The card's version.
    pub version: u64,
    /// The time at which it was made.
    pub created_at: Timestamp,
}

/// A card's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    opened: CardOpened,
    deleted: bool,
    created_at: Timestamp,
}

impl Viewed for Card {
    type View = CardView;

    fn view(&self, id: EntityId, version: u64) -> CardView {
        CardView {
            id,
            opened: self.opened,
            deleted: self.deleted,
            version,
            created_at: self.created_at,
        }
    }
}

impl Card {
    /// Returns the row of a card in the list of an account's cards.
    pub fn row(account: EntityId) -> ListRow {
        ListRow::new(List::CardsByAccount).by(ListKey::Id(account))
    }
}

/// Checks that an account with the reported status may have another card. `None` means that no
/// event of the account was received.
pub fn may_have_one(told: Option<AccountStatus>) -> Result<(), Rejection> {
    let (code, detail) = match told {
        Some(AccountStatus::Active) => return Ok(()),
        None => (Code::NotFound, "account not found"),
        Some(AccountStatus::Deleted) => (
            Code::AccountDeleted,
            "cannot create card for deleted account",
        ),
        Some(AccountStatus::Frozen) => {
            (Code::AccountFrozen, "cannot create card for frozen account")
        }
    };
    Err(Rejection::new(code, detail))
}

impl Entity for Card {
    type Event = CardEvent;
    type Step = CardStep;

    const NAME: &'static str = "card";
    const NOT_FOUND: &'static str = "Card not found";

    fn decide(
        state: Option<&Self>,
        step: &CardStep,
        _: Timestamp,
    ) -> Result<Vec<CardEvent>, Rejection> {
        match (state, step) {
            (None, CardStep::Open { opened, told }) => {
                may_have_one(*told)?;
                Ok(vec![CardEvent::Opened(*opened)])
            }
            (Some(card), CardStep::Delete(_)) if card.deleted => Ok(Vec::new()),
            (Some(_), CardStep::Delete(_)) => Ok(vec![CardEvent::Deleted]),
            (None, CardStep::Delete(Some(copy))) => {
                Ok(vec![CardEvent::Adopted(**copy), CardEvent::Deleted])
            }
            (None, CardStep::Delete(None)) | (Some(_), CardStep::Open { .. }) => {
                Err(Self::not_found())
            }
        }
    }

    fn evolve(state: Option<Self>, event: &CardEvent, stamp: Stamp) -> Option<Self> {
        match (state, event) {
            (None, CardEvent::Opened(opened)) => Some(Self {
                opened: *opened,
                deleted: false,
                created_at: stamp.time,
            }),
            (None, CardEvent::Adopted(copy)) => Some(Self {
                opened: copy.opened,
                deleted: false,
                created_at: copy.created_at,
            }),
            (Some(card), CardEvent::Deleted) if !card.deleted => Some(Self {
                deleted: true,
                ..card
            }),
            (None, CardEvent::Deleted) | (Some(_), _) => None,
        }
    }

    fn rows(&self) -> Vec<ListRow> {
        vec![Self::row(self.opened.account)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(7);

    fn stamp() -> Stamp {
        Stamp {
            sequence: 3,
            time: NOW,
        }
    }

    fn opening(told: Option<AccountStatus>) -> CardStep {
        let opened = CardOpened {
            account: EntityId::from_parts(1, 2, 3),
            country: "US".parse().unwrap(),
            number: 0x7c9e_6679,
        };
        CardStep::Open { opened, told }
    }

    fn made() -> Card {
        let events = Card::decide(None, &opening(Some(AccountStatus::Active)), NOW).unwrap();
        Card::evolve(None, &events[0], stamp()).unwrap()
    }

    #[test]
    fn an_active_account_gets_a_card() {
        let view = made().view(EntityId::from_parts(4, 5, 6), 1);
        assert_eq!(view.opened.card_number(), "US-7c9e6679");
        assert_eq!((view.deleted, view.created_at), (false, NOW));
    }

    #[test]
    fn any_other_account_is_refused_in_the_documents_words() {
        let refusal = |told| {
            let refused = Card::decide(None, &opening(told), NOW).unwrap_err();
            (refused.code, refused.detail.into_owned())
        };
        let gone = "cannot create card for deleted account".to_owned();
        let frozen = "cannot create card for frozen account".to_owned();
        assert_eq!(
            refusal(None),
            (Code::NotFound, "account not found".to_owned())
        );
        assert_eq!(
            refusal(Some(AccountStatus::Deleted)),
            (Code::AccountDeleted, gone)
        );
        assert_eq!(
            refusal(Some(AccountStatus::Frozen)),
            (Code::AccountFrozen, frozen)
        );
    }

    #[test]
    fn a_card_is_deleted_once_and_then_nothing_changes() {
        let card = made();
        let delete = CardStep::Delete(None);
        let events = Card::decide(Some(&card), &delete, NOW).unwrap();
        assert_eq!(events, [CardEvent::Deleted]);
        let deleted = Card::evolve(Some(card), &events[0], stamp()).unwrap();
        assert!(deleted.view(EntityId::from_parts(1, 1, 1), 2).deleted);
        assert_eq!(Card::decide(Some(&deleted), &delete, NOW), Ok(vec![]));
        assert_eq!(
            Card::evolve(Some(deleted), &CardEvent::Deleted, stamp()),
            None
        );
        assert!(Card::decide(None, &delete, NOW).is_err());
    }

    #[test]
    fn a_card_made_elsewhere_can_be_deleted_here() {
        let copy = CardCopy {
            opened: made().opened,
            created_at: Timestamp::from_micros(1),
        };
        let delete = CardStep::Delete(Some(Box::new(copy)));
        let events = Card::decide(None, &delete, NOW).unwrap();
        let card = Card::evolve(None, &events[0], stamp()).unwrap();
        let card = Card::evolve(Some(card), &events[1], stamp()).unwrap();
        let view = card.view(EntityId::from_parts(1, 1, 1), 1);
        assert_eq!(
            (view.deleted, view.created_at),
            (true, Timestamp::from_micros(1))
        );
    }
}
