//! The actor of an entity: its mailbox defines the order of the entity's commands.

use std::rc::Rc;

use actix::prelude::*;

use super::envelope::{Envelope, Letter};
use super::seat::Seat;
use crate::runtime::replies::reply::Unavailable;
use crate::words::EntityId;

/// The ledger, as an actor sees it: it takes turns on behalf of the actor's entity.
pub trait TakeTurns: 'static {
    /// Takes one command's turn on behalf of the entity in `seat`, without waiting for anything.
    fn take_turn(self: &Rc<Self>, seat: &Rc<Seat>, envelope: Box<Envelope>) -> Turn;

    /// Fetches data that a turn needs.
    fn fetch_needed(
        self: &Rc<Self>,
        seat: &Seat,
        need: Need,
        envelope: &mut Envelope,
    ) -> impl Future<Output = Result<(), Unavailable>>;

    /// Ends or postpones a command whose needed data can't be fetched.
    fn end_unfetched(self: &Rc<Self>, envelope: Box<Envelope>, unavailable: Unavailable);

    /// Ends the turn of a finished command: removes the seat if no entity exists in it.
    fn end_turn(&self, seat: &Seat);
}

/// The result of a turn.
#[derive(Debug)]
pub enum Turn {
    /// The command needs no further turn now: it is decided, turned away, or waits elsewhere.
    Ended,
    /// Something has to be fetched first; then the turn is repeated.
    Needs(Box<Envelope>, Need),
}

/// Something that a turn needs before it can decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The entity whose actor takes the command must be in memory.
    Subject,
    /// This other entity must be in memory.
    Entity(EntityId),
    /// The index segments on disk must be searched for the command's key.
    Key(u128),
    /// The record that made this transfer must be read.
    Original(EntityId),
    /// Every entity that a command of many parts names must be in memory.
    Parties,
    /// The journal must be searched for the keys of a batch's items.
    ItemKeys,
}

/// One entity's actor. It takes commands one at a time; while a command waits for something to be
/// loaded, the mailbox waits too.
#[derive(Debug)]
pub struct Host<L> {
    ledger: Rc<L>,
    seat: Rc<Seat>,
}

impl<L: TakeTurns> Host<L> {
    /// Creates the actor of `seat`.
    pub const fn new(ledger: Rc<L>, seat: Rc<Seat>) -> Self {
        Self { ledger, seat }
    }

    fn take(&mut self, envelope: Box<Envelope>, context: &mut Context<Self>) {
        match self.ledger.take_turn(&self.seat, envelope) {
            Turn::Ended => self.done(),
            Turn::Needs(envelope, need) => {
                let (ledger, seat) = (Rc::clone(&self.ledger), Rc::clone(&self.seat));
                let fetched = async move {
                    let mut envelope = envelope;
                    let fetched = ledger.fetch_needed(&seat, need, &mut envelope).await;
                    (envelope, fetched)
                };
                let resumed = fetched
                    .into_actor(self)
                    .map(|(envelope, fetched), host, context| match fetched {
                        Ok(()) => host.take(envelope, context),
                        Err(unavailable) => {
                            host.ledger.end_unfetched(envelope, unavailable);
                            host.done();
                        }
                    });
                context.wait(resumed);
            }
        }
    }

    /// Notes that a command is finished.
    fn done(&self) {
        self.seat.letters.set(self.seat.letters.get() - 1);
        self.ledger.end_turn(&self.seat);
    }
}

impl<L: TakeTurns> Actor for Host<L> {
    type Context = Context<Self>;
}

impl<L: TakeTurns> Handler<Letter> for Host<L> {
    type Result = ();

    fn handle(&mut self, letter: Letter, context: &mut Context<Self>) {
        self.take(letter.0, context);
    }
}
