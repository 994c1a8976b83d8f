//! Which entities a command touches, in which order, what each is asked to do, and which rule is
//! told when several say no.

use super::numbering::Numbering;
use super::{State, Step};
use crate::messages::{Code, Command, Currency, EntityId, Event, Kind, NumberingEvent, Rejection};

/// What is known of an entity in memory.
pub enum Lookup<'a> {
    /// Not in memory: it must be loaded before anything is decided.
    Unloaded,
    /// There is none.
    Absent,
    /// Its state.
    Here(&'a State),
}

/// The entities as they are before the command.
pub trait States {
    /// What is known of an entity.
    fn look(&mut self, entity: EntityId) -> Lookup<'_>;
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
    /// A rule says no, whatever the entities' states.
    Refuse(Rejection),
}

/// The parts of a command, debits before credits. `subject` is the entity whose actor asks: the
/// one that the command routes to, or the new one's id.
///
/// # Errors
/// [`Stop::Load`] for what must be in memory first, [`Stop::Refuse`] where an entity is missing.
pub fn plan(
    command: &Command,
    subject: EntityId,
    states: &mut impl States,
) -> Result<Vec<Part>, Stop> {
    let parts = match command {
        Command::OpenAccount(open) => {
            let counter = Kind::Numbering.system_id(None, subject.shard());
            let state = match states.look(counter) {
                Lookup::Unloaded => return Err(Stop::Load(counter)),
                Lookup::Absent => None,
                Lookup::Here(state) => Some(state),
            };
            let events =
                State::decide(Kind::Numbering, state, &Step::Issue).map_err(Stop::Refuse)?;
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
            known(states, update.account)?;
            vec![account(
                update.account,
                Step::Update(update.status, update.overdraft),
            )]
        }
        Command::DeleteAccount(delete) => {
            known(states, delete.account)?;
            vec![account(delete.account, Step::Delete)]
        }
        Command::EraseAccount(erase) => {
            known(states, erase.account)?;
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
        // About the actor, not the entity: nothing of it changes.
        Command::Quarantine(_) | Command::Resume(_) => Vec::new(),
    };
    Ok(parts)
}

/// What each part's entity makes of it, in the order of the parts; of several refusals the one of
/// the lowest rank.
///
/// # Errors
/// The refusal; nothing changed.
pub fn decide(parts: &[Part], states: &mut impl States) -> Result<Vec<Vec<Event>>, Rejection> {
    let mut refusal: Option<Rejection> = None;
    let mut refuse = |rejection: Rejection| {
        if refusal
            .as_ref()
            .is_none_or(|known| rejection.code.rank() < known.code.rank())
        {
            refusal = Some(rejection);
        }
    };
    let mut decided = Vec::with_capacity(parts.len());
    for part in parts {
        let state = match states.look(part.entity) {
            Lookup::Here(state) => Some(state),
            Lookup::Absent | Lookup::Unloaded => None,
        };
        match State::decide(part.kind, state, &part.step) {
            Ok(events) => decided.push(events),
            Err(rejection) => refuse(rejection),
        }
    }
    if let [first, second] = parts
        && first.entity == second.entity
    {
        refuse(Rejection::new(
            Code::SameAccount,
            "both ends are the same account",
        ));
    }
    match refusal {
        Some(rejection) => Err(rejection),
        None => Ok(decided),
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
