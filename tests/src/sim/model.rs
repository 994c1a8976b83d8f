//! The sequential model: what the contract ("Rules of money") says each command does, written
//! anew. It shares the plain words of `florin_actors::messages` with the core and none of its
//! rules or arithmetic.

use std::collections::BTreeMap;
use std::rc::Rc;

use florin_actors::messages::{
    AccountStatus, AccountView, Balances, Code, Command, Country, Currency, EntityId, Kind,
    Metadata, Overdraft, Timestamp,
};

use super::history::Request;

/// The bound of every balance on either side of zero.
pub const MOST: i128 = 9_007_199_254_740_991;

/// An account as the contract describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    pub number: u64,
    pub opened: u64,
    pub created_at: Timestamp,
    pub holder: String,
    pub country: Country,
    pub currency: Currency,
    pub reference: Option<String>,
    pub metadata: Metadata,
    pub status: AccountStatus,
    pub balance: i128,
    /// How far below zero it may go; `None`: without a floor.
    pub overdraft: Option<i128>,
    /// Whether the holder's name was erased.
    pub erased: bool,
}

/// What an entity is, without its version.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    Account(Rc<Account>),
    /// The world outside: its balance.
    External(i128),
    /// A shard's numbers given out so far.
    Counter(u64),
}

/// One entity.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    pub version: u64,
    /// Its last record.
    pub last: u64,
    pub what: What,
}

/// Where and when a command takes effect, and the id a new account gets.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub sequence: u64,
    pub time: Timestamp,
    pub fresh: Option<EntityId>,
}

/// One entity's debit or credit.
#[derive(Debug, Clone, PartialEq)]
pub struct Post {
    pub amount: i128,
    pub currency: Currency,
    pub balance: i128,
    pub overdraft: Option<i128>,
}

/// One entity's part of an effect.
#[derive(Debug, Clone, PartialEq)]
pub struct Touch {
    pub entity: EntityId,
    pub previous: u64,
    pub posting: Option<Post>,
    pub after: Kept,
}

/// What a command comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    Refused(Code),
    Done {
        touched: Vec<Touch>,
        /// The account that the answer shows.
        shown: Option<(EntityId, Kept)>,
    },
}

/// All entities at one sequence.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    kept: BTreeMap<EntityId, Kept>,
    /// All debits and all credits, by currency.
    pub totals: BTreeMap<Currency, (u128, u128)>,
}

impl Kept {
    /// The account as its owner sees it.
    pub fn view(&self, id: EntityId) -> Option<AccountView> {
        let What::Account(account) = &self.what else {
            return None;
        };
        Some(AccountView {
            id,
            number: account.number,
            opened: account.opened,
            country: account.country,
            currency: account.currency,
            status: account.status,
            balances: Balances {
                balance: i64::try_from(account.balance).unwrap(),
                held: 0,
                overdraft: plain(account.overdraft),
                version: self.version,
            },
            reference: account.reference.clone(),
            metadata: account.metadata.clone(),
            created_at: account.created_at,
        })
    }
}

/// A floor in the words of messages.
pub fn plain(overdraft: Option<i128>) -> Overdraft {
    overdraft.map_or(Overdraft::Unlimited, |limit| {
        Overdraft::Limit(u64::try_from(limit).unwrap())
    })
}

fn floor(overdraft: Overdraft) -> Option<i128> {
    match overdraft {
        Overdraft::Limit(limit) => Some(i128::from(limit)),
        Overdraft::Unlimited => None,
    }
}

/// Done, and nothing was to be changed.
fn unchanged(id: EntityId, kept: &Kept) -> Verdict {
    Verdict::Done {
        touched: vec![],
        shown: Some((id, kept.clone())),
    }
}

impl Ledger {
    /// An account, if there is one of that id.
    pub fn account(&self, id: EntityId) -> Option<(&Kept, &Rc<Account>)> {
        let kept = self.kept.get(&id)?;
        match &kept.what {
            What::Account(account) => Some((kept, account)),
            _ => None,
        }
    }

    /// Every account, in the order of ids.
    pub fn accounts(&self) -> impl Iterator<Item = (EntityId, &Kept, &Rc<Account>)> {
        self.kept.iter().filter_map(|(id, kept)| match &kept.what {
            What::Account(account) => Some((*id, kept, account)),
            _ => None,
        })
    }

    /// What the request comes to here, whatever its key says.
    pub fn decide(&self, request: &Request, place: Place) -> Verdict {
        let decided = match &request.command {
            Command::OpenAccount(_) => Ok(self.open(request, place)),
            Command::UpdateAccount(update) => self
                .asked(update.account, request)
                .and_then(|()| self.update(update.account, update.status, update.overdraft, place)),
            Command::DeleteAccount(delete) => self
                .asked(delete.account, request)
                .and_then(|()| self.delete(delete.account, place)),
            Command::EraseAccount(erase) => self
                .found(erase.account, request)
                .map(|account| self.erase(erase.account, account, place)),
            Command::Deposit(deposit) => {
                let ends = (None, Some(deposit.to));
                self.movement(ends, deposit.amount.get(), deposit.currency, request, place)
            }
            Command::Withdraw(withdraw) => {
                let ends = (Some(withdraw.from), None);
                self.movement(
                    ends,
                    withdraw.amount.get(),
                    withdraw.currency,
                    request,
                    place,
                )
            }
            Command::Transfer(transfer) => {
                let ends = (Some(transfer.from), Some(transfer.to));
                self.movement(
                    ends,
                    transfer.amount.get(),
                    transfer.currency,
                    request,
                    place,
                )
            }
            Command::Resume(resume) => {
                let is_account = self.account(resume.entity).is_some();
                match (resume.kind == Kind::Account, is_account) {
                    (true, false) => Err(Code::NotFound),
                    _ => Ok(Verdict::Done {
                        touched: Vec::new(),
                        shown: None,
                    }),
                }
            }
            // Nobody may ask for the first; clients don't ask for the others yet.
            Command::Quarantine(_)
            | Command::Hold(_)
            | Command::Post(_)
            | Command::Void(_)
            | Command::Expire(_)
            | Command::Reverse(_)
            | Command::OpenWallet(_)
            | Command::UpdateWallet(_)
            | Command::Transact(_)
            | Command::Batch(_) => Err(Code::NotFound),
        };
        decided.unwrap_or_else(Verdict::Refused)
    }

    /// Takes an effect over.
    pub fn apply(&mut self, touched: &[Touch]) {
        for touch in touched {
            self.kept.insert(touch.entity, touch.after.clone());
            if let Some(post) = &touch.posting {
                let (debits, credits) = self.totals.entry(post.currency).or_default();
                if post.amount < 0 {
                    *debits += post.amount.unsigned_abs();
                } else {
                    *credits += post.amount.unsigned_abs();
                }
            }
        }
    }

    /// Not found, then the precondition.
    fn found(&self, id: EntityId, request: &Request) -> Result<&Account, Code> {
        let (kept, account) = self.account(id).ok_or(Code::NotFound)?;
        if request
            .if_match
            .is_some_and(|wanted| wanted != kept.version)
        {
            return Err(Code::VersionMismatch);
        }
        Ok(account)
    }

    /// The same, then deleted.
    fn asked(&self, id: EntityId, request: &Request) -> Result<(), Code> {
        match self.found(id, request)?.status {
            AccountStatus::Deleted => Err(Code::AccountDeleted),
            _ => Ok(()),
        }
    }

    fn open(&self, request: &Request, place: Place) -> Verdict {
        let (Command::OpenAccount(open), Some(id)) = (&request.command, place.fresh) else {
            return Verdict::Refused(Code::NotFound);
        };
        let counter_id = Kind::Numbering.system_id(None, id.shard());
        let count = match self.kept.get(&counter_id).map(|kept| &kept.what) {
            Some(What::Counter(count)) => count + 1,
            _ => 1,
        };
        let account = What::Account(Rc::new(Account {
            number: count * 256 + u64::from(id.shard()),
            opened: place.sequence,
            created_at: place.time,
            holder: request.holder().unwrap_or_default().to_owned(),
            country: open.country,
            currency: open.currency,
            reference: open.reference.clone(),
            metadata: open.metadata.clone(),
            status: AccountStatus::Active,
            balance: 0,
            overdraft: floor(open.overdraft),
            erased: false,
        }));
        let touched = vec![
            self.touch(counter_id, What::Counter(count), None, place),
            self.touch(id, account, None, place),
        ];
        let shown = Some((id, touched[1].after.clone()));
        Verdict::Done { touched, shown }
    }

    fn update(
        &self,
        id: EntityId,
        status: Option<AccountStatus>,
        overdraft: Option<Overdraft>,
        place: Place,
    ) -> Result<Verdict, Code> {
        let (kept, account) = self.account(id).ok_or(Code::NotFound)?;
        let mut after = Account::clone(account);
        after.status = status.unwrap_or(after.status);
        after.overdraft = overdraft.map_or(after.overdraft, floor);
        if after == **account {
            return Ok(unchanged(id, kept));
        }
        Ok(self.changed(id, after, place))
    }

    fn erase(&self, id: EntityId, account: &Account, place: Place) -> Verdict {
        match self.kept.get(&id) {
            Some(kept) if account.erased => unchanged(id, kept),
            _ => {
                let mut after = account.clone();
                after.erased = true;
                self.changed(id, after, place)
            }
        }
    }

    fn delete(&self, id: EntityId, place: Place) -> Result<Verdict, Code> {
        let (_, account) = self.account(id).ok_or(Code::NotFound)?;
        if account.balance != 0 {
            return Err(Code::BalanceNotZero);
        }
        let mut after = Account::clone(account);
        after.status = AccountStatus::Deleted;
        Ok(self.changed(id, after, place))
    }

    fn changed(&self, id: EntityId, after: Account, place: Place) -> Verdict {
        let touch = self.touch(id, What::Account(Rc::new(after)), None, place);
        let shown = Some((id, touch.after.clone()));
        let touched = vec![touch];
        Verdict::Done { touched, shown }
    }

    /// Money from one end to another; an end that is `None` is the world outside.
    fn movement(
        &self,
        (from, to): (Option<EntityId>, Option<EntityId>),
        amount: u64,
        given: Option<Currency>,
        request: &Request,
        place: Place,
    ) -> Result<Verdict, Code> {
        let amount = i128::from(amount);
        let find = |end: Option<EntityId>| match end {
            Some(id) => self.account(id).map(Some).ok_or(Code::NotFound),
            None => Ok(None),
        };
        let (source, target) = (find(from)?, find(to)?);
        let (routing, (kept, own)) = match (from.zip(source), to.zip(target)) {
            (Some(end), _) | (None, Some(end)) => end,
            (None, None) => return Err(Code::NotFound),
        };
        if request
            .if_match
            .is_some_and(|wanted| wanted != kept.version)
        {
            return Err(Code::VersionMismatch);
        }
        let ends = [source, target];
        let mut accounts = ends.iter().flatten().map(|(_, account)| account);
        if accounts
            .clone()
            .any(|account| account.status == AccountStatus::Deleted)
        {
            return Err(Code::AccountDeleted);
        }
        if source.is_some_and(|(_, account)| account.status == AccountStatus::Frozen) {
            return Err(Code::AccountFrozen);
        }
        if from == to {
            return Err(Code::SameAccount);
        }
        let currency = given.unwrap_or(own.currency);
        if accounts.any(|account| account.currency != currency) {
            return Err(Code::CurrencyMismatch);
        }
        if let Some((_, account)) = source {
            let available = account.overdraft.map(|limit| account.balance + limit);
            if available.is_some_and(|available| available < amount) {
                return Err(Code::InsufficientFunds);
            }
            if account.balance - amount < -MOST {
                return Err(Code::BalanceLimitExceeded);
            }
        }
        if target.is_some_and(|(_, account)| account.balance + amount > MOST) {
            return Err(Code::BalanceLimitExceeded);
        }
        let outside = Kind::External.system_id(Some(currency), routing.shard());
        let touched = vec![
            self.post(from.unwrap_or(outside), -amount, currency, place),
            self.post(to.unwrap_or(outside), amount, currency, place),
        ];
        Ok(Verdict::Done {
            touched,
            shown: None,
        })
    }

    fn post(&self, id: EntityId, amount: i128, currency: Currency, place: Place) -> Touch {
        let (what, balance, overdraft) = match self.kept.get(&id).map(|kept| &kept.what) {
            Some(What::Account(account)) => {
                let mut after = Account::clone(account);
                after.balance += amount;
                let (balance, overdraft) = (after.balance, after.overdraft);
                (What::Account(Rc::new(after)), balance, overdraft)
            }
            Some(What::External(balance)) => {
                (What::External(balance + amount), balance + amount, None)
            }
            _ => (What::External(amount), amount, None),
        };
        let posting = Post {
            amount,
            currency,
            balance,
            overdraft,
        };
        self.touch(id, what, Some(posting), place)
    }

    fn touch(&self, entity: EntityId, what: What, posting: Option<Post>, place: Place) -> Touch {
        let before = self.kept.get(&entity);
        let (version, previous) = before.map_or((0, 0), |kept| (kept.version, kept.last));
        Touch {
            entity,
            previous,
            posting,
            after: Kept {
                version: version + 1,
                last: place.sequence,
                what,
            },
        }
    }
}
