//! Plans: the entities that a command touches, their order, the step that each takes, and the
//! refusal that is reported if several rules forbid the command.

use crate::entities::{Balances, Event, Kind, MoneyStep, State, Step, Transfer, TransferMade};
use crate::words::{Code, Currency, EntityId, OperationId, Rejection, Timestamp};

/// The result of looking for an entity in memory.
pub enum Lookup<'a> {
    /// The entity is not in memory and must be loaded before anything is decided.
    Unloaded,
    /// The entity does not exist.
    Absent,
    /// The entity's state.
    Here(&'a State),
}

/// The journal's knowledge of a transfer that is not an entity.
#[derive(Debug, Clone, PartialEq)]
pub enum Original {
    /// The transfer's record must be read before anything is decided.
    Unread,
    /// There is no such transfer.
    Absent,
    /// The transfer was made immediately.
    Immediate(Box<TransferMade>),
    /// The id belongs to a transaction of many legs.
    ManyLegs,
}

/// The information that a plan may use in addition to the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanInput {
    /// The entity whose actor runs the command: the command's routing entity, or the new entity.
    pub subject: EntityId,
    /// The id of the operation.
    pub operation: OperationId,
    /// The time of the record that would be made.
    pub now: Timestamp,
}

/// The states of the entities before the command.
pub trait States {
    /// Looks for an entity in memory.
    fn look(&mut self, entity: EntityId) -> Lookup<'_>;

    /// Returns the journal's knowledge of a transfer that is not an entity.
    fn original(&mut self, transfer: EntityId) -> Original;

    /// Marks a freshly generated id as unused, so that it is not looked up on disk. Returns `false`
    /// if a request for the id came before its entity was created, and a load of it is under way.
    fn assume_new(&mut self, entity: EntityId) -> bool;

    /// Returns whether money may move in a currency. It may not in an asset that is no longer
    /// declared.
    fn trades(&self, currency: Currency) -> bool;
}

/// The states of the entities after the command was decided.
pub trait After {
    /// Returns the state and the version of an entity that the command looked at.
    fn state(&self, entity: EntityId) -> Option<(&State, u64)>;

    /// Returns the balances of an entity that the command looked at.
    fn balances(&self, entity: EntityId) -> Option<Balances>;
}

/// The entities in memory, as far as they tell what a refused command would have moved.
pub trait Known {
    /// Returns the currency of an entity with money.
    fn currency(&self, entity: EntityId) -> Option<Currency>;

    /// Returns a transfer.
    fn transfer(&self, id: EntityId) -> Option<Transfer>;
}

/// One entity's part of a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The entity.
    pub entity: EntityId,
    /// The step that the entity is asked to take.
    pub step: Step,
}

impl Part {
    /// Creates the part of an entity that moves or holds money.
    pub const fn money(entity: EntityId, kind: Kind, step: MoneyStep) -> Self {
        Self {
            entity,
            step: Step::Money(kind, step),
        }
    }
}

/// The reason why there is no plan.
#[derive(Debug, Clone, PartialEq)]
pub enum Stop {
    /// The entity that must be loaded first.
    Load(EntityId),
    /// The transfer whose record must be read first.
    Read(EntityId),
    /// The refusal of a rule, e.g. because an entity does not exist.
    Refuse(Rejection),
}

/// Returns the events of each part, in the order of the parts. If several parts are refused, the
/// refusal with the lowest rank is returned.
///
/// # Errors
/// Returns the refusal; nothing changed.
pub fn decide(
    parts: &[Part],
    states: &mut dyn States,
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
            let rejection = Rejection::new(Code::CurrencyMismatch, detail).about(part.entity);
            refuse(rejection.code.rank(), rejection);
        }
        let state = match states.look(part.entity) {
            Lookup::Here(state) => Some(state),
            Lookup::Absent | Lookup::Unloaded => None,
        };
        match State::decide(state, &part.step, now) {
            Ok(events) => decided.push(events),
            Err(rejection) => {
                let rank = rank(&rejection, &part.step);
                refuse(rank, rejection.about(part.entity));
            }
        }
    }
    if let [first, second, ..] = parts
        && first.entity == second.entity
    {
        let rejection = Rejection::new(Code::SameAccount, "both ends are the same account");
        let rejection = rejection.about(second.entity);
        refuse(rejection.code.rank(), rejection);
    }
    match refusal {
        Some((_, rejection)) => Err(rejection),
        None => Ok(decided),
    }
}

/// Returns the rank of a refusal. The target's limits come after the source's funds.
pub(super) const fn rank(rejection: &Rejection, step: &Step) -> u8 {
    match (rejection.code, step) {
        (Code::LimitExceeded, Step::Money(_, MoneyStep::Credit(..))) => {
            Code::BalanceLimitExceeded.rank()
        }
        (code, _) => code.rank(),
    }
}

/// Returns the kind and the currency of an entity that a caller may name in a movement.
///
/// # Errors
/// Returns an error if the entity must be loaded first, or has no money.
pub(super) fn known(states: &mut dyn States, entity: EntityId) -> Result<(Kind, Currency), Stop> {
    match states.look(entity) {
        Lookup::Unloaded => Err(Stop::Load(entity)),
        Lookup::Absent => Err(not_found(entity)),
        Lookup::Here(state) => match state.money() {
            Some((currency, _)) => Ok((state.kind(), currency)),
            None => Err(not_found(entity)),
        },
    }
}

/// Checks that an entity is of the kind that a command is about.
///
/// # Errors
/// Returns an error if the entity must be loaded first, or is of another kind.
pub(super) fn known_as(states: &mut dyn States, entity: EntityId, kind: Kind) -> Result<(), Stop> {
    match known(states, entity)? {
        (own, _) if own == kind => Ok(()),
        _ => Err(Stop::Refuse(kind.not_found().about(entity))),
    }
}

/// Returns the external account that is the other end of a movement of `entity`.
///
/// # Errors
/// Returns an error if the external account must be loaded first.
pub(super) fn external(
    states: &mut dyn States,
    currency: Currency,
    entity: EntityId,
) -> Result<EntityId, Stop> {
    let id = Kind::External.system_id(Some(currency), entity.shard());
    match states.look(id) {
        Lookup::Unloaded => Err(Stop::Load(id)),
        Lookup::Absent | Lookup::Here(_) => Ok(id),
    }
}

/// Returns a transfer that is an entity.
///
/// # Errors
/// Returns an error if the entity must be loaded first, or is no transfer.
pub(super) fn transfer(states: &mut dyn States, id: EntityId) -> Result<Option<Transfer>, Stop> {
    match states.look(id) {
        Lookup::Unloaded => Err(Stop::Load(id)),
        Lookup::Here(State::Transfer(transfer)) => Ok(Some(transfer.clone())),
        Lookup::Here(_) => Err(no_transfer(id)),
        Lookup::Absent => Ok(None),
    }
}

pub(super) fn no_transfer(id: EntityId) -> Stop {
    Stop::Refuse(Kind::Transfer.not_found().about(id))
}

fn not_found(entity: EntityId) -> Stop {
    Stop::Refuse(Rejection::new(Code::NotFound, "Account not found").about(entity))
}
