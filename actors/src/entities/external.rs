//! External accounts. An external account stands for the outside world and is the other end of
//! deposits and withdrawals. There is one per currency and shard. It has no floor and no bound; its
//! totals are running sums.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};

use super::entity::{Entity, Fact, Stamp};
use super::money::MoneyStep;
use crate::words::{Amount, Currency, Overdraft, Rejection, Timestamp};

/// An event of an external account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ExternalEvent {
    /// The external account was created by its first posting.
    Opened(Currency),
    /// Money came in from outside.
    Debited(Amount),
    /// Money went out.
    Credited(Amount),
}

impl Fact for ExternalEvent {
    fn moved(&self) -> i64 {
        match self {
            Self::Credited(amount) => amount.signed(),
            Self::Debited(amount) => -amount.signed(),
            Self::Opened(_) => 0,
        }
    }

    fn overdraft(&self) -> Option<Overdraft> {
        match self {
            Self::Opened(_) => Some(Overdraft::Unlimited),
            Self::Credited(_) | Self::Debited(_) => None,
        }
    }
}

/// The totals of one currency: debits are money that came in, credits are money that went out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct External {
    currency: Currency,
    debits: u128,
    credits: u128,
}

impl External {
    /// Returns the balance: the money that went out less the money that came in.
    pub const fn balance(&self) -> i128 {
        self.credits as i128 - self.debits as i128
    }

    /// Returns the account's currency.
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// Returns the total debits and the total credits.
    pub const fn totals(&self) -> (u128, u128) {
        (self.debits, self.credits)
    }
}

impl Entity for External {
    type Event = ExternalEvent;
    type Step = Infallible;

    const NAME: &'static str = "external";
    const NOT_FOUND: &'static str = "Account not found";

    fn decide(
        _: Option<&Self>,
        step: &Infallible,
        _: Timestamp,
    ) -> Result<Vec<ExternalEvent>, Rejection> {
        match *step {}
    }

    fn decide_money(
        state: Option<&Self>,
        step: &MoneyStep,
        _: Timestamp,
    ) -> Result<Vec<ExternalEvent>, Rejection> {
        let (event, currency) = match step {
            MoneyStep::Debit(amount, currency) => (ExternalEvent::Debited(*amount), *currency),
            MoneyStep::Credit(amount, currency) => (ExternalEvent::Credited(*amount), *currency),
            MoneyStep::Hold(..)
            | MoneyStep::Expect(_)
            | MoneyStep::PostHold { .. }
            | MoneyStep::ReleaseHold { .. } => return Err(Self::not_found()),
        };
        Ok(match state {
            None => vec![ExternalEvent::Opened(currency), event],
            Some(_) => vec![event],
        })
    }

    fn evolve(state: Option<Self>, event: &ExternalEvent, _: Stamp) -> Option<Self> {
        match (state, event) {
            (None, ExternalEvent::Opened(currency)) => Some(Self {
                currency: *currency,
                debits: 0,
                credits: 0,
            }),
            (Some(mut external), ExternalEvent::Debited(amount)) => {
                external.debits += u128::from(amount.get());
                Some(external)
            }
            (Some(mut external), ExternalEvent::Credited(amount)) => {
                external.credits += u128::from(amount.get());
                Some(external)
            }
            _ => None,
        }
    }

    fn posted(&self) -> Option<(Currency, i128, i64, Overdraft)> {
        Some((self.currency, self.balance(), 0, Overdraft::Unlimited))
    }
}
