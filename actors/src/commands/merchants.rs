//! The commands of merchants.

use serde::{Deserialize, Serialize};

use super::answer::Shown;
use super::plan::{After, Part, PlanInput, States, Stop, known_as};
use super::rules::CommandRules;
use crate::entities::{Kind, Merchant, MerchantOpened, MerchantStep, Registered, Step, Viewed};
use crate::words::{Currency, EntityId, Personal};

/// Opens a merchant under an id that the caller of the core has generated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenMerchant {
    /// The merchant's name, 1–255 characters.
    pub name: Personal,
    /// The merchant's e-mail address, at most 254 bytes.
    pub email: Personal,
    /// The merchant's only currency.
    pub currency: Currency,
}

/// Erases the name and the e-mail address of a merchant; everything else stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EraseMerchant {
    /// The merchant.
    pub merchant: EntityId,
}

impl CommandRules for OpenMerchant {
    fn subject(&self) -> Option<EntityId> {
        None
    }

    fn plan(&self, input: PlanInput, _: &mut dyn States) -> Result<Vec<Part>, Stop> {
        let opened = MerchantOpened {
            name: self.name.clone(),
            email: self.email.clone(),
            currency: self.currency,
        };
        Ok(vec![Part {
            entity: input.subject,
            step: Step::Merchant(MerchantStep::Open(Box::new(opened))),
        }])
    }

    fn shown(&self, input: PlanInput, after: &dyn After) -> Option<Shown> {
        merchant(input.subject, after)
    }

    fn personal(&self) -> Vec<&Personal> {
        vec![&self.name, &self.email]
    }

    fn personal_names(&self) -> &'static [&'static str] {
        &["name", "email"]
    }

    fn personal_mut(&mut self) -> Vec<&mut Personal> {
        vec![&mut self.name, &mut self.email]
    }
}

impl CommandRules for EraseMerchant {
    fn subject(&self) -> Option<EntityId> {
        Some(self.merchant)
    }

    fn plan(&self, _: PlanInput, states: &mut dyn States) -> Result<Vec<Part>, Stop> {
        known_as(states, self.merchant, Kind::Merchant)?;
        Ok(vec![Part {
            entity: self.merchant,
            step: Step::Merchant(MerchantStep::Erase),
        }])
    }

    fn shown(&self, _: PlanInput, after: &dyn After) -> Option<Shown> {
        merchant(self.merchant, after)
    }
}

fn merchant(entity: EntityId, after: &dyn After) -> Option<Shown> {
    let (state, version) = after.state(entity)?;
    let merchant = Merchant::of(state)?;
    Some(Shown::Merchant(merchant.view(entity, version)))
}
