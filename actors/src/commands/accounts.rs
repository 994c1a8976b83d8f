//! The commands of accounts.

use serde::{Deserialize, Serialize};

use super::answer::Shown;
use super::plan::{After, Lookup, Part, PlanInput, States, Stop, known_as};
use super::rules::{CallerNotes, CommandRules};
use crate::entities::{
    AccountStatus, AccountStep, Kind, Numbering, NumberingStep, Opened, State, Step, Viewed,
};
use crate::words::{Country, Currency, EntityId, Metadata, Overdraft, Personal};

/// Opens an account under an id that the caller of the core has generated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenAccount {
    /// The holder's name, 1–255 characters.
    pub holder: Personal,
    /// The holder's country.
    pub country: Country,
    /// The account's only currency.
    pub currency: Currency,
    /// The overdraft limit.
    pub overdraft: Overdraft,
    /// The caller's reference.
    pub reference: Option<String>,
    /// The caller's metadata.
    pub metadata: Metadata,
}

/// Changes the properties that are given and leaves the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpdateAccount {
    /// The account.
    pub account: EntityId,
    /// The new status: `Active` or `Frozen`. It is never `Deleted`, because deletion is a command
    /// of its own.
    pub status: Option<AccountStatus>,
    /// The new overdraft limit. It may be lower than the amount that the account already owes.
    pub overdraft: Option<Overdraft>,
}

/// Deletes an account, which must have no holds and a balance of zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeleteAccount {
    /// The account.
    pub account: EntityId,
}

/// Erases the holder's name of an account of any status; everything else stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EraseAccount {
    /// The account.
    pub account: EntityId,
}

impl CommandRules for OpenAccount {
    fn subject(&self) -> Option<EntityId> {
        None
    }

    fn plan(&self, input: PlanInput, states: &mut dyn States) -> Result<Vec<Part>, Stop> {
        let shard = input.subject.shard();
        let counter = Kind::Numbering.system_id(None, shard);
        let counted = match states.look(counter) {
            Lookup::Unloaded => return Err(Stop::Load(counter)),
            Lookup::Here(State::Numbering(counted)) => Some(counted),
            Lookup::Absent | Lookup::Here(_) => None,
        };
        let number = Numbering::number(Numbering::next(counted), shard);
        let opened = Opened {
            number,
            holder: self.holder.clone(),
            country: self.country,
            currency: self.currency,
            overdraft: self.overdraft,
            reference: self.reference.clone(),
            metadata: self.metadata.clone(),
        };
        Ok(vec![
            Part {
                entity: counter,
                step: Step::Numbering(NumberingStep::Issue),
            },
            Part {
                entity: input.subject,
                step: Step::Account(AccountStep::Open(Box::new(opened))),
            },
        ])
    }

    fn notes(&self) -> CallerNotes<'_> {
        (self.reference.as_deref(), Some(&self.metadata))
    }

    fn personal(&self) -> Vec<&Personal> {
        vec![&self.holder]
    }

    fn personal_names(&self) -> &'static [&'static str] {
        &["holder_name"]
    }

    fn personal_mut(&mut self) -> Vec<&mut Personal> {
        vec![&mut self.holder]
    }
}

impl CommandRules for UpdateAccount {
    fn subject(&self) -> Option<EntityId> {
        Some(self.account)
    }

    fn plan(&self, _: PlanInput, states: &mut dyn States) -> Result<Vec<Part>, Stop> {
        let step = AccountStep::Update(self.status, self.overdraft);
        part(self.account, step, states)
    }

    fn shown(&self, _: PlanInput, after: &dyn After) -> Option<Shown> {
        account(self.account, after)
    }
}

impl CommandRules for DeleteAccount {
    fn subject(&self) -> Option<EntityId> {
        Some(self.account)
    }

    fn plan(&self, _: PlanInput, states: &mut dyn States) -> Result<Vec<Part>, Stop> {
        part(self.account, AccountStep::Delete, states)
    }

    fn shown(&self, _: PlanInput, after: &dyn After) -> Option<Shown> {
        account(self.account, after)
    }
}

impl CommandRules for EraseAccount {
    fn subject(&self) -> Option<EntityId> {
        Some(self.account)
    }

    fn plan(&self, _: PlanInput, states: &mut dyn States) -> Result<Vec<Part>, Stop> {
        part(self.account, AccountStep::Erase, states)
    }

    fn shown(&self, _: PlanInput, after: &dyn After) -> Option<Shown> {
        account(self.account, after)
    }
}

/// Returns the one part of a command on an existing account.
fn part(entity: EntityId, step: AccountStep, states: &mut dyn States) -> Result<Vec<Part>, Stop> {
    known_as(states, entity, Kind::Account)?;
    let step = Step::Account(step);
    Ok(vec![Part { entity, step }])
}

fn account(entity: EntityId, after: &dyn After) -> Option<Shown> {
    match after.state(entity)? {
        (State::Account(account), version) => Some(Shown::Account(account.view(entity, version))),
        _ => None,
    }
}
