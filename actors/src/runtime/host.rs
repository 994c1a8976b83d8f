//! The actor of an entity: its mailbox defines the order of the entity's commands.

use std::rc::Rc;

use actix::prelude::*;

use super::envelope::{Envelope, Letter};
use super::ledger::Ledger;
use super::seat::Seat;
use super::turn::Turn;

/// One entity's actor. It takes commands one at a time; while a command waits for something to be
/// loaded, the mailbox waits too.
#[derive(Debug)]
pub struct Host {
    ledger: Rc<Ledger>,
    seat: Rc<Seat>,
}

impl Host {
    /// Creates the actor of `seat`.
    pub const fn new(ledger: Rc<Ledger>, seat: Rc<Seat>) -> Self {
        Self { ledger, seat }
    }

    fn take(&mut self, envelope: Box<Envelope>, context: &mut Context<Self>) {
        match self.ledger.turn(&self.seat, envelope) {
            Turn::Ended => self.done(),
            Turn::Needs(envelope, need) => {
                let (ledger, seat) = (Rc::clone(&self.ledger), Rc::clone(&self.seat));
                let fetched = async move {
                    let mut envelope = envelope;
                    let fetched = ledger.fetch(&seat, need, &mut envelope).await;
                    (envelope, fetched)
                };
                let resumed = fetched
                    .into_actor(self)
                    .map(|(envelope, fetched), host, context| match fetched {
                        Ok(()) => host.take(envelope, context),
                        Err(unavailable) => {
                            host.ledger.out_of_reach(envelope, unavailable);
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
        self.ledger.forget_vacant(&self.seat);
    }
}

impl Actor for Host {
    type Context = Context<Self>;
}

impl Handler<Letter> for Host {
    type Result = ();

    fn handle(&mut self, letter: Letter, context: &mut Context<Self>) {
        self.take(letter.0, context);
    }
}
