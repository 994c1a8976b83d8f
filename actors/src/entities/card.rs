//! A card of an account. Whether the account may have one, its events tell: the command carries what
//! they told when it came.

use serde::{Deserialize, Serialize};

use super::balance::no_such;
use super::{Entity, Stamp, Step};
use crate::messages::{
    AccountStatus, CardEvent, CardOpened, CardView, Code, EntityId, OpenCard, Rejection, Timestamp,
};

/// A card's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    opened: CardOpened,
    deleted: bool,
    created_at: Timestamp,
}

impl Card {
    /// The card as its owner sees it.
    pub const fn view(&self, id: EntityId, version: u64) -> CardView {
        CardView {
            id,
            opened: self.opened,
            deleted: self.deleted,
            version,
            created_at: self.created_at,
        }
    }

    /// Whose it is.
    pub const fn account(&self) -> EntityId {
        self.opened.account
    }

    fn open(command: &OpenCard, number: u32) -> Result<Vec<CardEvent>, Rejection> {
        may_have_one(command.told)?;
        Ok(vec![CardEvent::Opened(CardOpened {
            account: command.account,
            country: command.country,
            number,
        })])
    }
}

/// Whether an account of which this is told may have a further card.
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

    fn decide(
        state: Option<&Self>,
        step: &Step,
        _: Timestamp,
    ) -> Result<Vec<CardEvent>, Rejection> {
        match (state, step) {
            (None, Step::OpenCard(command, number)) => Self::open(command, *number),
            (Some(card), Step::DeleteCard(_)) if card.deleted => Ok(Vec::new()),
            (Some(_), Step::DeleteCard(_)) => Ok(vec![CardEvent::Deleted]),
            (None, Step::DeleteCard(Some(copy))) => {
                Ok(vec![CardEvent::Adopted(**copy), CardEvent::Deleted])
            }
            _ => Err(no_such("card")),
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
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::CardCopy;

    const NOW: Timestamp = Timestamp::from_micros(7);

    fn stamp() -> Stamp {
        Stamp {
            sequence: 3,
            time: NOW,
        }
    }

    fn opening(told: Option<AccountStatus>) -> Step {
        let open = OpenCard {
            account: EntityId::from_parts(1, 2, 3),
            country: "US".parse().unwrap(),
            draw: 9,
            told,
        };
        Step::OpenCard(open, 0x7c9e_6679)
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
        let delete = Step::DeleteCard(None);
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
        let delete = Step::DeleteCard(Some(Box::new(copy)));
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
