//! What all balances share: what a debit may take, what a credit may bring.

use serde::{Deserialize, Serialize};

use crate::messages::{AMOUNT_MAX, Amount, Balances, Code, Overdraft, Rejection};

/// The bound of every balance on either side of zero.
const BALANCE_MAX: i64 = AMOUNT_MAX as i64;

/// An entity's money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// What is posted, in minor units.
    pub posted: i64,
    /// What pending transfers hold of it.
    pub held: i64,
    /// How far below zero debits may take it.
    pub overdraft: Overdraft,
}

impl Balance {
    /// Nothing yet.
    pub const fn new(overdraft: Overdraft) -> Self {
        Self {
            posted: 0,
            held: 0,
            overdraft,
        }
    }

    /// The balances as a caller sees them at a version of the entity.
    pub const fn at_version(self, version: u64) -> Balances {
        Balances {
            balance: self.posted,
            held: self.held,
            overdraft: self.overdraft,
            version,
        }
    }

    /// Whether a debit may take `amount`: first the funds, then the bound of every balance.
    pub fn may_debit(&self, amount: Amount) -> Result<(), Rejection> {
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
        if self.posted - amount.signed() < -BALANCE_MAX {
            return Err(limit());
        }
        Ok(())
    }

    /// Whether a credit may bring `amount`.
    pub fn may_credit(&self, amount: Amount) -> Result<(), Rejection> {
        if self.posted + amount.signed() > BALANCE_MAX {
            return Err(limit());
        }
        Ok(())
    }

    /// After a debit.
    pub const fn debited(mut self, amount: Amount) -> Self {
        self.posted -= amount.signed();
        self
    }

    /// After a credit.
    pub const fn credited(mut self, amount: Amount) -> Self {
        self.posted += amount.signed();
        self
    }
}

fn limit() -> Rejection {
    Rejection::new(
        Code::BalanceLimitExceeded,
        "the balance would leave ±9007199254740991",
    )
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
            posted: 1 - BALANCE_MAX,
            held: 0,
            overdraft: Overdraft::Unlimited,
        };
        assert_eq!(deep.may_debit(amount(1)), Ok(()));
        assert_eq!(
            deep.may_debit(amount(2)).unwrap_err().code,
            Code::BalanceLimitExceeded
        );
    }
}
