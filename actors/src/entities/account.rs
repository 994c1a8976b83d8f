//! Accounts. An account holds money of a client in one currency, from its opening to its deletion.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::balance::{Balance, Terms};
use super::entity::{Entity, Fact, Stamp, Viewed};
use super::listing::{List, ListKey, ListRow};
use super::money::{AccountStatus, Balances, MoneyEvent, MoneyStep};
use crate::words::{
    Country, Currency, EntityId, Metadata, Overdraft, Personal, Rejection, Timestamp,
};

/// The facts recorded when an account is opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// The account's number: the shard's counter × 256 + shard.
    pub number: u64,
    /// The holder's name, sealed.
    pub holder: Personal,
    /// The holder's country.
    pub country: Country,
    /// The account's only currency.
    pub currency: Currency,
    /// The overdraft limit.
    pub overdraft: Overdraft,
    /// The caller's reference.
    pub reference: Option<String>,
    /// The caller's metadata.
    pub metadata: Metadata,
}

/// An event of an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum AccountEvent {
    /// The account was opened.
    Opened(Box<Opened>),
    /// The account was frozen, unfrozen or deleted.
    StatusChanged(AccountStatus),
    /// The overdraft limit was changed.
    OverdraftChanged(Overdraft),
    /// The money changed.
    Money(MoneyEvent),
    /// The account's personal values were erased. They were stored beside the record with this
    /// sequence, which opened the account.
    PersonalErased(u64),
}

impl Fact for AccountEvent {
    fn money(&self) -> Option<&MoneyEvent> {
        match self {
            Self::Money(money) => Some(money),
            Self::Opened(_)
            | Self::StatusChanged(_)
            | Self::OverdraftChanged(_)
            | Self::PersonalErased(_) => None,
        }
    }

    fn overdraft(&self) -> Option<Overdraft> {
        match self {
            Self::Opened(opened) => Some(opened.overdraft),
            Self::OverdraftChanged(overdraft) => Some(*overdraft),
            Self::StatusChanged(_) | Self::Money(_) | Self::PersonalErased(_) => None,
        }
    }

    fn erased(&self) -> Option<u64> {
        match self {
            Self::PersonalErased(beside) => Some(*beside),
            Self::Opened(_)
            | Self::StatusChanged(_)
            | Self::OverdraftChanged(_)
            | Self::Money(_) => None,
        }
    }
}

/// A step that only an account takes.
#[derive(Debug, Clone, PartialEq)]
pub enum AccountStep {
    /// Open the account.
    Open(Box<Opened>),
    /// Change the given values.
    Update(Option<AccountStatus>, Option<Overdraft>),
    /// Delete the account.
    Delete,
    /// Erase the account's personal values.
    Erase,
}

/// An account as its owner sees it. The holder's name is in the personal row of the record that
/// opened the account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountView {
    /// The account.
    pub id: EntityId,
    /// The account's number: the shard's counter × 256 + shard.
    pub number: u64,
    /// The sequence of the record that opened the account.
    pub opened: u64,
    /// The holder's country.
    pub country: Country,
    /// The only currency of its money.
    pub currency: Currency,
    /// The status, which says whether it may move money.
    pub status: AccountStatus,
    /// The balances.
    pub balances: Balances,
    /// The caller's reference.
    pub reference: Option<String>,
    /// The caller's metadata.
    pub metadata: Metadata,
    /// The time at which it was opened.
    pub created_at: Timestamp,
}

/// An account's state. Its copies share the immutable part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    origin: Arc<Origin>,
    status: AccountStatus,
    balance: Balance,
    erased: bool,
}

/// The immutable part of an account: the facts recorded at its opening, and the sequence and time
/// of that record.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Origin {
    opened: Opened,
    sequence: u64,
    time: Timestamp,
}

impl Viewed for Account {
    type View = AccountView;

    fn view(&self, id: EntityId, version: u64) -> AccountView {
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
}

impl Account {
    /// Returns the row of an account in the list of accounts with this status, this reference, or
    /// both.
    pub fn row(status: Option<AccountStatus>, reference: Option<&str>) -> ListRow {
        let (list, reference) = match (reference, status) {
            (None, None) => (List::Accounts, None),
            (None, Some(_)) => (List::AccountsByStatus, None),
            (Some(reference), None) => (List::AccountsByReference, Some(reference)),
            (Some(reference), Some(_)) => (List::AccountsByReferenceAndStatus, Some(reference)),
        };
        let reference = reference.map(|reference| ListKey::Text(reference.to_owned()));
        let keys = reference.into_iter().chain(status.map(ListKey::Status));
        keys.fold(ListRow::new(list), ListRow::by)
    }

    /// Returns the status, which says whether the account may move money.
    pub const fn status(&self) -> AccountStatus {
        self.status
    }

    /// Returns the caller's reference.
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

    /// Erases the personal values of an account of any status. A second erasure changes nothing.
    fn erase(&self) -> Vec<AccountEvent> {
        if self.erased {
            return Vec::new();
        }
        vec![AccountEvent::PersonalErased(self.origin.sequence)]
    }
}

impl Entity for Account {
    type Event = AccountEvent;
    type Step = AccountStep;

    const NAME: &'static str = "account";
    const NOT_FOUND: &'static str = "Account not found";

    fn decide(
        state: Option<&Self>,
        step: &AccountStep,
        _: Timestamp,
    ) -> Result<Vec<AccountEvent>, Rejection> {
        match (state, step) {
            (None, AccountStep::Open(opened)) => Ok(vec![AccountEvent::Opened(opened.clone())]),
            (Some(account), AccountStep::Update(status, overdraft)) => {
                account.update(*status, *overdraft)
            }
            (Some(account), AccountStep::Delete) => account.delete().map(|event| vec![event]),
            (Some(account), AccountStep::Erase) => Ok(account.erase()),
            (Some(_), AccountStep::Open(_))
            | (None, AccountStep::Update(..) | AccountStep::Delete | AccountStep::Erase) => {
                Err(Self::not_found())
            }
        }
    }

    fn decide_money(
        state: Option<&Self>,
        step: &MoneyStep,
        now: Timestamp,
    ) -> Result<Vec<AccountEvent>, Rejection> {
        let account = state.ok_or_else(Self::not_found)?;
        let events = account.balance.decide(account.terms(), step, now)?;
        Ok(events.into_iter().map(AccountEvent::Money).collect())
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

    fn money(&self) -> Option<(Currency, Balance)> {
        Some((self.origin.opened.currency, self.balance))
    }

    fn personal(&self) -> Option<u64> {
        (!self.erased).then_some(self.origin.sequence)
    }

    fn rows(&self) -> Vec<ListRow> {
        let status = Some(self.status);
        let mut rows = vec![Self::row(None, None), Self::row(status, None)];
        if let Some(reference) = self.reference() {
            rows.push(Self::row(None, Some(reference)));
            rows.push(Self::row(status, Some(reference)));
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Code;

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
            assert_eq!(account.personal(), Some(7));
            let events = Account::decide(Some(&account), &AccountStep::Erase, NOW).unwrap();
            assert_eq!(events, [AccountEvent::PersonalErased(7)]);
            let erased = Account::evolve(Some(account), &events[0], stamp(9)).unwrap();
            assert_eq!(erased.personal(), None);
            assert_eq!(erased.status(), status);
            assert_eq!(
                Account::decide(Some(&erased), &AccountStep::Erase, NOW),
                Ok(vec![])
            );
        }
        let nobody = Account::decide(None, &AccountStep::Erase, NOW).unwrap_err();
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
