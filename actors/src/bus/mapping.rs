//! Which record makes which events, and what each of them tells: a pure function of the record.

use super::event::{BusEvent, EventId};
use super::event_type::EventType;
use super::values::{
    AccountChanged, CardTold, End, FundsAdded, MovementTold, Part, Source, TransactionTold,
    TransferTold, Value, WalletOpened,
};
use crate::messages::{
    AccountEvent, AccountStatus, CardEvent, Change, Code, Command, Currency, EntityId, Event, Kind,
    MoneyEvent, OperationId, Outcome, Posting, Record, Rejection, Transfer, WalletEvent,
};

/// The service that tells of movements, as the documents name it.
const LEDGER: Source = Source {
    source: "ledger-service",
    version: "1.0",
};
/// The service that tells of wallets.
const WALLETS: Source = Source {
    source: "wallet-service",
    version: "1.0",
};

/// The events that a record makes, in their order.
///
/// | record | events |
/// |---|---|
/// | an account opened, given another status | `account.created`, `account.status_changed` |
/// | a wallet opened | `WALLET_CREATED`, `WalletCreatedEvent` |
/// | a card made, deleted | `card.created`, `card.deleted` |
/// | a deposit | `TRANSACTION_INITIATED`, `TRANSACTION_COMPLETED`, `DepositCompleted`; of a wallet `FundsAddedEvent` |
/// | a withdrawal | `TRANSACTION_INITIATED`, `TRANSACTION_COMPLETED`, `WithdrawalCompleted` |
/// | a transfer or reversal, a batch's item | `TRANSACTION_INITIATED`, `TRANSACTION_COMPLETED`, `TransferCompleted` |
/// | a transaction of many legs | `TRANSACTION_INITIATED`, `TRANSACTION_COMPLETED` |
/// | a hold; its post; its void or expiry | `TRANSACTION_INITIATED`; `…_COMPLETED`; `…_FAILED` |
/// | a refusal with a key, or of what came asynchronously | `TRANSACTION_FAILED`, and the `…Failed` of its kind |
/// | an accepted asynchronous deposit, withdrawal or transfer | its `…Requested` |
pub fn events_of(record: &Record) -> Vec<BusEvent> {
    let mut told = Telling {
        record,
        versions: versions_after(record),
        events: Vec::new(),
    };
    match &record.outcome {
        Outcome::Accepted => told.requested(),
        Outcome::Done(_) => told.done(),
        Outcome::Refused(rejection) => {
            let asynchronous = record.execution.is_some() || record.input.is_some();
            if record.key.is_some() || asynchronous {
                told.refused(rejection);
            }
        }
    }
    told.events
}

/// The events of one record, as far as they are told.
struct Telling<'a> {
    record: &'a Record,
    /// Of each posting's entity, right after it.
    versions: Vec<u64>,
    events: Vec<BusEvent>,
}

/// A movement, as its events tell it.
#[derive(Clone, Copy)]
struct Moved<'a> {
    /// Which item of a batch it is, counted from 1; 0 for the record itself.
    item: u32,
    transaction: OperationId,
    transfer: Option<EntityId>,
    transaction_type: &'static str,
    amount: Option<u64>,
    currency: Option<Currency>,
    from: Option<End>,
    to: Option<End>,
    reference: Option<&'a str>,
    key: Option<&'a str>,
}

impl<'a> Telling<'a> {
    fn tell(&mut self, event_type: EventType, item: u32, key: EntityId, value: Value) {
        let record = self.record;
        let correlation = record.correlation_id.as_ref().unwrap_or(&record.request_id);
        self.events.push(BusEvent {
            event_type,
            id: EventId::new(record, event_type, item),
            key,
            sequence: record.sequence,
            index: self.events.len() as u32,
            time: record.time,
            correlation: correlation.clone(),
            trace: record.trace,
            value,
        });
    }

    fn done(&mut self) {
        let record = self.record;
        match &record.command {
            Command::OpenAccount(_)
            | Command::UpdateAccount(_)
            | Command::DeleteAccount(_)
            | Command::OpenWallet(_) => self.entities(),
            Command::OpenCard(_) | Command::DeleteCard(_) => self.card(),
            Command::Deposit(deposit) => {
                let mut moved = self.moved("DEPOSIT", 0);
                moved.to = Some(self.end(deposit.to, 0));
                self.made(&moved, deposit.to);
                self.answered(&moved, EventType::DepositCompleted, deposit.to);
                self.funds_added(&moved);
            }
            Command::Withdraw(withdraw) => {
                let mut moved = self.moved("WITHDRAWAL", 0);
                moved.from = Some(self.end(withdraw.from, 0));
                self.made(&moved, withdraw.from);
                self.answered(&moved, EventType::WithdrawalCompleted, withdraw.from);
            }
            Command::Transfer(transfer) => self.transferred(transfer, 0),
            Command::Reverse(_) => {
                let Some(ends) = record.ends() else { return };
                let (from, to) = (ends.from.0, ends.to.0);
                let mut moved = self.between("REVERSAL", from, to, 0);
                moved.transfer = Some(record.operation_id.transfer());
                self.made(&moved, from);
                self.transfer_told(&moved, EventType::TransferCompleted, None);
            }
            Command::Hold(hold) => {
                let moved = self.asked(&hold.transfer, 0);
                self.initiated(&moved, hold.transfer.from);
            }
            Command::Post(post) => {
                let Some(ends) = record.ends() else { return };
                let mut moved = self.between("TRANSFER", ends.from.0, ends.to.0, 0);
                moved.transfer = Some(post.transfer);
                self.completed(&moved, ends.from.0, Vec::new());
            }
            Command::Void(void) => self.ended(void.transfer, "voided", "the transfer was voided"),
            Command::Expire(expire) => {
                self.ended(
                    expire.transfer,
                    "transfer_expired",
                    "the transfer's time is over",
                );
            }
            Command::Transact(transact) => {
                let Some(first) = transact.legs.first() else {
                    return;
                };
                let moved = Moved {
                    reference: transact.reference.as_deref(),
                    ..self.moved_nothing("TRANSACTION", 0)
                };
                let parts = self.parts();
                let value = self.transaction(&moved, EventType::TransactionInitiated, "PENDING");
                self.tell(
                    EventType::TransactionInitiated,
                    0,
                    first.from,
                    Value::Transaction(Box::new(TransactionTold {
                        postings: parts.clone(),
                        ..value
                    })),
                );
                self.completed(&moved, first.from, parts);
            }
            Command::Batch(_) => self.batch(),
            Command::EraseAccount(_)
            | Command::Quarantine(_)
            | Command::Resume(_)
            | Command::UpdateWallet(_) => {}
        }
    }

    /// What became of each of a batch's items that was not a replay.
    fn batch(&mut self) {
        let record = self.record;
        for (index, item, refused) in record.items() {
            match refused {
                None if item.pending.is_some() => {
                    let moved = self.asked(&item.transfer, index + 1);
                    self.initiated(&moved, item.transfer.from);
                }
                None => self.transferred(&item.transfer, index + 1),
                Some(rejection) if item.key.is_some() || record.execution.is_some() => {
                    let mut moved = self.asked(&item.transfer, index + 1);
                    moved.key = item.key.as_deref();
                    self.transfer_refused(&moved, rejection);
                }
                Some(_) => {}
            }
        }
    }

    /// Accounts and wallets that came into being or have another status.
    fn entities(&mut self) {
        let record = self.record;
        for change in &record.changes {
            for event in &change.events {
                match event {
                    Event::Account(AccountEvent::Opened(_)) => {
                        let active = AccountStatus::Active;
                        self.account(EventType::AccountCreated, change, active);
                    }
                    Event::Account(AccountEvent::StatusChanged(status)) => {
                        self.account(EventType::AccountStatusChanged, change, *status);
                    }
                    Event::Wallet(WalletEvent::Opened(opened)) => {
                        for event_type in [EventType::WalletCreated, EventType::WalletCreatedEvent]
                        {
                            let value = Value::Wallet(WalletOpened {
                                event_type: event_type.document(),
                                event_id: EventId::new(record, event_type, 0),
                                wallet_id: change.entity,
                                customer_id: opened.customer,
                                name: opened.name.clone(),
                                currency: opened.currency,
                                timestamp: record.time,
                                metadata: WALLETS,
                            });
                            self.tell(event_type, 0, change.entity, value);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn account(&mut self, event_type: EventType, change: &Change, status: AccountStatus) {
        let value = Value::Account(AccountChanged {
            event_type: event_type.document(),
            account_id: change.entity,
            status,
            version: change.version,
            timestamp: self.record.time,
        });
        self.tell(event_type, 0, change.entity, value);
    }

    /// A card that came into being or was deleted.
    fn card(&mut self) {
        let Some(view) = self.record.card() else {
            return;
        };
        let mut changes = self.record.changes.iter();
        let own = changes.find(|change| change.entity == view.id);
        for event in own.into_iter().flat_map(|change| &change.events) {
            let event_type = match event {
                Event::Card(CardEvent::Opened(_)) => EventType::CardCreated,
                Event::Card(CardEvent::Deleted) => EventType::CardDeleted,
                _ => continue,
            };
            let value = Value::Card(CardTold {
                event_type: event_type.document(),
                card_id: view.id,
                card_number: view.opened.card_number(),
                account_id: view.opened.account,
                country: view.opened.country,
                deleted: view.deleted,
                creation_timestamp: view.created_at,
                timestamp: self.record.time,
            });
            self.tell(event_type, 0, view.id, value);
        }
    }

    /// A transfer that was made at once.
    fn transferred(&mut self, transfer: &'a Transfer, item: u32) {
        let mut moved = self.between("TRANSFER", transfer.from, transfer.to, item);
        moved.transfer = Some(moved.transaction.transfer());
        moved.reference = transfer.reference.as_deref();
        if item > 0 {
            moved.key = match &self.record.command {
                Command::Batch(batch) => batch.items[item as usize - 1].key.as_deref(),
                _ => None,
            };
        }
        self.made(&moved, transfer.from);
        self.transfer_told(&moved, EventType::TransferCompleted, None);
    }

    /// A pending transfer that ended without a post, or with the rest of it released.
    fn ended(&mut self, transfer: EntityId, code: &'static str, error: &str) {
        let Some(ends) = self.record.ends() else {
            return;
        };
        let released = self.record.changes.iter().find_map(|change| {
            let mut money = change.events.iter().filter_map(Event::money);
            money.find_map(|event| match event {
                MoneyEvent::HoldReleased { amount, .. } => Some(amount.get()),
                _ => None,
            })
        });
        let mut moved = self.between("TRANSFER", ends.from.0, ends.to.0, 0);
        moved.transfer = Some(transfer);
        moved.transaction = transfer.operation();
        moved.amount = released;
        let told = TransactionTold {
            code: Some(code),
            error: Some(error.to_owned()),
            ..self.transaction(&moved, EventType::TransactionFailed, "FAILED")
        };
        let value = Value::Transaction(Box::new(told));
        self.tell(EventType::TransactionFailed, 0, ends.from.0, value);
    }

    /// An accepted command's request.
    fn requested(&mut self) {
        match &self.record.command {
            Command::Deposit(deposit) => {
                let moved = Moved {
                    amount: Some(deposit.amount.get()),
                    currency: deposit.currency,
                    to: Some(id_alone(deposit.to)),
                    ..self.moved_nothing("DEPOSIT", 0)
                };
                self.movement_told(&moved, EventType::DepositRequested, deposit.to, None);
            }
            Command::Withdraw(withdraw) => {
                let moved = Moved {
                    amount: Some(withdraw.amount.get()),
                    currency: withdraw.currency,
                    from: Some(id_alone(withdraw.from)),
                    ..self.moved_nothing("WITHDRAWAL", 0)
                };
                self.movement_told(&moved, EventType::WithdrawalRequested, withdraw.from, None);
            }
            Command::Transfer(transfer) => {
                let moved = self.asked(transfer, 0);
                self.transfer_told(&moved, EventType::TransferRequested, None);
            }
            _ => {}
        }
    }

    fn refused(&mut self, rejection: &Rejection) {
        match &self.record.command {
            Command::Deposit(deposit) => {
                let moved = Moved {
                    amount: Some(deposit.amount.get()),
                    currency: deposit.currency,
                    to: Some(id_alone(deposit.to)),
                    ..self.moved_nothing("DEPOSIT", 0)
                };
                self.failed(&moved, deposit.to, rejection);
                let failed = EventType::DepositFailed;
                self.movement_told(&moved, failed, deposit.to, Some(rejection));
            }
            Command::Withdraw(withdraw) => {
                let moved = Moved {
                    amount: Some(withdraw.amount.get()),
                    currency: withdraw.currency,
                    from: Some(id_alone(withdraw.from)),
                    ..self.moved_nothing("WITHDRAWAL", 0)
                };
                self.failed(&moved, withdraw.from, rejection);
                let failed = EventType::WithdrawalFailed;
                self.movement_told(&moved, failed, withdraw.from, Some(rejection));
            }
            Command::Transfer(transfer) => {
                let moved = self.asked(transfer, 0);
                self.transfer_refused(&moved, rejection);
            }
            Command::Hold(hold) => {
                let moved = self.asked(&hold.transfer, 0);
                self.transfer_refused(&moved, rejection);
            }
            Command::Post(post) => self.other_refused("TRANSFER", post.transfer, rejection),
            Command::Void(void) => self.other_refused("TRANSFER", void.transfer, rejection),
            Command::Reverse(reverse) => {
                self.other_refused("REVERSAL", reverse.transfer, rejection);
            }
            Command::Transact(transact) => {
                if let Some(first) = transact.legs.first() {
                    let moved = self.moved_nothing("TRANSACTION", 0);
                    self.failed(&moved, first.from, rejection);
                }
            }
            Command::Batch(batch) => {
                if let Some(first) = batch.items.first() {
                    let moved = self.moved_nothing("BATCH", 0);
                    self.failed(&moved, first.transfer.from, rejection);
                }
            }
            _ => {}
        }
    }

    /// A refused command about a transfer whose ends the refusal doesn't tell.
    fn other_refused(&mut self, what: &'static str, transfer: EntityId, rejection: &Rejection) {
        let moved = Moved {
            transfer: Some(transfer),
            ..self.moved_nothing(what, 0)
        };
        self.failed(&moved, transfer, rejection);
    }

    fn transfer_refused(&mut self, moved: &Moved<'_>, rejection: &Rejection) {
        if let Some(from) = moved.from {
            self.failed(moved, from.id, rejection);
        }
        self.transfer_told(moved, EventType::TransferFailed, Some(rejection));
    }

    /// A movement that was begun and made at once.
    fn made(&mut self, moved: &Moved<'_>, key: EntityId) {
        self.initiated(moved, key);
        self.completed(moved, key, Vec::new());
    }

    fn initiated(&mut self, moved: &Moved<'_>, key: EntityId) {
        let event_type = EventType::TransactionInitiated;
        let value = self.transaction(moved, event_type, "PENDING");
        self.tell(
            event_type,
            moved.item,
            key,
            Value::Transaction(Box::new(value)),
        );
    }

    fn completed(&mut self, moved: &Moved<'_>, key: EntityId, postings: Vec<Part>) {
        let event_type = EventType::TransactionCompleted;
        let told = TransactionTold {
            postings,
            ..self.transaction(moved, event_type, "COMPLETED")
        };
        self.tell(
            event_type,
            moved.item,
            key,
            Value::Transaction(Box::new(told)),
        );
    }

    fn failed(&mut self, moved: &Moved<'_>, key: EntityId, rejection: &Rejection) {
        let event_type = EventType::TransactionFailed;
        let told = TransactionTold {
            code: Some(rejection.code.name()),
            error: Some(sentence(rejection)),
            ..self.transaction(moved, event_type, "FAILED")
        };
        self.tell(
            event_type,
            moved.item,
            key,
            Value::Transaction(Box::new(told)),
        );
    }

    fn transaction(
        &self,
        moved: &Moved<'_>,
        event_type: EventType,
        status: &'static str,
    ) -> TransactionTold {
        let wallet = |end: Option<End>| {
            let end = end.filter(|end| end.kind == Some(Kind::Wallet.name()));
            end.map(|end| end.id)
        };
        let amount = moved.amount.zip(moved.currency);
        TransactionTold {
            event_type: event_type.document(),
            event_id: EventId::new(self.record, event_type, moved.item),
            transaction_id: moved.transaction,
            transfer_id: moved.transfer,
            transaction_type: moved.transaction_type,
            amount: amount.map(|(amount, currency)| currency.decimal(i128::from(amount))),
            currency: moved.currency,
            from_wallet_id: wallet(moved.from),
            to_wallet_id: wallet(moved.to),
            from: moved.from,
            to: moved.to,
            postings: Vec::new(),
            status,
            code: None,
            error: None,
            reference: moved.reference.map(str::to_owned),
            timestamp: self.record.time,
            metadata: LEDGER,
        }
    }

    /// A deposit's or withdrawal's answer, where it was made.
    fn answered(&mut self, moved: &Moved<'_>, event_type: EventType, entity: EntityId) {
        self.movement_told(moved, event_type, entity, None);
    }

    fn movement_told(
        &mut self,
        moved: &Moved<'_>,
        event_type: EventType,
        entity: EntityId,
        refused: Option<&Rejection>,
    ) {
        let end = moved.from.or(moved.to);
        let value = Value::Movement(MovementTold {
            operation_id: self.operation(),
            transaction_id: self.record.operation_id,
            account_id: entity,
            amount: moved.amount.unwrap_or_default(),
            currency: moved.currency,
            balance_after: end.and_then(|end| end.balance_after),
            version: end.and_then(|end| end.version),
            code: refused.map(|rejection| rejection.code.name()),
            error: refused.map(sentence),
            reference: moved.reference.map(str::to_owned),
            timestamp: self.record.time,
            idempotency_key: moved.key.map(str::to_owned),
        });
        self.tell(event_type, moved.item, entity, value);
    }

    fn transfer_told(
        &mut self,
        moved: &Moved<'_>,
        event_type: EventType,
        refused: Option<&Rejection>,
    ) {
        let (Some(from), Some(to)) = (moved.from, moved.to) else {
            return;
        };
        let done = |end: End| Some(end).filter(|end| end.version.is_some());
        let operation_id = match moved.item {
            0 => self.operation(),
            _ => moved.transaction,
        };
        let value = Value::Transfer(Box::new(TransferTold {
            operation_id,
            transaction_id: moved.transaction,
            from_account_id: from.id,
            to_account_id: to.id,
            amount: moved.amount.unwrap_or_default(),
            currency: moved.currency,
            from: done(from),
            to: done(to),
            code: refused.map(|rejection| rejection.code.name()),
            error: refused.map(sentence),
            reference: moved.reference.map(str::to_owned),
            timestamp: self.record.time,
            idempotency_key: moved.key.map(str::to_owned),
        }));
        self.tell(event_type, moved.item, from.id, value);
    }

    fn funds_added(&mut self, moved: &Moved<'_>) {
        let Some(end) = moved.to.filter(|end| end.kind == Some(Kind::Wallet.name())) else {
            return;
        };
        let (Some(balance_after), Some(version)) = (end.balance_after, end.version) else {
            return;
        };
        let (Some(amount), Some(currency)) = (moved.amount, moved.currency) else {
            return;
        };
        let event_type = EventType::FundsAdded;
        let value = Value::FundsAdded(FundsAdded {
            event_type: event_type.document(),
            event_id: EventId::new(self.record, event_type, 0),
            wallet_id: end.id,
            transaction_id: moved.transaction,
            amount,
            currency,
            balance_after,
            version,
            timestamp: self.record.time,
            metadata: WALLETS,
        });
        self.tell(event_type, 0, end.id, value);
    }

    /// A movement of which nothing is known yet.
    fn moved_nothing(&self, transaction_type: &'static str, item: u32) -> Moved<'a> {
        Moved {
            item,
            transaction: self.record.operation_id,
            transfer: None,
            transaction_type,
            amount: None,
            currency: None,
            from: None,
            to: None,
            reference: self.record.command.notes().0,
            key: self.record.key.as_deref(),
        }
    }

    /// A movement to or from outside, by its posting.
    fn moved(&self, transaction_type: &'static str, item: u32) -> Moved<'a> {
        let posting = self.record.postings.first();
        Moved {
            amount: posting.map(|posting| posting.amount.unsigned_abs()),
            currency: posting.map(|posting| posting.currency),
            ..self.moved_nothing(transaction_type, item)
        }
    }

    /// A movement between two entities, by its postings.
    fn between(
        &self,
        transaction_type: &'static str,
        from: EntityId,
        to: EntityId,
        item: u32,
    ) -> Moved<'a> {
        let posting = self.posting(from, item).map(|(_, posting)| posting);
        Moved {
            transaction: self.transaction_of(item, from),
            amount: posting.map(|posting| posting.amount.unsigned_abs()),
            currency: posting.map(|posting| posting.currency),
            from: Some(self.end(from, item)),
            to: Some(self.end(to, item)),
            ..self.moved_nothing(transaction_type, item)
        }
    }

    /// A transfer as it was asked for: a hold, a request, a refusal.
    fn asked(&self, transfer: &'a Transfer, item: u32) -> Moved<'a> {
        let posting = self
            .posting(transfer.from, item)
            .map(|(_, posting)| posting);
        let transaction = self.transaction_of(item, transfer.from);
        Moved {
            transaction,
            transfer: Some(transaction.transfer()),
            amount: Some(transfer.amount.get()),
            currency: posting
                .map(|posting| posting.currency)
                .or(transfer.currency),
            from: Some(self.end(transfer.from, item)),
            to: Some(self.end(transfer.to, item)),
            reference: transfer.reference.as_deref(),
            ..self.moved_nothing("TRANSFER", item)
        }
    }

    /// The operation of an item, or the record's own.
    fn transaction_of(&self, item: u32, from: EntityId) -> OperationId {
        match item.checked_sub(1) {
            None => self.record.operation_id,
            Some(index) => self.record.operation_id.item(index, from.shard()),
        }
    }

    /// The operation as whoever asked knows it.
    fn operation(&self) -> OperationId {
        let input = self.record.input.as_ref();
        input.map_or(self.record.operation_id, |input| input.operation_id)
    }

    /// An entity's posting in an item of a batch (from 1), or in the record itself (0), and its
    /// place.
    fn posting(&self, entity: EntityId, item: u32) -> Option<(usize, &'a Posting)> {
        let record = self.record;
        let item = item.saturating_sub(1);
        // Postings are in the order of items: only those of this one are looked at.
        let first = record
            .postings
            .partition_point(|posting| posting.item < item);
        let own = record.postings.iter().enumerate().skip(first);
        let mut own = own.take_while(|(_, posting)| posting.item == item);
        own.find(|(_, posting)| {
            let change = record.changes.get(posting.change as usize);
            change.is_some_and(|change| change.entity == entity)
        })
    }

    fn end(&self, entity: EntityId, item: u32) -> End {
        let Some((place, posting)) = self.posting(entity, item) else {
            return id_alone(entity);
        };
        End {
            kind: self.kind(posting),
            id: entity,
            version: self.versions.get(place).copied(),
            balance_after: i64::try_from(posting.balance).ok(),
        }
    }

    fn kind(&self, posting: &Posting) -> Option<&'static str> {
        let change = self.record.changes.get(posting.change as usize)?;
        change.kind().map(Kind::name)
    }

    /// Every end of a transaction of many legs but the world outside.
    fn parts(&self) -> Vec<Part> {
        let postings = self.record.postings.iter().zip(&self.versions);
        let parts = postings.filter_map(|(posting, version)| {
            let change = self.record.changes.get(posting.change as usize)?;
            Some(Part {
                kind: self.kind(posting),
                id: change.entity,
                amount: posting.amount,
                currency: posting.currency,
                version: Some(*version),
                balance_after: i64::try_from(posting.balance).ok(),
            })
        });
        parts.collect()
    }
}

/// Of each posting's entity the version right after it: a change's last posting has the change's.
fn versions_after(record: &Record) -> Vec<u64> {
    let mut left: Vec<u64> = record.changes.iter().map(|change| change.version).collect();
    let mut versions = vec![0; record.postings.len()];
    for (version, posting) in versions.iter_mut().zip(&record.postings).rev() {
        if let Some(left) = left.get_mut(posting.change as usize) {
            *version = *left;
            *left = left.saturating_sub(1);
        }
    }
    versions
}

fn id_alone(id: EntityId) -> End {
    End {
        kind: None,
        id,
        version: None,
        balance_after: None,
    }
}

/// Why a command was refused, as the documents say it.
fn sentence(rejection: &Rejection) -> String {
    match rejection.code {
        Code::NotFound => "Account not found".to_owned(),
        _ => rejection.detail.to_string(),
    }
}
