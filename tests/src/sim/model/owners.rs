//! Accounts, wallets and merchants: how they are opened, changed, erased and deleted.

use std::rc::Rc;

use florin_actors::messages::{
    AccountStatus, Amount, Code, EntityId, Kind, OpenAccount, OpenMerchant, OpenWallet, Overdraft,
    UpdateAccount, UpdateWallet, WalletLimits,
};

use super::kept::{Account, Merchant, Money, Wallet, What, floor};
use super::{Effect, Ledger, Place, Shows, unchanged};
use crate::sim::history::Request;

impl Ledger {
    /// Returns the account. It checks first that the account exists, then the precondition.
    pub(super) fn found(&self, id: EntityId, request: &Request) -> Result<&Account, Code> {
        let (_, account) = self.account(id).ok_or(Code::NotFound)?;
        self.at_version(id, request)?;
        Ok(account)
    }

    /// Checks the precondition on the entity's version.
    pub(super) fn at_version(&self, id: EntityId, request: &Request) -> Result<(), Code> {
        let version = self.entity(id).ok_or(Code::NotFound)?.version;
        match request.if_match {
            Some(wanted) if wanted != version => Err(Code::VersionMismatch),
            _ => Ok(()),
        }
    }

    /// Checks that the account exists, then the precondition, then that the account isn't deleted.
    pub(super) fn undeleted(&self, id: EntityId, request: &Request) -> Result<(), Code> {
        match self.found(id, request)?.money.status {
            AccountStatus::Deleted => Err(Code::AccountDeleted),
            _ => Ok(()),
        }
    }

    pub(super) fn open(
        &self,
        open: &OpenAccount,
        request: &Request,
        place: Place,
    ) -> Result<Effect, Code> {
        let id = place.fresh.ok_or(Code::NotFound)?;
        let counter_id = Kind::Numbering.system_id(None, id.shard());
        let count = match self.entity(counter_id).map(|kept| &kept.what) {
            Some(What::Counter(count)) => count + 1,
            _ => 1,
        };
        let account = What::Account(Rc::new(Account {
            number: count * 256 + u64::from(id.shard()),
            opened: place.sequence,
            created_at: place.time,
            holder: request.personal().concat(),
            country: open.country,
            reference: open.reference.clone(),
            metadata: open.metadata.clone(),
            money: Money::new(open.currency, open.overdraft, WalletLimits::default()),
            erased: false,
        }));
        let touched = vec![
            self.touch(counter_id, What::Counter(count), None, place),
            self.touch(id, account, None, place),
        ];
        let shown = Shows::Entity(id, touched[1].after.clone());
        Ok(Effect {
            touched,
            shown,
            ..Effect::default()
        })
    }

    pub(super) fn update(&self, update: &UpdateAccount, place: Place) -> Result<Effect, Code> {
        let id = update.account;
        let (kept, account) = self.account(id).ok_or(Code::NotFound)?;
        let mut after = Account::clone(account);
        let money = &mut after.money;
        money.status = update.status.unwrap_or(money.status);
        money.overdraft = update.overdraft.map_or(money.overdraft, floor);
        if after == **account {
            return Ok(unchanged(id, kept));
        }
        Ok(self.changed(id, What::Account(Rc::new(after)), place))
    }

    pub(super) fn erase(&self, id: EntityId, account: &Account, place: Place) -> Effect {
        match self.entity(id) {
            Some(kept) if account.erased => unchanged(id, kept),
            _ => {
                let mut after = account.clone();
                after.erased = true;
                self.changed(id, What::Account(Rc::new(after)), place)
            }
        }
    }

    pub(super) fn delete(&self, id: EntityId, place: Place) -> Result<Effect, Code> {
        let (_, account) = self.account(id).ok_or(Code::NotFound)?;
        if account.money.held != 0 {
            return Err(Code::HoldsOpen);
        }
        if account.money.balance != 0 {
            return Err(Code::BalanceNotZero);
        }
        let mut after = Account::clone(account);
        after.money.status = AccountStatus::Deleted;
        Ok(self.changed(id, What::Account(Rc::new(after)), place))
    }

    pub(super) fn open_merchant(
        &self,
        open: &OpenMerchant,
        request: &Request,
        place: Place,
    ) -> Result<Effect, Code> {
        let id = place.fresh.ok_or(Code::NotFound)?;
        let personal = request.personal().into_iter().map(str::to_owned);
        let no_limits = WalletLimits::default();
        let merchant = Merchant {
            opened: place.sequence,
            created_at: place.time,
            personal: personal.collect(),
            money: Money::new(open.currency, Overdraft::Limit(0), no_limits),
            erased: false,
        };
        Ok(self.changed(id, What::Merchant(Rc::new(merchant)), place))
    }

    pub(super) fn erase_merchant(
        &self,
        id: EntityId,
        request: &Request,
        place: Place,
    ) -> Result<Effect, Code> {
        let kept = self.entity(id).ok_or(Code::NotFound)?;
        let What::Merchant(merchant) = &kept.what else {
            return Err(Code::NotFound);
        };
        self.at_version(id, request)?;
        if merchant.erased {
            return Ok(unchanged(id, kept));
        }
        let mut after = Merchant::clone(merchant);
        after.erased = true;
        Ok(self.changed(id, What::Merchant(Rc::new(after)), place))
    }

    pub(super) fn open_wallet(&self, open: &OpenWallet, place: Place) -> Result<Effect, Code> {
        let id = place.fresh.ok_or(Code::NotFound)?;
        let wallet = Wallet {
            customer: open.customer,
            name: open.name.clone(),
            created_at: place.time,
            money: Money::new(open.currency, open.overdraft, open.limits),
        };
        Ok(self.changed(id, What::Wallet(Rc::new(wallet)), place))
    }

    pub(super) fn update_wallet(
        &self,
        update: &UpdateWallet,
        request: &Request,
        place: Place,
    ) -> Result<Effect, Code> {
        let id = update.wallet;
        let kept = self.entity(id).ok_or(Code::NotFound)?;
        let What::Wallet(wallet) = &kept.what else {
            return Err(Code::NotFound);
        };
        self.at_version(id, request)?;
        let mut after = Wallet::clone(wallet);
        let money = &mut after.money;
        money.status = update.status.unwrap_or(money.status);
        money.overdraft = update.overdraft.map_or(money.overdraft, floor);
        let set = |limit: &mut Option<Amount>, change: Option<Option<Amount>>| {
            if let Some(given) = change {
                *limit = given;
            }
        };
        set(
            &mut money.limits.per_transaction,
            update.limits.per_transaction,
        );
        set(&mut money.limits.per_day, update.limits.per_day);
        set(&mut money.limits.max_balance, update.limits.max_balance);
        if after == **wallet {
            return Ok(unchanged(id, kept));
        }
        Ok(self.changed(id, What::Wallet(Rc::new(after)), place))
    }

    fn changed(&self, id: EntityId, what: What, place: Place) -> Effect {
        let touch = self.touch(id, what, None, place);
        let shown = Shows::Entity(id, touch.after.clone());
        let touched = vec![touch];
        Effect {
            touched,
            shown,
            ..Effect::default()
        }
    }
}
