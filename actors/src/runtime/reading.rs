//! Reads: what is shown has been made durable first.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::answering::read_decided;
use super::core::{Core, OperationAt};
use super::deadline::within;
use super::index::{Found, operation_entry, search, unreadable};
use super::ledger::Ledger;
use super::reply::{Account, Health, Operation, Page, TrialBalance, Unavailable};
use super::seat::Seat;
use crate::entities::State;
use crate::messages::{
    Balances, CardView, Currency, EntityId, Kind, Movement, OperationId, Outcome, Timestamp,
    TransferStatus, TransferView, WalletView,
};
use crate::views::{
    AccountFilter, Mark, Period, Standing, TransferFilter, TransferMark, as_of, read_movements,
};

impl Core {
    /// An account as it is now. `None`: no such account.
    ///
    /// # Errors
    /// It can't be read now.
    pub async fn account(&self, id: EntityId) -> Result<Option<Account>, Unavailable> {
        self.seated(id, move |seat| {
            let present = seat.present.borrow();
            match &present.state {
                Some(State::Account(account)) => Some(Account {
                    view: account.view(id, present.version),
                    holder: present.holder.clone(),
                }),
                _ => None,
            }
        })
        .await
    }

    /// A wallet as it is now. `None`: no such wallet.
    ///
    /// # Errors
    /// It can't be read now.
    pub async fn wallet(&self, id: EntityId) -> Result<Option<WalletView>, Unavailable> {
        self.seated(id, move |seat| {
            let present = seat.present.borrow();
            match &present.state {
                Some(State::Wallet(wallet)) => Some(wallet.view(id, present.version)),
                _ => None,
            }
        })
        .await
    }

    /// A card of this journal as it is now. `None`: no such card.
    ///
    /// # Errors
    /// It can't be read now.
    pub async fn card(&self, id: EntityId) -> Result<Option<CardView>, Unavailable> {
        self.seated(id, move |seat| {
            let present = seat.present.borrow();
            match &present.state {
                Some(State::Card(card)) => Some(card.view(id, present.version)),
                _ => None,
            }
        })
        .await
    }

    /// A page of an account's cards of this journal, in the order of their creation; shows
    /// everything that was durable when the call came.
    ///
    /// # Errors
    /// The views can't be read, or didn't get there in time.
    pub async fn cards(
        &self,
        account: EntityId,
        after: Option<EntityId>,
        limit: usize,
    ) -> Result<Page<CardView, EntityId>, Unavailable> {
        self.views_reach().await?;
        let views = self.0.views.clone();
        self.blocking(move || views.cards(account, after, limit))
            .await
    }

    /// A page of a customer's wallets, in the order of their creation; shows everything that was
    /// durable when the call came.
    ///
    /// # Errors
    /// The views can't be read, or didn't get there in time.
    pub async fn wallets(
        &self,
        customer: EntityId,
        after: Option<EntityId>,
        limit: usize,
    ) -> Result<Page<WalletView, EntityId>, Unavailable> {
        self.views_reach().await?;
        let views = self.0.views.clone();
        self.blocking(move || views.wallets(customer, after, limit))
            .await
    }

    /// A transfer as it is now, pending or not. `None`: no such transfer.
    ///
    /// # Errors
    /// It can't be read now.
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
        // One that was made at once and never reversed is no entity: its record tells all.
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
        }))
    }

    /// A page of transfers, the newest first; shows everything that was durable when the call came.
    /// A page may be short and yet not the last one.
    ///
    /// # Errors
    /// The views or the entity can't be read, or the views didn't get there in time.
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

    /// An account's or wallet's money as it is now, and its currency. `None`: no such entity of
    /// that kind.
    ///
    /// # Errors
    /// It can't be read now.
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

    /// A page of accounts, in the order of their creation; shows everything that was durable when
    /// the call came.
    ///
    /// # Errors
    /// The views can't be read, or didn't get there in time.
    pub async fn accounts(
        &self,
        filter: AccountFilter,
        after: Option<EntityId>,
        limit: usize,
    ) -> Result<Page<Account, EntityId>, Unavailable> {
        self.views_reach().await?;
        let (views, reader) = (self.0.views.clone(), self.0.reader.clone());
        self.blocking(move || views.accounts(&reader, &filter, after, limit))
            .await
    }

    /// Movements of an account or wallet in a period, newest first; `before`: the `next` of the page
    /// before. `None`: no such entity of that kind.
    ///
    /// # Errors
    /// It can't be read now.
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

    /// The money of an account or wallet right after its last record at `time` or earlier. `None`:
    /// there is no such entity of that kind, or it was opened later.
    ///
    /// # Errors
    /// It can't be read now.
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

    /// An entity's last record. `None`: no such entity of that kind.
    async fn head(&self, entity: EntityId, kind: Kind) -> Result<Option<u64>, Unavailable> {
        self.seated(entity, move |seat| {
            (seat.kind() == Some(kind)).then(|| seat.present.borrow().last)
        })
        .await
    }

    /// What became of a command. `None`: it never took effect and never will.
    ///
    /// # Errors
    /// It can't be read now.
    pub async fn operation(&self, id: OperationId) -> Result<Option<Operation>, Unavailable> {
        let found = match self.looked_up(id, operation_entry(id)).await? {
            // Whoever sent a message knows its operation by the message's own id.
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
        // Accepted first: another record tells what became of it.
        // A repeat that was told 504 leads to the first one's.
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

    /// Whether this journal has an operation of that id; one that a message named so is none.
    ///
    /// # Errors
    /// It can't be read now.
    pub async fn is_own_operation(&self, id: OperationId) -> Result<bool, Unavailable> {
        if !id.may_be_own() {
            return Ok(false);
        }
        let found = self.looked_up(id, operation_entry(id)).await?;
        Ok(found.is_some())
    }

    /// Operations that are not decided and durable yet, in the order of ids.
    ///
    /// # Errors
    /// The node is going down.
    pub async fn pending(
        &self,
        after: Option<OperationId>,
        limit: usize,
    ) -> Result<Page<Operation, OperationId>, Unavailable> {
        self.ask(move |ledger, sender| {
            // A caller that went away has no use for it.
            let _ = sender.send(ledger.pending(after, limit));
        })
        .await
    }

    /// Waits until a command that is under way is decided and durable; doesn't wait for any other.
    pub async fn settled(&self, id: OperationId) {
        // It also ends when the node does.
        let _ = self
            .ask(move |ledger, sender| ledger.listen(id, sender))
            .await;
    }

    /// What the record says that `entry` leads to, if it is about that operation.
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
        // A hit on disk is checked against the record itself. In memory the operation of a repeat
        // that was told 504 leads to the first one's record.
        let of_entry = |own| operation_entry(own) == entry;
        let is_own = is_exact || decided.record.operations().any(of_entry);
        Ok(is_own.then(|| Operation::Decided(Box::new(decided))))
    }

    /// All postings of the ledger; shows everything that was durable when the call came.
    ///
    /// # Errors
    /// The views didn't get there in time.
    pub async fn trial_balance(&self) -> Result<TrialBalance, Unavailable> {
        self.views_reach().await?;
        let views = self.0.views.clone();
        self.blocking(move || Ok(views.trial_balance())).await
    }

    /// How many actors there are of each kind and state.
    ///
    /// # Errors
    /// The node is going down.
    pub async fn actor_counts(
        &self,
    ) -> Result<Vec<(&'static str, &'static str, u64)>, Unavailable> {
        self.ask(move |ledger, sender| {
            let directory = ledger.directory.borrow();
            let counts = directory.counts().iter();
            let counts = counts
                .map(|((kind, phase), count)| (kind.name(), phase.name(), *count))
                .collect();
            let _ = sender.send(counts);
        })
        .await
    }

    /// How many idempotency keys the index holds.
    ///
    /// # Errors
    /// The node is going down.
    pub async fn idempotency_keys(&self) -> Result<u64, Unavailable> {
        self.ask(move |ledger, sender| {
            // A caller that went away has no use for it.
            let _ = sender.send(ledger.keys.borrow().len());
        })
        .await
    }

    /// What the index of keys and operations takes of memory.
    pub fn index_memory_bytes(&self) -> u64 {
        self.0.views.index_memory().bytes()
    }

    /// The chain's link of the frame that holds a durable record.
    ///
    /// # Errors
    /// It can't be read now.
    pub async fn link(&self, sequence: u64) -> Result<Option<[u8; 32]>, Unavailable> {
        let reader = self.0.reader.clone();
        self.blocking(move || {
            let frames = reader
                .scan(sequence, 1)
                .map_err(|error| error.to_string())?;
            Ok(frames.first().map(|frame| frame.link))
        })
        .await
    }

    /// Erasures of personal data that are durable and not yet carried out on the disk.
    pub fn erasures_pending(&self) -> usize {
        self.0.reader.withheld_rows()
    }

    /// How the node is.
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
            views_running,
            disk_free_bytes: free,
            disk_low,
            clock_jump_micros: shared.guarded.jump_micros(),
            in_flight: shared.permits.taken() as u64,
        }
    }

    /// Waits, within the bound, until the views have what is durable now.
    pub(super) async fn views_reach(&self) -> Result<(), Unavailable> {
        let durable = self.0.watermark.durable();
        if self.0.views.position() >= durable {
            return Ok(());
        }
        tokio::time::timeout(self.0.list_wait, self.0.views.reach(durable))
            .await
            .map_err(|_| Unavailable::ViewBehind)
    }

    /// Reads an entity's seat, loading it first, and waits until what was read is durable.
    async fn seated<T: Send + 'static>(
        &self,
        entity: EntityId,
        read: impl FnOnce(&Seat) -> Option<T> + Send + 'static,
    ) -> Result<Option<T>, Unavailable> {
        let read = self.ask(move |ledger, sender| {
            let ledger = Rc::clone(ledger);
            let seat = ledger.directory.borrow().seat(entity).cloned();
            match seat.filter(|seat| seat.is_readable()) {
                Some(seat) => ledger.show(&seat, read, sender),
                None => {
                    actix_rt::spawn(async move {
                        let seat = ledger.seat_of(entity);
                        seat.settled().await;
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
        if let Some(queued) = self.queued.borrow().get(&id) {
            let _ = sender.send(OperationAt::Queued(id, *queued));
            return;
        }
        let found = self.operations.borrow().find(entry);
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
