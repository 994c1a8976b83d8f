//! The limits of a balance, and the amount that debits took on the current UTC day.

use serde::{Deserialize, Serialize};

use super::money::MoneyEvent;
use crate::words::{Amount, Code, LimitName, Rejection, Timestamp, WalletLimits};

/// A wallet's limits, and the total of the debits and holds of one UTC day, the day of the last
/// debit or hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spending {
    /// The limits.
    pub limits: WalletLimits,
    /// The UTC day, counted from 1970-01-01.
    day: i64,
    /// The total of the debits and holds of that day, less the amounts given back.
    spent: u64,
}

impl Spending {
    /// Creates the state before any debit or hold.
    pub const fn new(limits: WalletLimits) -> Self {
        Self {
            limits,
            day: 0,
            spent: 0,
        }
    }

    /// Returns the total of the debits and holds of the UTC day of `now`.
    pub const fn spent_on(&self, now: Timestamp) -> u64 {
        if self.day == now.day() { self.spent } else { 0 }
    }

    /// Returns the state after an event of the money that was recorded at `now`. The released part
    /// of a hold is given back to the day of the hold; once a later day has begun to count, it no
    /// longer matters.
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

    pub(super) fn may_take(&self, amount: Amount, now: Timestamp) -> Result<(), Rejection> {
        if let Some(most) = self.limits.per_transaction
            && amount > most
        {
            let (most, amount) = (most.get(), amount.get());
            let detail = format!("debiting {amount} is above per_transaction {most}");
            let rejection = Rejection::new(Code::LimitExceeded, detail);
            return Err(rejection.past(LimitName::PerTransaction));
        }
        let spent = self.spent_on(now);
        let after = spent.saturating_add(amount.get());
        if let Some(most) = self.limits.per_day
            && after > most.get()
        {
            let (most, amount) = (most.get(), amount.get());
            let detail = format!(
                "debiting {amount} would raise what the day has taken from {spent} to {after}, \
                 above per_day {most}"
            );
            let rejection = Rejection::new(Code::LimitExceeded, detail);
            return Err(rejection.past(LimitName::PerDay));
        }
        Ok(())
    }

    pub(super) fn may_gather(&self, posted: i64, amount: Amount) -> Result<(), Rejection> {
        let after = posted + amount.signed();
        if let Some(most) = self.limits.max_balance
            && after > most.signed()
        {
            let detail = format!(
                "crediting {} would raise the balance from {posted} to {after}, above \
                 max_balance {}",
                amount.get(),
                most.get()
            );
            let rejection = Rejection::new(Code::LimitExceeded, detail);
            return Err(rejection.past(LimitName::MaxBalance));
        }
        Ok(())
    }
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
    fn a_day_s_limit_counts_holds_and_gives_back_to_their_day() {
        let limits = WalletLimits {
            per_day: Some(amount(100)),
            ..WalletLimits::default()
        };
        let spending = Spending::new(limits).evolve(&MoneyEvent::Held(amount(60)), at(5));
        assert_eq!(spending.may_take(amount(40), at(DAY - 1)), Ok(()));
        let refused = spending.may_take(amount(41), at(6)).unwrap_err();
        assert_eq!(refused.code, Code::LimitExceeded);
        // The next day has a limit of 100 of its own.
        assert_eq!(spending.may_take(amount(100), at(DAY)), Ok(()));

        let released = |held_at| MoneyEvent::HoldReleased {
            amount: amount(60),
            held_at: at(held_at),
        };
        assert_eq!(spending.evolve(&released(5), at(7)).spent_on(at(7)), 0);
        // The hold was made yesterday, so today's total stays as it is.
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
