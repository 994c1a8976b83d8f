//! Which entities a command touches, in which order, what each is asked to do, and which rule is
//! told when several say no.

use super::balance::no_such;
use super::numbering::Numbering;
use super::transfer::{Transfer, never_pending};
use super::{State, Step};
use crate::messages::{
    Code, Command, Currency, EntityId, Event, Hold, Kind, NumberingEvent, OperationId, Rejection,
    Timestamp, TransferMade,
};

/// What is known of an entity in memory.
pub enum Lookup<'a> {
    /// Not in memory: it must be loaded before anything is decided.
    Unloaded,
    /// There is none.
    Absent,
    /// Its state.
    Here(&'a State),
}

/// What the journal tells of a transfer that is no entity.
#[derive(Debug, Clone, PartialEq)]
pub enum Original {
    /// It must be read before anything is decided.
    Unread,
    /// There is no such transfer.
    Absent,
    /// It was made at once.
    Immediate(Box<TransferMade>),
    /// It is a transaction of many legs.
    ManyLegs,
}

/// What a plan may know beside the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The entity whose actor asks: the one that the command routes to, or the new one's id.
    pub subject: EntityId,
    /// The operation.
    pub operation: OperationId,
    /// The time of the record that would be made.
    pub now: Timestamp,
}

/// The entities as they are before the command.
pub trait States {
    /// What is known of an entity.
    fn look(&mut self, entity: EntityId) -> Lookup<'_>;

    /// What the journal tells of a transfer that is no entity.
    fn original(&mut self, transfer: EntityId) -> Original;

    /// Takes that an entity's id was just drawn: there is none yet. `false`: somebody asked for it
    /// before it came into being, and it is being looked for.
    fn fresh(&mut self, entity: EntityId) -> bool;

    /// Whether money may move in a currency; not in an asset that is no longer declared.
    fn trades(&self, currency: Currency) -> bool;
}

/// One entity's part of a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The entity.
    pub entity: EntityId,
    /// Its kind.
    pub kind: Kind,
    /// What it is asked to do.
    pub step: Step,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq)]
pub enum Stop {
    /// This entity must be loaded first.
    Load(EntityId),
    /// The record that made this transfer must be read first.
    Read(EntityId),
    /// A rule says no, whatever the entities' states.
    Refuse(Rejection),
}

/// The parts of a command, debits before credits.
///
/// # Errors
/// [`Stop::Load`] and [`Stop::Read`] for what must be in memory first, [`Stop::Refuse`] where an
/// entity is missing.
pub fn plan(command: &Command, asked: Asked, states: &mut impl States) -> Result<Vec<Part>, Stop> {
    let Asked {
        subject,
        operation,
        now,
    } = asked;
    let parts = match command {
        Command::OpenAccount(open) => {
            let counter = Kind::Numbering.system_id(None, subject.shard());
            let state = match states.look(counter) {
                Lookup::Unloaded => return Err(Stop::Load(counter)),
                Lookup::Absent => None,
                Lookup::Here(state) => Some(state),
            };
            let events =
                State::decide(Kind::Numbering, state, &Step::Issue, now).map_err(Stop::Refuse)?;
            let Some(Event::Numbering(NumberingEvent::Issued(next))) = events.first() else {
                return Err(not_found());
            };
            let number = Numbering::number(*next, subject.shard());
            vec![
                Part {
                    entity: counter,
                    kind: Kind::Numbering,
                    step: Step::Issue,
                },
                account(subject, Step::Open(open.clone(), number)),
            ]
        }
        Command::UpdateAccount(update) => {
            known_as(states, update.account, Kind::Account)?;
            vec![account(
                update.account,
                Step::Update(update.status, update.overdraft),
            )]
        }
        Command::DeleteAccount(delete) => {
            known_as(states, delete.account, Kind::Account)?;
            vec![account(delete.account, Step::Delete)]
        }
        Command::EraseAccount(erase) => {
            known_as(states, erase.account, Kind::Account)?;
            vec![account(erase.account, Step::Erase)]
        }
        Command::Deposit(deposit) => {
            let (kind, own) = known(states, deposit.to)?;
            let currency = deposit.currency.unwrap_or(own);
            let external = external(states, own, deposit.to)?;
            vec![
                Part {
                    step: Step::Debit(deposit.amount, own),
                    ..external
                },
                Part {
                    entity: deposit.to,
                    kind,
                    step: Step::Credit(deposit.amount, currency),
                },
            ]
        }
        Command::Withdraw(withdraw) => {
            let (kind, own) = known(states, withdraw.from)?;
            let currency = withdraw.currency.unwrap_or(own);
            let external = external(states, own, withdraw.from)?;
            vec![
                Part {
                    entity: withdraw.from,
                    kind,
                    step: Step::Debit(withdraw.amount, currency),
                },
                Part {
                    step: Step::Credit(withdraw.amount, own),
                    ..external
                },
            ]
        }
        Command::Transfer(transfer) => {
            let (from_kind, own) = known(states, transfer.from)?;
            let (to_kind, _) = known(states, transfer.to)?;
            let currency = transfer.currency.unwrap_or(own);
            let amount = transfer.amount;
            vec![
                Part {
                    entity: transfer.from,
                    kind: from_kind,
                    step: Step::Debit(amount, currency),
                },
                Part {
                    entity: transfer.to,
                    kind: to_kind,
                    step: Step::Credit(amount, currency),
                },
            ]
        }
        Command::Hold(hold) => {
            let transfer = &hold.transfer;
            let (from_kind, own) = known(states, transfer.from)?;
            let (to_kind, _) = known(states, transfer.to)?;
            let currency = transfer.currency.unwrap_or(own);
            let made = made(hold, currency, now);
            if !states.fresh(operation.transfer()) {
                return Err(Stop::Load(operation.transfer()));
            }
            vec![
                Part {
                    entity: transfer.from,
                    kind: from_kind,
                    step: Step::Hold(transfer.amount, currency),
                },
                Part {
                    entity: transfer.to,
                    kind: to_kind,
                    step: Step::Expect(currency),
                },
                of_transfer(operation.transfer(), Step::BeginTransfer(Box::new(made))),
            ]
        }
        Command::Post(post) => {
            let held = pending(states, post.transfer)?;
            let taken = held.taken(post.amount, post.is_final);
            let (made, held_at) = (held.made(), held.made().made_at);
            let (from_kind, _) = known(states, made.from)?;
            let (to_kind, _) = known(states, made.to)?;
            vec![
                Part {
                    entity: made.from,
                    kind: from_kind,
                    step: Step::PostHold {
                        amount: taken.amount,
                        freed: taken.freed,
                        held_at,
                    },
                },
                Part {
                    entity: made.to,
                    kind: to_kind,
                    step: Step::Credit(taken.amount, made.currency),
                },
                of_transfer(post.transfer, Step::Post(taken)),
            ]
        }
        Command::Void(void) => {
            let held = pending(states, void.transfer)?;
            // The answer shows it.
            known(states, held.made().to)?;
            released(states, void.transfer, &held, Step::Void)?
        }
        Command::Expire(expire) => {
            let held = pending(states, expire.transfer)?;
            if !held.is_to_expire(now) {
                return Ok(Vec::new());
            }
            released(states, expire.transfer, &held, Step::Expire)?
        }
        Command::Reverse(reverse) => {
            let id = reverse.transfer;
            let (made, amount, step) = match transfer(states, id)? {
                Some(transfer) => {
                    let made = transfer.made().clone();
                    let amount = transfer.moved().unwrap_or(made.amount);
                    (made, amount, Step::Reverse)
                }
                None => {
                    let made = match states.original(id) {
                        Original::Unread => return Err(Stop::Read(id)),
                        Original::Absent => return Err(Stop::Refuse(no_such("transfer"))),
                        Original::ManyLegs => return Err(Stop::Refuse(many_legs())),
                        Original::Immediate(made) => made,
                    };
                    let amount = made.amount;
                    (TransferMade::clone(&made), amount, Step::NoteTransfer(made))
                }
            };
            let (from_kind, _) = known(states, made.to)?;
            let (to_kind, _) = known(states, made.from)?;
            vec![
                Part {
                    entity: made.to,
                    kind: from_kind,
                    step: Step::Debit(amount, made.currency),
                },
                Part {
                    entity: made.from,
                    kind: to_kind,
                    step: Step::Credit(amount, made.currency),
                },
                of_transfer(id, step),
            ]
        }
        Command::OpenWallet(open) => vec![Part {
            entity: subject,
            kind: Kind::Wallet,
            step: Step::OpenWallet(open.clone()),
        }],
        Command::UpdateWallet(update) => {
            known_as(states, update.wallet, Kind::Wallet)?;
            vec![Part {
                entity: update.wallet,
                kind: Kind::Wallet,
                step: Step::UpdateWallet(update.status, update.overdraft, update.limits),
            }]
        }
        // About the actor, not the entity: nothing of it changes. What has many parts is planned
        // part by part.
        Command::Quarantine(_) | Command::Resume(_) | Command::Transact(_) | Command::Batch(_) => {
            Vec::new()
        }
    };
    Ok(parts)
}

/// What each part's entity makes of it, in the order of the parts; of several refusals the one of
/// the lowest rank.
///
/// # Errors
/// The refusal; nothing changed.
pub fn decide(
    parts: &[Part],
    states: &mut impl States,
    now: Timestamp,
) -> Result<Vec<Vec<Event>>, Rejection> {
    let mut refusal: Option<(u8, Rejection)> = None;
    let mut refuse = |rank: u8, rejection: Rejection| {
        if refusal.as_ref().is_none_or(|(lowest, _)| rank < *lowest) {
            refusal = Some((rank, rejection));
        }
    };
    let mut decided = Vec::with_capacity(parts.len());
    for part in parts {
        if let Some(currency) = part.step.currency().filter(|one| !states.trades(*one)) {
            let detail = format!("{currency} is no asset of the settings, or has another scale");
            let rejection = Rejection::new(Code::CurrencyMismatch, detail);
            refuse(rejection.code.rank(), rejection);
        }
        let state = match states.look(part.entity) {
            Lookup::Here(state) => Some(state),
            Lookup::Absent | Lookup::Unloaded => None,
        };
        match State::decide(part.kind, state, &part.step, now) {
            Ok(events) => decided.push(events),
            Err(rejection) => refuse(rank(&rejection, &part.step), rejection),
        }
    }
    if let [first, second, ..] = parts
        && first.entity == second.entity
    {
        let rejection = Rejection::new(Code::SameAccount, "both ends are the same account");
        refuse(rejection.code.rank(), rejection);
    }
    match refusal {
        Some((_, rejection)) => Err(rejection),
        None => Ok(decided),
    }
}

/// A refusal's rank: the target's limits come after the source's funds.
pub(super) const fn rank(rejection: &Rejection, step: &Step) -> u8 {
    match (rejection.code, step) {
        (Code::LimitExceeded, Step::Credit(..)) => Code::BalanceLimitExceeded.rank(),
        (code, _) => code.rank(),
    }
}

/// What a pending transfer is from its first moment.
fn made(hold: &Hold, currency: Currency, now: Timestamp) -> TransferMade {
    let transfer = &hold.transfer;
    let expires_in = hold.expires_in_seconds;
    TransferMade {
        from: transfer.from,
        to: transfer.to,
        amount: transfer.amount,
        currency,
        expires_at: expires_in.map(|seconds| now.plus_millis(u64::from(seconds) * 1_000)),
        reference: transfer.reference.clone(),
        metadata: transfer.metadata.clone(),
        made_at: now,
    }
}

/// A transfer that is an entity.
fn transfer(states: &mut impl States, id: EntityId) -> Result<Option<Transfer>, Stop> {
    match states.look(id) {
        Lookup::Unloaded => Err(Stop::Load(id)),
        Lookup::Here(State::Transfer(transfer)) => Ok(Some(transfer.clone())),
        Lookup::Here(_) => Err(Stop::Refuse(no_such("transfer"))),
        Lookup::Absent => Ok(None),
    }
}

/// A transfer to be posted or to end; whether it is pending it says itself.
fn pending(states: &mut impl States, id: EntityId) -> Result<Transfer, Stop> {
    match transfer(states, id)? {
        Some(transfer) => Ok(transfer),
        None => match states.original(id) {
            Original::Unread => Err(Stop::Read(id)),
            Original::Absent => Err(Stop::Refuse(no_such("transfer"))),
            // The transfer says so itself, for the rules of its ends come first.
            Original::Immediate(made) => Ok(Transfer::immediate(&made)),
            Original::ManyLegs => Err(Stop::Refuse(never_pending())),
        },
    }
}

/// The parts of an end that posts nothing more: what is still held is released.
fn released(
    states: &mut impl States,
    id: EntityId,
    held: &Transfer,
    step: Step,
) -> Result<Vec<Part>, Stop> {
    let made = held.made();
    let (kind, _) = known(states, made.from)?;
    let amount = held.held().unwrap_or(made.amount);
    let release = Step::ReleaseHold {
        amount,
        held_at: made.made_at,
    };
    Ok(vec![
        Part {
            entity: made.from,
            kind,
            step: release,
        },
        of_transfer(id, step),
    ])
}

fn many_legs() -> Rejection {
    Rejection::new(
        Code::NotReversible,
        "a transaction of many legs can't be reversed: make the opposite one",
    )
}

const fn of_transfer(entity: EntityId, step: Step) -> Part {
    Part {
        entity,
        kind: Kind::Transfer,
        step,
    }
}

/// The kind and currency of an entity that a caller may name in a movement.
fn known(states: &mut impl States, entity: EntityId) -> Result<(Kind, Currency), Stop> {
    match states.look(entity) {
        Lookup::Unloaded => Err(Stop::Load(entity)),
        Lookup::Absent => Err(not_found()),
        Lookup::Here(state) => match state.money() {
            Some((currency, _)) => Ok((state.kind(), currency)),
            None => Err(not_found()),
        },
    }
}

/// That an entity is of the kind that a command is about.
fn known_as(states: &mut impl States, entity: EntityId, kind: Kind) -> Result<(), Stop> {
    match known(states, entity)? {
        (own, _) if own == kind => Ok(()),
        _ => Err(Stop::Refuse(no_such(kind.name()))),
    }
}

/// The world outside, as the other end of a movement of `entity`.
fn external(states: &mut impl States, currency: Currency, entity: EntityId) -> Result<Part, Stop> {
    let id = Kind::External.system_id(Some(currency), entity.shard());
    match states.look(id) {
        Lookup::Unloaded => Err(Stop::Load(id)),
        _ => Ok(Part {
            entity: id,
            kind: Kind::External,
            step: Step::Issue,
        }),
    }
}

fn account(entity: EntityId, step: Step) -> Part {
    Part {
        entity,
        kind: Kind::Account,
        step,
    }
}

fn not_found() -> Stop {
    Stop::Refuse(Rejection::new(Code::NotFound, "Account not found"))
}
