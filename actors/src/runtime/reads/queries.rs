//! Reads: a read is answered only once the state that it shows is durable.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use crate::base::{Page, ReadFault, TrialBalance, WithPersonal, operation_entry, search};
use crate::entities::{
    Account, AccountView, Balances, Card, CardView, Kind, ListRow, Registered, State,
    TransferStatus, TransferView, Viewed, Wallet, WalletView,
};
use crate::record::{Movement, Outcome};
use crate::runtime::admission::core::{Core, OperationAt};
use crate::runtime::idempotency::index::{Found, unreadable};
use crate::runtime::ledger::answering::read_decided;
use crate::runtime::ledger::state::Ledger;
use crate::runtime::replies::deadline::within;
use crate::runtime::replies::reply::{Health, Operation, Unavailable};
use crate::runtime::residency::seat::Seat;
use crate::views::{
    AccountFilter, Mark, Period, Standing, TransferFilter, TransferMark, as_of, read_movements,
};
use crate::words::{Currency, EntityId, InputPositions, OperationId, Timestamp};

impl Core {
    /// Returns how far the partitions of command topics were read, according to every record that
    /// was durable at the time of the call.
    ///
    /// # Errors
    /// Returns an error if the views can't be read, or didn't catch up in time.
    pub async fn input_positions(&self) -> Result<InputPositions, Unavailable> {
        self.views_reach().await?;
        Ok(self.0.views.inputs())
    }

    /// Returns an account's current state, or `None` if there is no such account.
    ///
    /// # Errors
    /// Returns an error if the account can't be read now.
    pub async fn account(
        &self,
        id: EntityId,
    ) -> Result<Option<WithPersonal<AccountView>>, Unavailable> {
        self.entity::<Account>(id).await
    }

    /// Returns an entity's current state and its personal values, or `None` if there is no such
    /// entity of that kind.
    ///
    /// # Errors
    /// Returns an error if the entity can't be read now.
    pub async fn entity<E: Registered + Viewed>(
        &self,
        id: EntityId,
    ) -> Result<Option<WithPersonal<E::View>>, Unavailable>
    where
        E::View: Send + 'static,
    {
        self.seated(id, move |seat| {
            let present = seat.present.borrow();
            let entity = present.state.as_ref().and_then(E::of)?;
            Some(WithPersonal {
                view: entity.view(id, present.version),
                personal: present.personal.clone(),
            })
        })
        .await
    }

    /// Returns a page of the entities that have such a row, in the order of their creation. The
    /// page shows everything that was durable at the time of the call.
    ///
    /// # Errors
    /// Returns an error if the views can't be read, or didn't catch up in time.
    pub async fn list<E: Registered + Viewed>(
        &self,
        row: ListRow,
        after: Option<EntityId>,
        limit: usize,
    ) -> Result<Page<WithPersonal<E::View>, EntityId>, Unavailable>
    where
        E::View: Send + 'static,
    {
        self.views_reach().await?;
        let (views, reader) = (self.0.views.clone(), self.0.reader.clone());
        self.blocking(move || views.list::<E>(&reader, &row, after, limit))
            .await
    }

    /// Returns a wallet's current state, or `None` if there is no such wallet.
    ///
    /// # Errors
    /// Returns an error if the wallet can't be read now.
    pub async fn wallet(&self, id: EntityId) -> Result<Option<WalletView>, Unavailable> {
        let found = self.entity::<Wallet>(id).await?;
        Ok(found.map(|found| found.view))
    }

    /// Returns the current state of a card of this journal, or `None` if there is no such card.
    ///
    /// # Errors
    /// Returns an error if the card can't be read now.
    pub async fn card(&self, id: EntityId) -> Result<Option<CardView>, Unavailable> {
        let found = self.entity::<Card>(id).await?;
        Ok(found.map(|found| found.view))
    }

    /// Returns a page of an account's cards of this journal, in the order of their creation. The
    /// page shows everything that was durable at the time of the call.
    ///
    /// # Errors
    /// Returns an error if the views can't be read, or didn't catch up in time.
    pub async fn cards(
        &self,
        account: EntityId,
        after: Option<EntityId>,
        limit: usize,
    ) -> Result<Page<CardView, EntityId>, Unavailable> {
        let page = self.list::<Card>(Card::row(account), after, limit).await?;
        Ok(page.map(|found| found.view))
    }

    /// Returns a page of a customer's wallets, in the order of their creation. The page shows
    /// everything that was durable at the time of the call.
    ///
    /// # Errors
    /// Returns an error if the views can't be read, or didn't catch up in time.
    pub async fn wallets(
        &self,
        customer: EntityId,
        after: Option<EntityId>,
        limit: usize,
    ) -> Result<Page<WalletView, EntityId>, Unavailable> {
        let page = self
            .list::<Wallet>(Wallet::row(customer), after, limit)
            .await?;
        Ok(page.map(|found| found.view))
    }

    /// Returns a transfer's current state, pending or not, or `None` if there is no such transfer.
    ///
    /// # Errors
    /// Returns an error if the transfer can't be read now.
    pub async fn transfer(&self, id: EntityId) -> Result<Option<TransferView>, Unavailable> {
        let entity = self
            .seated(id, move |seat| match &seat.present.borrow().state {
                Some(State::Transfer(transfer)) => Some(transfer.view(id)),
                _ => None,
            })
            .await?;
        if entity.is_some() {
            return Ok(entity);
        }
        // A transfer that was made at once and never reversed is no entity; its record contains
        // everything.
        let operation = self.operation(id.operation()).await?;
        let Some(Operation::Decided(decided)) = operation else {
            return Ok(None);
        };
        let made = decided.record.transfer(id.operation());
        Ok(made.map(|made| TransferView {
            id,
            status: TransferStatus::Posted,
            posted_amount: made.amount.get(),
            made,
            reversed_by: None,
        }))
    }

    /// Returns a page of transfers, newest first. The page shows everything that was durable at the
    /// time of the call. It may be short without being the last one.
    ///
    /// # Errors
    /// Returns an error if the views or the entity can't be read, or the views didn't catch up in
    /// time.
    pub async fn transfers(
        &self,
        filter: TransferFilter,
        after: Option<TransferMark>,
        limit: usize,
    ) -> Result<Page<TransferView, TransferMark>, Unavailable> {
        let head = match filter.walks().filter(|_| after.is_none()) {
            Some(entity) => self
                .seated(entity, |seat| {
                    let present = seat.present.borrow();
                    let moves = present.state.as_ref()?.money().is_some();
                    moves.then_some(present.last)
                })
                .await?
                .unwrap_or(0),
            None => 0,
        };
        self.views_reach().await?;
        let (views, reader) = (self.0.views.clone(), self.0.reader.clone());
        self.blocking(move || views.transfers(&reader, &filter, head, after, limit))
            .await
    }

    /// Returns the currency and the current balances of an entity, or `None` if there is
    /// no such entity of that kind.
    ///
    /// # Errors
    /// Returns an error if the entity can't be read now.
    pub async fn balances(
        &self,
        id: EntityId,
        kind: Kind,
    ) -> Result<Option<(Currency, Balances)>, Unavailable> {
        self.seated(id, move |seat| {
            let present = seat.present.borrow();
            let state = present
                .state
                .as_ref()
                .filter(|state| state.kind() == kind)?;
            let (currency, balance) = state.money()?;
            Some((currency, balance.at_version(present.version)))
        })
        .await
    }

    /// Returns a page of accounts, in the order of their creation. The page shows everything that
    /// was durable at the time of the call.
    ///
    /// # Errors
    /// Returns an error if the views can't be read, or didn't catch up in time.
    pub async fn accounts(
        &self,
        filter: AccountFilter,
        after: Option<EntityId>,
        limit: usize,
    ) -> Result<Page<WithPersonal<AccountView>, EntityId>, Unavailable> {
        self.views_reach().await?;
        let (views, reader) = (self.0.views.clone(), self.0.reader.clone());
        self.blocking(move || views.accounts(&reader, &filter, after, limit))
            .await
    }

    /// Returns a page of an entity's movements in a period, newest first, or `None` if
    /// there is no such entity of that kind. `before` is the `next` of the previous page.
    ///
    /// # Errors
    /// Returns an error if the movements can't be read now.
    pub async fn movements(
        &self,
        entity: EntityId,
        kind: Kind,
        period: Period,
        before: Option<Mark>,
        limit: usize,
    ) -> Result<Option<Page<Movement, Mark>>, Unavailable> {
        let head = self.head(entity, kind).await?;
        let Some(head) = head else { return Ok(None) };
        let (views, reader) = (self.0.views.clone(), self.0.reader.clone());
        self.blocking(move || {
            let from = match before {
                Some(before) => before,
                None => {
                    let begin = match period {
                        Period::ALWAYS => None,
                        period => views.begin(entity, period)?,
                    };
                    Mark {
                        record: begin.map_or(head, |begin| begin.min(head)),
                        shown: 0,
                    }
                }
            };
            read_movements(&reader, entity, from, period, limit)
        })
        .await
        .map(Some)
    }

    /// Returns the balance of an entity right after its last record before `time`, or
    /// `None` if there is no such entity of that kind or it was opened at `time` or later.
    ///
    /// # Errors
    /// Returns an error if the balance can't be read now.
    pub async fn balance_at(
        &self,
        entity: EntityId,
        kind: Kind,
        time: Timestamp,
    ) -> Result<Option<Standing>, Unavailable> {
        let head = self.head(entity, kind).await?;
        let Some(head) = head else { return Ok(None) };
        let (views, reader) = (self.0.views.clone(), self.0.reader.clone());
        self.blocking(move || as_of(&views, &reader, entity, head, time))
            .await
    }

    /// Returns an entity's last record, or `None` if there is no such entity of that kind.
    async fn head(&self, entity: EntityId, kind: Kind) -> Result<Option<u64>, Unavailable> {
        self.seated(entity, move |seat| {
            (seat.kind() == Some(kind)).then(|| seat.present.borrow().last)
        })
        .await
    }

    /// Returns a command's operation, pending or decided, or `None` if the command never took
    /// effect and never will.
    ///
    /// # Errors
    /// Returns an error if the operation can't be read now.
    pub async fn operation(&self, id: OperationId) -> Result<Option<Operation>, Unavailable> {
        let found = match self.looked_up(id, operation_entry(id)).await? {
            // The sender of a message knows the operation by the id in the message.
            None => self.looked_up(id, operation_entry(id.external())).await?,
            found => found,
        };
        let decided = match found {
            Some(Operation::Decided(decided)) => decided,
            other => return Ok(other),
        };
        if decided.record.outcome != Outcome::Accepted {
            return Ok(Some(Operation::Decided(decided)));
        }
        // The command was accepted first, so another record contains its outcome. The id is taken
        // from the record, because the operation of a repeat that got 504 leads to the first
        // request's record.
        let id = decided.record.operation_id;
        let execution = operation_entry(id.execution());
        match self.looked_up(id, execution).await? {
            Some(Operation::Decided(executed)) => Ok(Some(Operation::Decided(executed))),
            _ => Ok(Some(Operation::Pending {
                id,
                kind: decided.record.command.kind(),
                created_at: decided.record.time,
            })),
        }
    }

    /// Returns whether this journal has an operation that Florin gave this id. An operation that
    /// only a message named so doesn't count.
    ///
    /// # Errors
    /// Returns an error if the operation can't be read now.
    pub async fn is_own_operation(&self, id: OperationId) -> Result<bool, Unavailable> {
        if !id.may_be_own() {
            return Ok(false);
        }
        let found = self.looked_up(id, operation_entry(id)).await?;
        Ok(found.is_some())
    }

    /// Returns the operations that are not yet decided and durable, in the order of their ids.
    ///
    /// # Errors
    /// Returns an error if the node is shutting down.
    pub async fn pending(
        &self,
        after: Option<OperationId>,
        limit: usize,
    ) -> Result<Page<Operation, OperationId>, Unavailable> {
        self.ask(move |ledger, sender| {
            // A caller that has gone needs no answer.
            let _ = sender.send(ledger.pending(after, limit));
        })
        .await
    }

    /// Waits until a command in flight is decided and durable. For any other id it returns at once.
    pub async fn wait_for_operation(&self, id: OperationId) {
        // The wait also ends when the node does.
        let _ = self
            .ask(move |ledger, sender| ledger.listen(id, sender))
            .await;
    }

    /// Looks up the operation `id` under its index entry `entry`, and reads the record that the
    /// entry leads to.
    async fn looked_up(
        &self,
        id: OperationId,
        entry: u128,
    ) -> Result<Option<Operation>, Unavailable> {
        let at = self
            .ask(move |ledger, sender| ledger.find_operation(id, entry, sender))
            .await?;
        let (sequence, is_exact) = match at {
            OperationAt::Queued(id, queued) => {
                let (kind, created_at) = (queued.kind, queued.created_at);
                return Ok(Some(Operation::Pending {
                    id,
                    kind,
                    created_at,
                }));
            }
            OperationAt::Record(sequence) => (sequence, true),
            OperationAt::Perhaps(segments) => {
                let searched = self.0.beside.run(move || search(&segments, entry)).await;
                match searched {
                    None => return Err(Unavailable::ShuttingDown),
                    Some(Err(error)) => return Err(unreadable(&error)),
                    Some(Ok(None)) => return Ok(None),
                    Some(Ok(Some(sequence))) => (sequence, false),
                }
            }
        };
        let reader = self.0.reader.clone();
        let (decided, _) = self
            .blocking(move || read_decided(&reader, sequence))
            .await?;
        // An entry found on disk is checked against its record. An entry found in memory is not
        // checked: there, the operation of a repeat that got 504 leads to the first request's
        // record.
        let of_entry = |own| operation_entry(own) == entry;
        let is_own = is_exact || decided.record.operations().any(of_entry);
        Ok(is_own.then(|| Operation::Decided(Box::new(decided))))
    }

    /// Returns the totals of all postings of the ledger. They include everything that was durable
    /// at the time of the call.
    ///
    /// # Errors
    /// Returns an error if the views didn't catch up in time.
    pub async fn trial_balance(&self) -> Result<TrialBalance, Unavailable> {
        self.views_reach().await?;
        let views = self.0.views.clone();
        self.blocking(move || Ok::<_, ReadFault>(views.trial_balance()))
            .await
    }

    /// Returns the number of actors of each kind and state.
    ///
    /// # Errors
    /// Returns an error if the node is shutting down.
    pub async fn actor_counts(
        &self,
    ) -> Result<Vec<(&'static str, &'static str, u64)>, Unavailable> {
        self.ask(move |ledger, sender| {
            let directory = ledger.residents.directory();
            let counts = directory.counts().iter();
            let counts = counts
                .map(|((kind, phase), count)| (kind.name(), phase.name(), *count))
                .collect();
            let _ = sender.send(counts);
        })
        .await
    }

    /// Returns the number of idempotency keys in the index.
    ///
    /// # Errors
    /// Returns an error if the node is shutting down.
    pub async fn idempotency_keys(&self) -> Result<u64, Unavailable> {
        self.ask(move |ledger, sender| {
            // A caller that has gone needs no answer.
            let _ = sender.send(ledger.settled.keys());
        })
        .await
    }

    /// Returns the memory of the indexes of keys and operations, in bytes.
    pub fn index_memory_bytes(&self) -> u64 {
        self.0.views.index_memory().bytes()
    }

    /// Returns the hash chain's link of the frame that holds a durable record.
    ///
    /// # Errors
    /// Returns an error if the frame can't be read now.
    pub async fn link(&self, sequence: u64) -> Result<Option<[u8; 32]>, Unavailable> {
        let reader = self.0.reader.clone();
        self.blocking(move || {
            let frames = reader.scan(sequence, 1)?;
            Ok::<_, ReadFault>(frames.first().map(|frame| frame.link))
        })
        .await
    }

    /// Returns the number of erasures of personal data that are durable and not yet carried out on
    /// disk.
    pub fn erasures_pending(&self) -> usize {
        self.0.reader.withheld_rows()
    }

    /// Returns the node's health.
    pub fn health(&self) -> Health {
        let shared = &self.0;
        let free = shared.disk.free_bytes().ok();
        let disk_low = shared.disk_low.load(Ordering::Acquire);
        let views_running = shared.views.is_running();
        Health {
            ready: !shared.draining.load(Ordering::Acquire),
            journal_durable: shared.watermark.durable(),
            journal_backlog: shared.queue.backlog_records(),
            views_position: shared.views.position(),
            views_lag: self.lag(),
            views_behind: self.lag() > shared.lag_records_max,
            views_running,
            disk_free_bytes: free,
            disk_low,
            clock_jump_micros: shared.guarded.jump_micros(),
            in_flight: shared.permits.taken() as u64,
        }
    }

    /// Waits, for at most `list_wait`, until the views contain everything that is durable now.
    pub(in crate::runtime) async fn views_reach(&self) -> Result<(), Unavailable> {
        let durable = self.0.watermark.durable();
        if self.0.views.position() >= durable {
            return Ok(());
        }
        tokio::time::timeout(self.0.list_wait, self.0.views.reach(durable))
            .await
            .map_err(|_| Unavailable::ViewBehind)
    }

    /// Reads an entity's seat, after loading the entity if necessary, and waits until the state
    /// that was read is durable.
    async fn seated<T: Send + 'static>(
        &self,
        entity: EntityId,
        read: impl FnOnce(&Seat) -> Option<T> + Send + 'static,
    ) -> Result<Option<T>, Unavailable> {
        let read = self.ask(move |ledger, sender| {
            let ledger = Rc::clone(ledger);
            let seat = ledger.residents.seat(entity);
            match seat.filter(|seat| seat.is_readable()) {
                Some(seat) => ledger.show(&seat, read, sender),
                None => {
                    actix_rt::spawn(async move {
                        let seat = ledger.seat_of(entity);
                        seat.ready().await;
                        if seat.is_readable() {
                            ledger.show(&seat, read, sender);
                        } else {
                            let _ = sender.send(Err(Unavailable::Quarantined));
                        }
                    });
                }
            }
        });
        within(self.0.read_wait, read)
            .await
            .unwrap_or(Err(Unavailable::ReadTimedOut))?
    }
}

impl Ledger {
    fn show<T: Send + 'static>(
        self: &Rc<Self>,
        seat: &Seat,
        read: impl FnOnce(&Seat) -> Option<T>,
        sender: oneshot::Sender<Result<Option<T>, Unavailable>>,
    ) {
        seat.needed.set(self.clock.moment().millis());
        let value = read(seat);
        let rests_on = seat.present.borrow().last;
        self.forget_vacant(seat);
        self.when_durable(rests_on, move || {
            let _ = sender.send(Ok(value));
        });
    }

    fn find_operation(
        self: &Rc<Self>,
        id: OperationId,
        entry: u128,
        sender: oneshot::Sender<OperationAt>,
    ) {
        self.forget_settled();
        if let Some(queued) = self.under_way.borrow().queued(id) {
            let _ = sender.send(OperationAt::Queued(id, queued));
            return;
        }
        let found = self.settled.operation(entry);
        match found {
            Found::At(sequence) => self.when_durable(sequence, move || {
                let _ = sender.send(OperationAt::Record(sequence));
            }),
            Found::Perhaps(segments) => {
                let _ = sender.send(OperationAt::Perhaps(segments));
            }
        }
    }
}
