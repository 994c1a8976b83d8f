//! The commands of wallets.

use serde::{Deserialize, Serialize};

use super::answer::Shown;
use super::plan::{After, Part, PlanInput, States, Stop, known_as};
use super::rules::CommandRules;
use crate::entities::{AccountStatus, Kind, State, Step, Viewed, WalletOpened, WalletStep};
use crate::words::{Currency, EntityId, Overdraft, WalletLimits, WalletLimitsChange};

/// Opens a wallet under an id that the caller of the core has generated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenWallet {
    /// The customer who owns the wallet. The core does not check that the customer exists.
    pub customer: EntityId,
    /// A label, 1–255 characters. It must not contain personal values, because it is stored
    /// unsealed and can't be erased.
    pub name: Option<String>,
    /// The wallet's only currency.
    pub currency: Currency,
    /// The overdraft limit.
    pub overdraft: Overdraft,
    /// The wallet's limits: per transaction, per UTC day, and on its balance.
    pub limits: WalletLimits,
}

/// Changes the properties that are given and leaves the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpdateWallet {
    /// The wallet.
    pub wallet: EntityId,
    /// The new status: `Active` or `Frozen`.
    pub status: Option<AccountStatus>,
    /// The new overdraft limit. It may be lower than the amount that the wallet already owes.
    pub overdraft: Option<Overdraft>,
    /// The change of each limit.
    pub limits: WalletLimitsChange,
}

impl CommandRules for OpenWallet {
    fn subject(&self) -> Option<EntityId> {
        None
    }

    fn plan(&self, input: PlanInput, _: &mut dyn States) -> Result<Vec<Part>, Stop> {
        let opened = WalletOpened {
            customer: self.customer,
            name: self.name.clone(),
            currency: self.currency,
            overdraft: self.overdraft,
            limits: self.limits,
        };
        Ok(vec![Part {
            entity: input.subject,
            step: Step::Wallet(WalletStep::Open(Box::new(opened))),
        }])
    }

    fn shown(&self, input: PlanInput, after: &dyn After) -> Option<Shown> {
        wallet(input.subject, after)
    }
}

impl CommandRules for UpdateWallet {
    fn subject(&self) -> Option<EntityId> {
        Some(self.wallet)
    }

    fn plan(&self, _: PlanInput, states: &mut dyn States) -> Result<Vec<Part>, Stop> {
        known_as(states, self.wallet, Kind::Wallet)?;
        let step = WalletStep::Update(self.status, self.overdraft, self.limits);
        Ok(vec![Part {
            entity: self.wallet,
            step: Step::Wallet(step),
        }])
    }

    fn shown(&self, _: PlanInput, after: &dyn After) -> Option<Shown> {
        wallet(self.wallet, after)
    }
}

fn wallet(entity: EntityId, after: &dyn After) -> Option<Shown> {
    match after.state(entity)? {
        (State::Wallet(wallet), version) => Some(Shown::Wallet(wallet.view(entity, version))),
        _ => None,
    }
}
