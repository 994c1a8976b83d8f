//! The rules that all balances share: postings, holds and limits. They are the same for accounts
//! and wallets.

use serde::{Deserialize, Serialize};

use super::limits::Spending;
use super::money::{AccountStatus, Balances, MoneyEvent, MoneyStep};
use crate::words::{
    AMOUNT_MAX, Amount, Code, Currency, LimitName, Overdraft, Rejection, Timestamp,
};

/// The greatest absolute value of a balance.
const BALANCE_MAX: i64 = AMOUNT_MAX as i64;

/// An entity's money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// The posted balance, in minor units.
    pub posted: i64,
    /// The amount of the balance that pending transfers hold.
    pub held: i64,
    /// The overdraft limit.
    pub overdraft: Overdraft,
}

/// The properties of an entity that decide whether its money may move: status, currency and limits.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'e> {
    /// The entity's name in refusals, e.g. `account`.
    pub name: &'static str,
    /// The status, which says whether the entity may move money.
    pub status: AccountStatus,
    /// The entity's only currency.
    pub currency: Currency,
    /// The limits and the day's total, if the entity has limits.
    pub spending: Option<&'e Spending>,
}

impl Balance {
    /// Creates a balance of zero without holds.
    pub const fn new(overdraft: Overdraft) -> Self {
        Self {
            posted: 0,
            held: 0,
            overdraft,
        }
    }

    /// Returns the balances as a caller sees them, with the entity's version.
    pub const fn at_version(self, version: u64) -> Balances {
        Balances {
            balance: self.posted,
            held: self.held,
            overdraft: self.overdraft,
            version,
        }
    }

    /// Returns the event that a step would cause, or the refusal of the first rule that forbids it.
    /// The rules are checked in this order: deleted, frozen, currency, limits, funds, range of the
    /// balance. For a credit, the limit on the balance comes last.
    pub fn decide(
        &self,
        terms: Terms<'_>,
        step: &MoneyStep,
        now: Timestamp,
    ) -> Result<Vec<MoneyEvent>, Rejection> {
        let event = match *step {
            MoneyStep::Debit(amount, currency) => {
                self.may_take(terms, amount, currency, now)?;
                MoneyEvent::Debited(amount)
            }
            MoneyStep::Hold(amount, currency) => {
                self.may_take(terms, amount, currency, now)?;
                MoneyEvent::Held(amount)
            }
            MoneyStep::Credit(amount, currency) => {
                terms.not_deleted()?;
                terms.in_currency(currency)?;
                self.may_credit(amount)?;
                if let Some(spending) = terms.spending {
                    spending.may_gather(self.posted, amount)?;
                }
                MoneyEvent::Credited(amount)
            }
            MoneyStep::Expect(currency) => {
                terms.not_deleted()?;
                terms.in_currency(currency)?;
                return Ok(Vec::new());
            }
            MoneyStep::PostHold {
                amount,
                freed,
                held_at,
            } => {
                terms.not_deleted()?;
                terms.not_frozen()?;
                // The money was set aside, so funds and limits aren't checked again. Only the bound
                // of the balance may have come too near since then.
                if self.posted - amount.signed() < -BALANCE_MAX {
                    return Err(out_of_range(self.posted, -amount.signed()));
                }
                MoneyEvent::HoldPosted {
                    amount,
                    freed,
                    held_at,
                }
            }
            MoneyStep::ReleaseHold { amount, held_at } => {
                MoneyEvent::HoldReleased { amount, held_at }
            }
        };
        Ok(vec![event])
    }

    /// Returns the balance after one of its events.
    pub const fn evolve(mut self, event: &MoneyEvent) -> Self {
        match event {
            MoneyEvent::Debited(amount) => self.posted -= amount.signed(),
            MoneyEvent::Credited(amount) => self.posted += amount.signed(),
            MoneyEvent::Held(amount) => self.held += amount.signed(),
            MoneyEvent::HoldPosted { amount, freed, .. } => {
                self.posted -= amount.signed();
                self.held -= freed.signed();
            }
            MoneyEvent::HoldReleased { amount, .. } => self.held -= amount.signed(),
        }
        self
    }

    /// Checks that the entity may be deleted: it has no holds, and its balance is zero.
    pub fn may_end(&self, name: &str) -> Result<(), Rejection> {
        if self.held != 0 {
            let detail = format!("the {name} still has open holds: {} is held", self.held);
            return Err(Rejection::new(Code::HoldsOpen, detail));
        }
        if self.posted != 0 {
            let detail = format!("the {name}'s balance is {}, not 0", self.posted);
            return Err(Rejection::new(Code::BalanceNotZero, detail));
        }
        Ok(())
    }

    /// Checks that a debit or a hold may take `amount`. Both need the same: an entity that is
    /// neither deleted nor frozen, its currency, room within its limits, and funds.
    fn may_take(
        &self,
        terms: Terms<'_>,
        amount: Amount,
        currency: Currency,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        terms.not_deleted()?;
        terms.not_frozen()?;
        terms.in_currency(currency)?;
        if let Some(spending) = terms.spending {
            spending.may_take(amount, now)?;
        }
        self.may_debit(amount)
    }

    /// Checks that a debit may take `amount`: first the funds, then the range of the balance.
    fn may_debit(&self, amount: Amount) -> Result<(), Rejection> {
        if let Some(available) = self.at_version(0).available()
            && available < amount.signed()
        {
            return Err(Rejection::new(
                Code::InsufficientFunds,
                format!(
                    "insufficient funds: available {available}, requested {}",
                    amount.get()
                ),
            ));
        }
        let unheld = self.posted - self.held;
        if unheld - amount.signed() < -BALANCE_MAX {
            return Err(out_of_range(unheld, -amount.signed()));
        }
        Ok(())
    }

    /// Checks that a credit of `amount` keeps the balance in its range.
    fn may_credit(&self, amount: Amount) -> Result<(), Rejection> {
        if self.posted + amount.signed() > BALANCE_MAX {
            return Err(out_of_range(self.posted, amount.signed()));
        }
        Ok(())
    }
}

impl Terms<'_> {
    /// Checks that the entity is not deleted. A deleted entity takes part in no movement.
    pub fn not_deleted(&self) -> Result<(), Rejection> {
        if self.status == AccountStatus::Deleted {
            let detail = format!("the {} is deleted", self.name);
            return Err(Rejection::new(Code::AccountDeleted, detail));
        }
        Ok(())
    }

    fn not_frozen(&self) -> Result<(), Rejection> {
        if self.status == AccountStatus::Frozen {
            let detail = format!("the {} is frozen and takes no debits", self.name);
            return Err(Rejection::new(Code::AccountFrozen, detail));
        }
        Ok(())
    }

    fn in_currency(&self, currency: Currency) -> Result<(), Rejection> {
        let own = self.currency;
        if own != currency {
            let detail = format!(
                "the {} is in {own}, the movement is in {currency}",
                self.name
            );
            return Err(Rejection::new(Code::CurrencyMismatch, detail));
        }
        Ok(())
    }
}

/// Returns the refusal of a movement that would take a balance out of its range. For a debit or a
/// hold, `before` is the balance less the held amount.
fn out_of_range(before: i64, by: i64) -> Rejection {
    // Both are within ±(2^53 − 1), so their sum fits in an i64.
    let after = before + by;
    let detail = if by < 0 {
        let amount = by.unsigned_abs();
        format!(
            "debiting {amount} would lower the balance from {before} to {after}, below the least \
             balance -{BALANCE_MAX}"
        )
    } else {
        format!(
            "crediting {by} would raise the balance from {before} to {after}, above the greatest \
             balance {BALANCE_MAX}"
        )
    };
    Rejection::new(Code::BalanceLimitExceeded, detail).past(LimitName::BalanceRange)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(value: u64) -> Amount {
        Amount::new(value).unwrap()
    }

    #[test]
    fn a_debit_takes_what_is_available_and_not_one_more() {
        let balance = Balance {
            posted: 100,
            held: 30,
            overdraft: Overdraft::Limit(5),
        };
        assert_eq!(balance.may_debit(amount(75)), Ok(()));
        assert_eq!(
            balance.may_debit(amount(76)).unwrap_err().code,
            Code::InsufficientFunds
        );
    }

    #[test]
    fn no_balance_leaves_the_bounds() {
        let rich = Balance {
            posted: BALANCE_MAX - 1,
            held: 0,
            overdraft: Overdraft::Limit(0),
        };
        assert_eq!(rich.may_credit(amount(1)), Ok(()));
        assert_eq!(
            rich.may_credit(amount(2)).unwrap_err().code,
            Code::BalanceLimitExceeded
        );
        let deep = Balance {
            posted: 2 - BALANCE_MAX,
            held: 1,
            overdraft: Overdraft::Unlimited,
        };
        assert_eq!(deep.may_debit(amount(1)), Ok(()));
        assert_eq!(
            deep.may_debit(amount(2)).unwrap_err().code,
            Code::BalanceLimitExceeded
        );
    }
}
