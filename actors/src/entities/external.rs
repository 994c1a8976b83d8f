//! An external account: the world outside, one a currency and shard, the other end of every
//! deposit and withdrawal. It has no floor and no bound; its totals are running sums.

use serde::{Deserialize, Serialize};

use super::{Entity, Stamp, Step};
use crate::messages::{Code, Currency, ExternalEvent, Overdraft, Rejection, Timestamp};

/// What came in and went out, in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct External {
    currency: Currency,
    debits: u128,
    credits: u128,
}

impl External {
    /// What went out less what came in.
    pub const fn balance(&self) -> i128 {
        self.credits as i128 - self.debits as i128
    }

    /// Its currency.
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// All debits and all credits.
    pub const fn totals(&self) -> (u128, u128) {
        (self.debits, self.credits)
    }
}

impl Entity for External {
    type Event = ExternalEvent;

    fn decide(
        state: Option<&Self>,
        step: &Step,
        _: Timestamp,
    ) -> Result<Vec<ExternalEvent>, Rejection> {
        let (event, currency) = match step {
            Step::Debit(amount, currency) => (ExternalEvent::Debited(*amount), *currency),
            Step::Credit(amount, currency) => (ExternalEvent::Credited(*amount), *currency),
            _ => return Err(Rejection::new(Code::NotFound, "Account not found")),
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
