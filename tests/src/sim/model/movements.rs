//! Movements of money between two ends: the first rule that forbids one, and its effect.

use std::rc::Rc;

use florin_actors::messages::{AccountStatus, Code, Currency, EntityId, Kind, Timestamp};

use super::kept::{Account, Kept, Merchant, Money, Wallet, What, day, minor};
use super::{Effect, Ledger, MOST, Place, Post, Touch};
use crate::sim::history::Request;

/// The way in which money moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Debit and credit happen at once.
    AtOnce,
    /// The source only sets the amount aside.
    Hold,
    /// An amount that was set aside moves.
    Post,
}

/// A planned movement. An end that is `None` is the outside world.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moving {
    pub from: Option<EntityId>,
    pub to: Option<EntityId>,
    pub amount: i128,
    /// The currency that the caller names, or that of the transfer.
    pub currency: Option<Currency>,
    /// The entity whose version a precondition checks.
    pub about: EntityId,
    pub how: How,
    /// The verdict that follows from the transfer's own state.
    pub state: Result<(), Code>,
}

impl Ledger {
    /// Returns the currency, or the first rule that forbids the movement. The rules are checked in
    /// the contract's order.
    pub(super) fn permitted(
        &self,
        moving: &Moving,
        request: &Request,
        time: Timestamp,
    ) -> Result<Currency, Code> {
        let Moving {
            from,
            to,
            amount,
            how,
            ..
        } = *moving;
        let find = |end: Option<EntityId>| match end {
            Some(id) => self.money(id).map(Some).ok_or(Code::NotFound),
            None => Ok(None),
        };
        let (source, target) = (find(from)?, find(to)?);
        self.at_version(moving.about, request)?;
        let mut both = source.iter().chain(target.iter());
        if both
            .clone()
            .any(|money| money.status == AccountStatus::Deleted)
        {
            return Err(Code::AccountDeleted);
        }
        if source.is_some_and(|money| money.status == AccountStatus::Frozen) {
            return Err(Code::AccountFrozen);
        }
        if from == to {
            return Err(Code::SameAccount);
        }
        let own = source.or(target).ok_or(Code::NotFound)?.currency;
        let currency = moving.currency.unwrap_or(own);
        if both.any(|money| money.currency != currency) {
            return Err(Code::CurrencyMismatch);
        }
        moving.state?;
        if let Some(money) = source.filter(|_| how != How::Post) {
            may_take(money, amount, time)?;
        }
        if let Some(money) = target.filter(|_| how != How::Hold) {
            let after = money.balance + amount;
            if after > MOST {
                return Err(Code::BalanceLimitExceeded);
            }
            if money
                .limits
                .max_balance
                .is_some_and(|most| after > minor(most))
            {
                return Err(Code::LimitExceeded);
            }
        }
        Ok(currency)
    }

    /// Returns the effect of money that moves at once, if the movement is permitted.
    pub(super) fn moved(
        &self,
        moving: &Moving,
        request: &Request,
        place: Place,
    ) -> Result<Effect, Code> {
        let currency = self.permitted(moving, request, place.time)?;
        let Moving {
            from, to, amount, ..
        } = *moving;
        let routing = from.or(to).ok_or(Code::NotFound)?;
        let outside = Kind::External.system_id(Some(currency), routing.shard());
        let debit = match from {
            Some(id) => self.posted(id, -amount, place, |money| money.take(place.time, amount)),
            None => self.outside(outside, -amount, currency, place),
        };
        let credit = match to {
            Some(id) => self.posted(id, amount, place, |_| ()),
            None => self.outside(outside, amount, currency, place),
        };
        Ok(Effect {
            touched: vec![debit, credit],
            ends: (from, to),
            ..Effect::default()
        })
    }

    /// Returns the part of an account or wallet in an effect: its posting, and the other changes of
    /// its money that `also` makes.
    pub(super) fn posted(
        &self,
        id: EntityId,
        amount: i128,
        place: Place,
        also: impl FnOnce(&mut Money),
    ) -> Touch {
        let kept = self.entity(id).unwrap();
        let mut money = kept.money().unwrap().clone();
        money.balance += amount;
        also(&mut money);
        let posting = Post {
            item: 0,
            amount,
            currency: money.currency,
            balance: money.balance,
            held: money.held,
            overdraft: money.overdraft,
        };
        let what = with_money(kept, money);
        self.touch(id, what, Some(posting), place)
    }

    fn outside(&self, id: EntityId, amount: i128, currency: Currency, place: Place) -> Touch {
        let before = match self.entity(id).map(|kept| &kept.what) {
            Some(What::External(balance)) => *balance,
            _ => 0,
        };
        let balance = before + amount;
        let posting = Post {
            item: 0,
            amount,
            currency,
            balance,
            held: 0,
            overdraft: None,
        };
        self.touch(id, What::External(balance), Some(posting), place)
    }
}

/// Returns the entity's state with other money.
fn with_money(kept: &Kept, money: Money) -> What {
    match &kept.what {
        What::Account(account) => What::Account(Rc::new(Account {
            money,
            ..Account::clone(account)
        })),
        What::Wallet(wallet) => What::Wallet(Rc::new(Wallet {
            money,
            ..Wallet::clone(wallet)
        })),
        What::Merchant(merchant) => What::Merchant(Rc::new(Merchant {
            money,
            ..Merchant::clone(merchant)
        })),
        what @ (What::Transfer(_) | What::External(_) | What::Counter(_)) => what.clone(),
    }
}

/// Checks the rules for debits and holds: limits, then funds, then the bound of every balance.
fn may_take(money: &Money, amount: i128, time: Timestamp) -> Result<(), Code> {
    let limits = money.limits;
    let today = money.taken.get(&day(time)).copied().unwrap_or(0);
    let beyond = limits
        .per_transaction
        .is_some_and(|most| amount > minor(most))
        || limits
            .per_day
            .is_some_and(|most| today + amount > minor(most));
    if beyond {
        return Err(Code::LimitExceeded);
    }
    let free = money.balance - money.held;
    if money.overdraft.is_some_and(|limit| free + limit < amount) {
        return Err(Code::InsufficientFunds);
    }
    if free - amount < -MOST {
        return Err(Code::BalanceLimitExceeded);
    }
    Ok(())
}
