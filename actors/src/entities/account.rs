//! An account: money of a client, in one currency, from its opening to its deletion.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::balance::{Terms, no_such};
use super::{Balance, Entity, Stamp, Step};
use crate::messages::{
    AccountEvent, AccountStatus, AccountView, Currency, EntityId, OpenAccount, Opened, Overdraft,
    Rejection, Timestamp,
};

/// An account's state; what never changes is shared between its copies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    origin: Arc<Origin>,
    status: AccountStatus,
    balance: Balance,
    erased: bool,
}

/// What an account is from its first day, and the record that says so.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Origin {
    opened: Opened,
    sequence: u64,
    time: Timestamp,
}

impl Account {
    /// The account as its owner sees it.
    pub fn view(&self, id: EntityId, version: u64) -> AccountView {
        let opened = &self.origin.opened;
        AccountView {
            id,
            number: opened.number,
            opened: self.origin.sequence,
            country: opened.country,
            currency: opened.currency,
            status: self.status,
            balances: self.balance.at_version(version),
            reference: opened.reference.clone(),
            metadata: opened.metadata.clone(),
            created_at: self.origin.time,
        }
    }

    /// May it move money?
    pub const fn status(&self) -> AccountStatus {
        self.status
    }

    /// Whether its personal values were erased: they are not to be read any more.
    pub const fn is_erased(&self) -> bool {
        self.erased
    }

    /// The caller's own name for it.
    pub fn reference(&self) -> Option<&str> {
        self.origin.opened.reference.as_deref()
    }

    fn terms(&self) -> Terms<'_> {
        Terms {
            name: "account",
            status: self.status,
            currency: self.origin.opened.currency,
            spending: None,
        }
    }

    fn open(command: &OpenAccount, number: u64) -> AccountEvent {
        AccountEvent::Opened(Box::new(Opened {
            number,
            holder: command.holder.clone(),
            country: command.country,
            currency: command.currency,
            overdraft: command.overdraft,
            reference: command.reference.clone(),
            metadata: command.metadata.clone(),
        }))
    }

    fn update(
        &self,
        status: Option<AccountStatus>,
        overdraft: Option<Overdraft>,
    ) -> Result<Vec<AccountEvent>, Rejection> {
        self.terms().not_deleted()?;
        let status = status.filter(|status| *status != self.status);
        let overdraft = overdraft.filter(|overdraft| *overdraft != self.balance.overdraft);
        Ok(status
            .map(AccountEvent::StatusChanged)
            .into_iter()
            .chain(overdraft.map(AccountEvent::OverdraftChanged))
            .collect())
    }

    fn delete(&self) -> Result<AccountEvent, Rejection> {
        self.terms().not_deleted()?;
        self.balance.may_end("account")?;
        Ok(AccountEvent::StatusChanged(AccountStatus::Deleted))
    }

    /// Whatever its status; once is enough.
    fn erase(&self) -> Vec<AccountEvent> {
        if self.erased {
            return Vec::new();
        }
        vec![AccountEvent::PersonalErased(self.origin.sequence)]
    }
}

impl Entity for Account {
    type Event = AccountEvent;

    fn decide(
        state: Option<&Self>,
        step: &Step,
        now: Timestamp,
    ) -> Result<Vec<AccountEvent>, Rejection> {
        match (state, step) {
            (None, Step::Open(command, number)) => Ok(vec![Self::open(command, *number)]),
            (Some(account), Step::Update(status, overdraft)) => account.update(*status, *overdraft),
            (Some(account), Step::Delete) => account.delete().map(|event| vec![event]),
            (Some(account), Step::Erase) => Ok(account.erase()),
            (Some(account), step) => {
                let terms = account.terms();
                let events = account.balance.decide(terms, step, now)?;
                Ok(events.into_iter().map(AccountEvent::Money).collect())
            }
            (None, _) => Err(no_such("account")),
        }
    }

    fn evolve(state: Option<Self>, event: &AccountEvent, stamp: Stamp) -> Option<Self> {
        let mut account = match (state, event) {
            (None, AccountEvent::Opened(opened)) => {
                return Some(Self {
                    balance: Balance::new(opened.overdraft),
                    status: AccountStatus::Active,
                    erased: false,
                    origin: Arc::new(Origin {
                        opened: Opened::clone(opened),
                        sequence: stamp.sequence,
                        time: stamp.time,
                    }),
                });
            }
            (Some(account), _) => account,
            (None, _) => return None,
        };
        match event {
            AccountEvent::Opened(_) => return None,
            AccountEvent::StatusChanged(status) => account.status = *status,
            AccountEvent::OverdraftChanged(overdraft) => account.balance.overdraft = *overdraft,
            AccountEvent::Money(money) => account.balance = account.balance.evolve(money),
            AccountEvent::PersonalErased(beside) if *beside == account.origin.sequence => {
                account.erased = true;
            }
            AccountEvent::PersonalErased(_) => return None,
        }
        Some(account)
    }

    fn copies(&self) -> usize {
        Arc::strong_count(&self.origin)
    }

    fn money(&self) -> Option<(Currency, Balance)> {
        Some((self.origin.opened.currency, self.balance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{Code, Metadata, Personal};

    const NOW: Timestamp = Timestamp::from_micros(1);

    fn stamp(sequence: u64) -> Stamp {
        let time = Timestamp::from_micros(1);
        Stamp { sequence, time }
    }

    fn opened_by(sequence: u64) -> Account {
        let opened = Opened {
            number: 256,
            holder: Personal::Sealed([1; 16]),
            country: "KE".parse().unwrap(),
            currency: "USD".parse().unwrap(),
            overdraft: Overdraft::Limit(0),
            reference: None,
            metadata: Metadata::default(),
        };
        let opened = AccountEvent::Opened(Box::new(opened));
        Account::evolve(None, &opened, stamp(sequence)).unwrap()
    }

    #[test]
    fn an_account_is_erased_once_whatever_its_status() {
        for status in AccountStatus::ALL {
            let changed = AccountEvent::StatusChanged(status);
            let account = Account::evolve(Some(opened_by(7)), &changed, stamp(8)).unwrap();
            assert!(!account.is_erased());
            let events = Account::decide(Some(&account), &Step::Erase, NOW).unwrap();
            assert_eq!(events, [AccountEvent::PersonalErased(7)]);
            let erased = Account::evolve(Some(account), &events[0], stamp(9)).unwrap();
            assert!(erased.is_erased());
            assert_eq!(erased.status(), status);
            assert_eq!(
                Account::decide(Some(&erased), &Step::Erase, NOW),
                Ok(vec![])
            );
        }
        let nobody = Account::decide(None, &Step::Erase, NOW).unwrap_err();
        assert_eq!(nobody.code, Code::NotFound);
    }

    #[test]
    fn an_erasure_of_another_record_s_values_cannot_follow() {
        let elsewhere = AccountEvent::PersonalErased(8);
        assert_eq!(
            Account::evolve(Some(opened_by(7)), &elsewhere, stamp(9)),
            None
        );
    }
}
