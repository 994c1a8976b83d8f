//! A wallet: money of a customer, in one currency, under limits.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::balance::{Spending, Terms, no_such};
use super::{Balance, Entity, Stamp, Step};
use crate::messages::{
    AccountStatus, Currency, EntityId, OpenWallet, Overdraft, Rejection, Timestamp, WalletEvent,
    WalletLimitsChange, WalletOpened, WalletView,
};

/// A wallet's state; what never changes is shared between its copies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wallet {
    origin: Arc<Origin>,
    status: AccountStatus,
    balance: Balance,
    spending: Spending,
}

/// What a wallet is from its first day.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Origin {
    opened: WalletOpened,
    time: Timestamp,
}

impl Wallet {
    /// The wallet as its owner sees it.
    pub fn view(&self, id: EntityId, version: u64) -> WalletView {
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

    /// Whose it is.
    pub fn customer(&self) -> EntityId {
        self.origin.opened.customer
    }

    fn terms(&self) -> Terms<'_> {
        Terms {
            name: "wallet",
            status: self.status,
            currency: self.origin.opened.currency,
            spending: Some(&self.spending),
        }
    }

    fn open(command: &OpenWallet) -> WalletEvent {
        WalletEvent::Opened(Box::new(WalletOpened {
            customer: command.customer,
            name: command.name.clone(),
            currency: command.currency,
            overdraft: command.overdraft,
            limits: command.limits,
        }))
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

    fn decide(
        state: Option<&Self>,
        step: &Step,
        now: Timestamp,
    ) -> Result<Vec<WalletEvent>, Rejection> {
        match (state, step) {
            (None, Step::OpenWallet(command)) => Ok(vec![Self::open(command)]),
            (Some(wallet), Step::UpdateWallet(status, overdraft, limits)) => {
                Ok(wallet.update(*status, *overdraft, limits))
            }
            (Some(wallet), step) => {
                let events = wallet.balance.decide(wallet.terms(), step, now)?;
                Ok(events.into_iter().map(WalletEvent::Money).collect())
            }
            (None, _) => Err(no_such("wallet")),
        }
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

    fn copies(&self) -> usize {
        Arc::strong_count(&self.origin)
    }

    fn money(&self) -> Option<(Currency, Balance)> {
        Some((self.origin.opened.currency, self.balance))
    }
}
