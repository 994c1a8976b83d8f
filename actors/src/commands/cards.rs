//! The commands of cards.

use serde::{Deserialize, Serialize};

use super::answer::Shown;
use super::plan::{After, Lookup, Part, PlanInput, States, Stop};
use super::rules::CommandRules;
use crate::entities::card::may_have_one;
use crate::entities::{
    AccountStatus, CardCopy, CardNumberStep, CardOpened, CardStep, State, Step, Viewed, card_number,
};
use crate::words::{Code, Country, EntityId, PersonalRow, Rejection};

/// Makes a card for an account. Whether it may be made depends on the account's status as the card
/// service knows it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OpenCard {
    /// The account.
    pub account: EntityId,
    /// The country that the card is for.
    pub country: Country,
    /// The random draw for the card's number. If that number is taken, further draws are derived
    /// from it.
    pub draw: u32,
    /// The account's status according to the account events received before the command. `None`: no
    /// event of the account was received.
    pub told: Option<AccountStatus>,
}

/// Deletes a card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeleteCard {
    /// The card.
    pub card: EntityId,
    /// The card according to its events, if another instance of the card service made it.
    pub copy: Option<Box<CardCopy>>,
}

impl CommandRules for OpenCard {
    fn subject(&self) -> Option<EntityId> {
        None
    }

    fn plan(&self, input: PlanInput, states: &mut dyn States) -> Result<Vec<Part>, Stop> {
        // It is checked first, so that no number is searched for a card that is refused.
        may_have_one(self.told).map_err(|rejection| Stop::Refuse(rejection.about(self.account)))?;
        let number = free_number(states, self.draw, input.subject.shard())?;
        let opened = CardOpened {
            account: self.account,
            country: self.country,
            number,
        };
        let told = self.told;
        Ok(vec![
            Part {
                entity: card_number::entity(number),
                step: Step::CardNumber(CardNumberStep::Take(input.subject)),
            },
            Part {
                entity: input.subject,
                step: Step::Card(CardStep::Open { opened, told }),
            },
        ])
    }

    fn shown(&self, input: PlanInput, after: &dyn After) -> Option<Shown> {
        card(input.subject, after)
    }

    /// The account's status and the draw are not part of the request.
    fn is_same_request(&self, recorded: &Self, _: Option<&PersonalRow>) -> bool {
        (recorded.account, recorded.country) == (self.account, self.country)
    }
}

impl CommandRules for DeleteCard {
    fn subject(&self) -> Option<EntityId> {
        Some(self.card)
    }

    fn plan(&self, _: PlanInput, states: &mut dyn States) -> Result<Vec<Part>, Stop> {
        if let Lookup::Unloaded = states.look(self.card) {
            return Err(Stop::Load(self.card));
        }
        Ok(vec![Part {
            entity: self.card,
            step: Step::Card(CardStep::Delete(self.copy.clone())),
        }])
    }

    fn shown(&self, _: PlanInput, after: &dyn After) -> Option<Shown> {
        card(self.card, after)
    }

    /// The copy of the card is not part of the request.
    fn is_same_request(&self, recorded: &Self, _: Option<&PersonalRow>) -> bool {
        recorded.card == self.card
    }
}

/// Returns a card number that no card has.
fn free_number(states: &mut dyn States, draw: u32, shard: u8) -> Result<u32, Stop> {
    for number in card_number::draws(draw, shard) {
        let entity = card_number::entity(number);
        match states.look(entity) {
            Lookup::Unloaded => return Err(Stop::Load(entity)),
            Lookup::Absent => return Ok(number),
            Lookup::Here(_) => {}
        }
    }
    let detail = "no card number is free: too many are taken";
    Err(Stop::Refuse(Rejection::new(Code::LimitExceeded, detail)))
}

fn card(entity: EntityId, after: &dyn After) -> Option<Shown> {
    match after.state(entity)? {
        (State::Card(card), version) => Some(Shown::Card(card.view(entity, version))),
        _ => None,
    }
}
