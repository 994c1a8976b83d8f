//! Wallets. A wallet holds money of a customer in one currency, under limits.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::balance::{Balance, Terms};
use super::entity::{Entity, Fact, Stamp, Viewed};
use super::limits::Spending;
use super::listing::{List, ListKey, ListRow};
use super::money::{AccountStatus, Balances, MoneyEvent, MoneyStep};
use crate::words::{
    Currency, EntityId, Overdraft, Rejection, Timestamp, WalletLimits, WalletLimitsChange,
};

/// The facts recorded when a wallet is opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WalletOpened {
    /// The customer who owns the wallet.
    pub customer: EntityId,
    /// A label.
    pub name: Option<String>,
    /// The wallet's only currency.
    pub currency: Currency,
    /// The overdraft limit.
    pub overdraft: Overdraft,
    /// The wallet's limits: per transaction, per UTC day, and on its balance.
    pub limits: WalletLimits,
}

/// An event of a wallet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum WalletEvent {
    /// The wallet was opened.
    Opened(Box<WalletOpened>),
    /// The wallet was frozen or unfrozen.
    StatusChanged(AccountStatus),
    /// The overdraft limit was changed.
    OverdraftChanged(Overdraft),
    /// The wallet's limits were changed.
    LimitsChanged(WalletLimits),
    /// The money changed.
    Money(MoneyEvent),
}

impl Fact for WalletEvent {
    fn money(&self) -> Option<&MoneyEvent> {
        match self {
            Self::Money(money) => Some(money),
            Self::Opened(_)
            | Self::StatusChanged(_)
            | Self::OverdraftChanged(_)
            | Self::LimitsChanged(_) => None,
        }
    }

    fn overdraft(&self) -> Option<Overdraft> {
        match self {
            Self::Opened(opened) => Some(opened.overdraft),
            Self::OverdraftChanged(overdraft) => Some(*overdraft),
            Self::StatusChanged(_) | Self::LimitsChanged(_) | Self::Money(_) => None,
        }
    }
}

/// A step that only a wallet takes.
#[derive(Debug, Clone, PartialEq)]
pub enum WalletStep {
    /// Open the wallet.
    Open(Box<WalletOpened>),
    /// Change the given values.
    Update(Option<AccountStatus>, Option<Overdraft>, WalletLimitsChange),
}

/// A wallet as its owner sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WalletView {
    /// The wallet.
    pub id: EntityId,
    /// The customer who owns the wallet.
    pub customer: EntityId,
    /// A label.
    pub name: Option<String>,
    /// The only currency of its money.
    pub currency: Currency,
    /// The status, which says whether it may move money.
    pub status: AccountStatus,
    /// The balances.
    pub balances: Balances,
    /// The wallet's limits: per transaction, per UTC day, and on its balance.
    pub limits: WalletLimits,
    /// The time at which it was opened.
    pub created_at: Timestamp,
}

/// A wallet's state. Its copies share the immutable part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wallet {
    origin: Arc<Origin>,
    status: AccountStatus,
    balance: Balance,
    spending: Spending,
}

/// The immutable part of a wallet: the facts recorded at its opening, and the time of that record.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Origin {
    opened: WalletOpened,
    time: Timestamp,
}

impl Viewed for Wallet {
    type View = WalletView;

    fn view(&self, id: EntityId, version: u64) -> WalletView {
        let opened = &self.origin.opened;
        WalletView {
            id,
            customer: opened.customer,
            name: opened.name.clone(),
            currency: opened.currency,
            status: self.status,
            balances: self.balance.at_version(version),
            limits: self.spending.limits,
            created_at: self.origin.time,
        }
    }
}

impl Wallet {
    /// Returns the row of a wallet in the list of a customer's wallets.
    pub fn row(customer: EntityId) -> ListRow {
        ListRow::new(List::WalletsByCustomer).by(ListKey::Id(customer))
    }

    fn terms(&self) -> Terms<'_> {
        Terms {
            name: "wallet",
            status: self.status,
            currency: self.origin.opened.currency,
            spending: Some(&self.spending),
        }
    }

    fn update(
        &self,
        status: Option<AccountStatus>,
        overdraft: Option<Overdraft>,
        limits: &WalletLimitsChange,
    ) -> Vec<WalletEvent> {
        let status = status.filter(|status| *status != self.status);
        let overdraft = overdraft.filter(|overdraft| *overdraft != self.balance.overdraft);
        let before = self.spending.limits;
        let limits = Some(before.changed(limits)).filter(|limits| *limits != before);
        let status = status.map(WalletEvent::StatusChanged).into_iter();
        status
            .chain(overdraft.map(WalletEvent::OverdraftChanged))
            .chain(limits.map(WalletEvent::LimitsChanged))
            .collect()
    }
}

impl Entity for Wallet {
    type Event = WalletEvent;
    type Step = WalletStep;

    const NAME: &'static str = "wallet";
    const NOT_FOUND: &'static str = "Wallet not found";

    fn decide(
        state: Option<&Self>,
        step: &WalletStep,
        _: Timestamp,
    ) -> Result<Vec<WalletEvent>, Rejection> {
        match (state, step) {
            (None, WalletStep::Open(opened)) => Ok(vec![WalletEvent::Opened(opened.clone())]),
            (Some(wallet), WalletStep::Update(status, overdraft, limits)) => {
                Ok(wallet.update(*status, *overdraft, limits))
            }
            (Some(_), WalletStep::Open(_)) | (None, WalletStep::Update(..)) => {
                Err(Self::not_found())
            }
        }
    }

    fn decide_money(
        state: Option<&Self>,
        step: &MoneyStep,
        now: Timestamp,
    ) -> Result<Vec<WalletEvent>, Rejection> {
        let wallet = state.ok_or_else(Self::not_found)?;
        let events = wallet.balance.decide(wallet.terms(), step, now)?;
        Ok(events.into_iter().map(WalletEvent::Money).collect())
    }

    fn evolve(state: Option<Self>, event: &WalletEvent, stamp: Stamp) -> Option<Self> {
        let mut wallet = match (state, event) {
            (None, WalletEvent::Opened(opened)) => {
                return Some(Self {
                    balance: Balance::new(opened.overdraft),
                    status: AccountStatus::Active,
                    spending: Spending::new(opened.limits),
                    origin: Arc::new(Origin {
                        opened: WalletOpened::clone(opened),
                        time: stamp.time,
                    }),
                });
            }
            (Some(wallet), _) => wallet,
            (None, _) => return None,
        };
        match event {
            WalletEvent::Opened(_) => return None,
            WalletEvent::StatusChanged(status) => wallet.status = *status,
            WalletEvent::OverdraftChanged(overdraft) => wallet.balance.overdraft = *overdraft,
            WalletEvent::LimitsChanged(limits) => wallet.spending.limits = *limits,
            WalletEvent::Money(money) => {
                wallet.balance = wallet.balance.evolve(money);
                wallet.spending = wallet.spending.evolve(money, stamp.time);
            }
        }
        Some(wallet)
    }

    fn money(&self) -> Option<(Currency, Balance)> {
        Some((self.origin.opened.currency, self.balance))
    }

    fn rows(&self) -> Vec<ListRow> {
        vec![Self::row(self.origin.opened.customer)]
    }
}
