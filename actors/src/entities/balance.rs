//! What all balances share: postings, holds and limits. Accounts and wallets are decided here
//! alike, whatever else they are.

use serde::{Deserialize, Serialize};

use super::Step;
use crate::messages::{
    AMOUNT_MAX, AccountStatus, Amount, Balances, Code, Currency, MoneyEvent, Overdraft, Rejection,
    Timestamp, WalletLimits,
};

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

/// What was taken on the day of the last debit, under limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spending {
    /// The limits.
    pub limits: WalletLimits,
    /// The UTC day, counted from 1970-01-01.
    day: i64,
    /// What debits and holds took on it.
    spent: u64,
}

/// What an entity is to its money: who may move it, in which currency, under which limits.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'e> {
    /// What the entity is called, as `account`.
    pub name: &'static str,
    /// May it move money?
    pub status: AccountStatus,
    /// Its one currency.
    pub currency: Currency,
    /// Its limits, if it has any.
    pub spending: Option<&'e Spending>,
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

    /// What a step would do to the money, or the first rule that forbids it: deleted, frozen,
    /// currency, limits, funds, the bound of every balance.
    pub fn decide(
        &self,
        terms: Terms<'_>,
        step: &Step,
        now: Timestamp,
    ) -> Result<Vec<MoneyEvent>, Rejection> {
        let event = match *step {
            Step::Debit(amount, currency) => {
                self.may_take(terms, amount, currency, now)?;
                MoneyEvent::Debited(amount)
            }
            Step::Hold(amount, currency) => {
                self.may_take(terms, amount, currency, now)?;
                MoneyEvent::Held(amount)
            }
            Step::Credit(amount, currency) => {
                terms.not_deleted()?;
                terms.in_currency(currency)?;
                self.may_credit(amount)?;
                if let Some(spending) = terms.spending {
                    spending.may_gather(self.posted, amount)?;
                }
                MoneyEvent::Credited(amount)
            }
            Step::Expect(currency) => {
                terms.not_deleted()?;
                terms.in_currency(currency)?;
                return Ok(Vec::new());
            }
            Step::PostHold {
                amount,
                freed,
                held_at,
            } => {
                terms.not_deleted()?;
                terms.not_frozen()?;
                // The money was set aside; only the bound of every balance may have come nearer.
                if self.posted - amount.signed() < -BALANCE_MAX {
                    return Err(limit());
                }
                MoneyEvent::HoldPosted {
                    amount,
                    freed,
                    held_at,
                }
            }
            Step::ReleaseHold { amount, held_at } => MoneyEvent::HoldReleased { amount, held_at },
            _ => return Err(no_such(terms.name)),
        };
        Ok(vec![event])
    }

    /// After one of its events.
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

    /// Whether it may be deleted.
    pub fn may_end(&self, name: &str) -> Result<(), Rejection> {
        if self.held != 0 {
            let detail = format!("the {name} has open holds");
            return Err(Rejection::new(Code::HoldsOpen, detail));
        }
        if self.posted != 0 {
            let detail = format!("the {name}'s balance is {}", self.posted);
            return Err(Rejection::new(Code::BalanceNotZero, detail));
        }
        Ok(())
    }

    /// A debit and a hold need the same: an entity neither deleted nor frozen, its currency, room
    /// in its limits, and funds.
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

    /// Whether a debit may take `amount`: first the funds, then the bound of every balance.
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
        if self.posted - self.held - amount.signed() < -BALANCE_MAX {
            return Err(limit());
        }
        Ok(())
    }

    /// Whether a credit may bring `amount`.
    fn may_credit(&self, amount: Amount) -> Result<(), Rejection> {
        if self.posted + amount.signed() > BALANCE_MAX {
            return Err(limit());
        }
        Ok(())
    }
}

impl Terms<'_> {
    /// Deleted, it takes part in nothing any more.
    pub fn not_deleted(&self) -> Result<(), Rejection> {
        if self.status == AccountStatus::Deleted {
            let detail = format!("{} is deleted", self.name);
            return Err(Rejection::new(Code::AccountDeleted, detail));
        }
        Ok(())
    }

    fn not_frozen(&self) -> Result<(), Rejection> {
        if self.status == AccountStatus::Frozen {
            let detail = format!("{} is frozen", self.name);
            return Err(Rejection::new(Code::AccountFrozen, detail));
        }
        Ok(())
    }

    fn in_currency(&self, currency: Currency) -> Result<(), Rejection> {
        let own = self.currency;
        if own != currency {
            let detail = format!("the {} is in {own}, the movement in {currency}", self.name);
            return Err(Rejection::new(Code::CurrencyMismatch, detail));
        }
        Ok(())
    }
}

impl Spending {
    /// Nothing was taken yet.
    pub const fn new(limits: WalletLimits) -> Self {
        Self {
            limits,
            day: 0,
            spent: 0,
        }
    }

    /// What debits and holds took on the UTC day of `now`.
    pub const fn spent_on(&self, now: Timestamp) -> u64 {
        if self.day == now.day() { self.spent } else { 0 }
    }

    /// After one of the money's events, recorded at `now`. What a hold gives back goes to the day
    /// of the hold: once that is over, it no longer matters.
    pub fn evolve(mut self, event: &MoneyEvent, now: Timestamp) -> Self {
        match event {
            MoneyEvent::Debited(amount) | MoneyEvent::Held(amount) => {
                self.spent = self.spent_on(now).saturating_add(amount.get());
                self.day = now.day();
            }
            MoneyEvent::HoldPosted {
                amount,
                freed,
                held_at,
            } => self.give_back(freed.get() - amount.get(), *held_at),
            MoneyEvent::HoldReleased { amount, held_at } => self.give_back(amount.get(), *held_at),
            MoneyEvent::Credited(_) => {}
        }
        self
    }

    fn give_back(&mut self, amount: u64, held_at: Timestamp) {
        if self.day == held_at.day() {
            self.spent = self.spent.saturating_sub(amount);
        }
    }

    fn may_take(&self, amount: Amount, now: Timestamp) -> Result<(), Rejection> {
        if let Some(most) = self.limits.per_transaction
            && amount > most
        {
            let (most, amount) = (most.get(), amount.get());
            let detail = format!("the limit a transaction is {most}, requested {amount}");
            return Err(Rejection::new(Code::LimitExceeded, detail));
        }
        let spent = self.spent_on(now);
        if let Some(most) = self.limits.per_day
            && spent.saturating_add(amount.get()) > most.get()
        {
            let (most, amount) = (most.get(), amount.get());
            let detail =
                format!("the limit a day is {most}, {spent} of it is used, requested {amount}");
            return Err(Rejection::new(Code::LimitExceeded, detail));
        }
        Ok(())
    }

    fn may_gather(&self, posted: i64, amount: Amount) -> Result<(), Rejection> {
        if let Some(most) = self.limits.max_balance
            && posted + amount.signed() > most.signed()
        {
            let detail = format!(
                "the balance may reach {}, and is {posted}, credited {}",
                most.get(),
                amount.get()
            );
            return Err(Rejection::new(Code::LimitExceeded, detail));
        }
        Ok(())
    }
}

/// Nobody has this id, or what has it takes no such part.
pub fn no_such(name: &str) -> Rejection {
    let detail = match name {
        "wallet" => "Wallet not found",
        "transfer" => "Transfer not found",
        "card" => "Card not found",
        _ => "Account not found",
    };
    Rejection::new(Code::NotFound, detail)
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

    const DAY: i64 = 86_400_000_000;

    fn amount(value: u64) -> Amount {
        Amount::new(value).unwrap()
    }

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
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

    #[test]
    fn a_day_s_limit_counts_holds_and_gives_back_to_their_day() {
        let limits = WalletLimits {
            per_day: Some(amount(100)),
            ..WalletLimits::default()
        };
        let spending = Spending::new(limits).evolve(&MoneyEvent::Held(amount(60)), at(5));
        assert_eq!(spending.may_take(amount(40), at(DAY - 1)), Ok(()));
        let refused = spending.may_take(amount(41), at(6)).unwrap_err();
        assert_eq!(refused.code, Code::LimitExceeded);
        // Another day, another hundred.
        assert_eq!(spending.may_take(amount(100), at(DAY)), Ok(()));

        let released = |held_at| MoneyEvent::HoldReleased {
            amount: amount(60),
            held_at: at(held_at),
        };
        assert_eq!(spending.evolve(&released(5), at(7)).spent_on(at(7)), 0);
        // The hold was yesterday's: today's use stays.
        let today = spending.evolve(&MoneyEvent::Debited(amount(30)), at(DAY));
        let after = today.evolve(&released(5), at(DAY + 1));
        assert_eq!(after.spent_on(at(DAY + 1)), 30);
        let partly = MoneyEvent::HoldPosted {
            amount: amount(10),
            freed: amount(60),
            held_at: at(5),
        };
        assert_eq!(spending.evolve(&partly, at(8)).spent_on(at(8)), 10);
    }
}
