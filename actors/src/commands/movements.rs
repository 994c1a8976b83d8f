//! Deposits, withdrawals and transfers.

use serde::{Deserialize, Serialize};

use super::plan::{Known, Part, PlanInput, States, Stop, external, known};
use super::rules::{Acceptance, CallerNotes, CommandRules, Makes};
use crate::entities::{Kind, MoneyStep};
use crate::words::{Amount, Currency, EntityId, Metadata, Moving};

/// Brings money in from outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deposit {
    /// The target, which is credited.
    pub to: EntityId,
    /// The amount to move.
    pub amount: Amount,
    /// The currency. If it is given, it must be the entity's own.
    pub currency: Option<Currency>,
    /// The caller's reference.
    pub reference: Option<String>,
    /// The caller's metadata.
    pub metadata: Metadata,
}

/// Sends money out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Withdraw {
    /// The source, which is debited.
    pub from: EntityId,
    /// The amount to move.
    pub amount: Amount,
    /// The currency. If it is given, it must be the entity's own.
    pub currency: Option<Currency>,
    /// The caller's reference.
    pub reference: Option<String>,
    /// The caller's metadata.
    pub metadata: Metadata,
}

/// Moves money between two entities immediately.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    /// The source, which is debited.
    pub from: EntityId,
    /// The target, which is credited.
    pub to: EntityId,
    /// The amount to move.
    pub amount: Amount,
    /// The currency. If it is given, it must be that of both entities.
    pub currency: Option<Currency>,
    /// The caller's reference.
    pub reference: Option<String>,
    /// The caller's metadata.
    pub metadata: Metadata,
}

impl CommandRules for Deposit {
    fn subject(&self) -> Option<EntityId> {
        Some(self.to)
    }

    fn plan(&self, _: PlanInput, states: &mut dyn States) -> Result<Vec<Part>, Stop> {
        let (kind, own) = known(states, self.to)?;
        let currency = self.currency.unwrap_or(own);
        let external = external(states, own, self.to)?;
        Ok(vec![
            Part::money(external, Kind::External, MoneyStep::Debit(self.amount, own)),
            Part::money(self.to, kind, MoneyStep::Credit(self.amount, currency)),
        ])
    }

    fn moving(&self, known: &dyn Known) -> Option<Moving> {
        moving(self.to, self.amount, self.currency, known)
    }

    fn acceptance(&self) -> Acceptance {
        Acceptance::Checked
    }

    fn notes(&self) -> CallerNotes<'_> {
        (self.reference.as_deref(), Some(&self.metadata))
    }

    fn currency_mut(&mut self) -> Option<&mut Option<Currency>> {
        Some(&mut self.currency)
    }
}

impl CommandRules for Withdraw {
    fn subject(&self) -> Option<EntityId> {
        Some(self.from)
    }

    fn plan(&self, _: PlanInput, states: &mut dyn States) -> Result<Vec<Part>, Stop> {
        let (kind, own) = known(states, self.from)?;
        let currency = self.currency.unwrap_or(own);
        let external = external(states, own, self.from)?;
        Ok(vec![
            Part::money(self.from, kind, MoneyStep::Debit(self.amount, currency)),
            Part::money(
                external,
                Kind::External,
                MoneyStep::Credit(self.amount, own),
            ),
        ])
    }

    fn moving(&self, known: &dyn Known) -> Option<Moving> {
        moving(self.from, self.amount, self.currency, known)
    }

    fn acceptance(&self) -> Acceptance {
        Acceptance::Checked
    }

    fn notes(&self) -> CallerNotes<'_> {
        (self.reference.as_deref(), Some(&self.metadata))
    }

    fn currency_mut(&mut self) -> Option<&mut Option<Currency>> {
        Some(&mut self.currency)
    }
}

impl CommandRules for Transfer {
    fn subject(&self) -> Option<EntityId> {
        Some(self.from)
    }

    fn plan(&self, _: PlanInput, states: &mut dyn States) -> Result<Vec<Part>, Stop> {
        let (from_kind, own) = known(states, self.from)?;
        let (to_kind, _) = known(states, self.to)?;
        let currency = self.currency.unwrap_or(own);
        Ok(vec![
            Part::money(
                self.from,
                from_kind,
                MoneyStep::Debit(self.amount, currency),
            ),
            Part::money(self.to, to_kind, MoneyStep::Credit(self.amount, currency)),
        ])
    }

    fn moving(&self, known: &dyn Known) -> Option<Moving> {
        moving(self.from, self.amount, self.currency, known)
    }

    fn ends(&self, _: Option<usize>) -> Option<(EntityId, EntityId)> {
        Some((self.from, self.to))
    }

    fn prefetched(&self) -> [Option<EntityId>; 2] {
        [Some(self.from), Some(self.to)]
    }

    fn acceptance(&self) -> Acceptance {
        Acceptance::Checked
    }

    fn makes(&self) -> Makes {
        Makes::Transfer
    }

    fn notes(&self) -> CallerNotes<'_> {
        (self.reference.as_deref(), Some(&self.metadata))
    }

    fn currency_mut(&mut self) -> Option<&mut Option<Currency>> {
        Some(&mut self.currency)
    }
}

/// Returns the amount that a movement would move, in the named currency or else the entity's own.
pub(super) fn moving(
    entity: EntityId,
    amount: Amount,
    named: Option<Currency>,
    known: &dyn Known,
) -> Option<Moving> {
    let currency = named.or_else(|| known.currency(entity))?;
    Some(Moving { amount, currency })
}
