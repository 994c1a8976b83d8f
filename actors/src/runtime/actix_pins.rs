//! Tests that pin the behaviour of actix 0.13 on which the host depends, where actix's
//! documentation is silent or says otherwise (design, section 6). A new version that behaves
//! differently fails here first.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{self, Waker};

use actix::prelude::*;
use tokio::sync::Notify;

/// The numbers that an actor noted, for the test to check. Test and actor share a thread, so no
/// lock is needed.
#[derive(Debug, Clone, Default)]
struct Seen(Rc<RefCell<Vec<u32>>>);

#[derive(Debug, Default)]
struct Worker {
    seen: Seen,
    restarts: Rc<Cell<u32>>,
    gate: Rc<Notify>,
}

impl Actor for Worker {
    type Context = Context<Self>;
}

impl Supervised for Worker {
    fn restarting(&mut self, _: &mut Self::Context) {
        self.restarts.set(self.restarts.get() + 1);
    }
}

/// Notes a number; the answer is how many were noted before it.
struct Note(u32);
struct Stop;
struct Panic;
/// Notes its number twice: when it begins, and once the gate is open.
struct Long(u32);
/// Sends itself on, with a number that is one smaller, until zero.
struct Again(u32);

macro_rules! handlers {
    ($($message:ident => $result:ty, $handle:expr;)*) => {$(
        impl Message for $message { type Result = $result; }
        impl Handler<$message> for Worker {
            type Result = $result;
            fn handle(&mut self, message: $message, context: &mut Self::Context) -> $result {
                let handle: fn(&mut Self, $message, &mut Context<Self>) -> $result = $handle;
                handle(self, message, context)
            }
        }
    )*};
}

handlers! {
    Note => usize, |worker, note, _| {
        worker.seen.0.borrow_mut().push(note.0);
        worker.seen.0.borrow().len() - 1
    };
    Stop => (), |_, _, context| context.stop();
    Panic => (), |_, _, _| panic!("a handler panics, as the test asked");
    Again => (), |worker, again, context| {
        worker.seen.0.borrow_mut().push(again.0);
        if again.0 > 0 {
            context.address().do_send(Again(again.0 - 1));
        }
    };
}

impl Message for Long {
    type Result = ();
}

impl Handler<Long> for Worker {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, long: Long, _: &mut Self::Context) -> Self::Result {
        self.seen.0.borrow_mut().push(long.0);
        let gate = Rc::clone(&self.gate);
        let wait = async move { gate.notified().await }.into_actor(self);
        Box::pin(wait.map(move |(), worker, _| worker.seen.0.borrow_mut().push(long.0)))
    }
}

impl Seen {
    fn count(&self) -> usize {
        self.0.borrow().len()
    }
}

fn on_an_arbiter(test: impl Future<Output = ()>) {
    System::new().block_on(test);
}

/// Lets all other tasks on the arbiter run until they wait.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_supervisor_restarts_at_once_without_limit_and_with_the_same_value() {
    on_an_arbiter(async {
        let (seen, restarts) = (Seen::default(), Rc::new(Cell::new(0)));
        let worker = Worker {
            seen: seen.clone(),
            restarts: Rc::clone(&restarts),
            ..Worker::default()
        };
        let address = Supervisor::start(move |_| worker);
        for number in 0..200 {
            address.do_send(Stop);
            // The mailbox outlives the stop, so no queued message is lost.
            address.do_send(Note(number));
        }
        assert_eq!(address.send(Note(200)).await, Ok(200));
        assert_eq!((restarts.get(), seen.count()), (200, 201));
    });
}

#[test]
fn a_panic_in_a_handler_drops_context_and_mailbox_and_others_live() {
    on_an_arbiter(async {
        let (seen, restarts) = (Seen::default(), Rc::new(Cell::new(0)));
        let worker = Worker {
            seen: seen.clone(),
            restarts: Rc::clone(&restarts),
            ..Worker::default()
        };
        let other = Worker::default().start();
        let address = Supervisor::start(move |_| worker);
        let before = address.send(Note(1));
        let panics = address.send(Panic);
        let queued = address.send(Note(2));
        assert_eq!(before.await, Ok(0));
        assert_eq!(panics.await, Err(MailboxError::Closed));
        assert_eq!(queued.await, Err(MailboxError::Closed));
        assert_eq!(address.send(Note(3)).await, Err(MailboxError::Closed));
        assert!(!address.connected());
        // Not even the supervisor restarts the actor.
        assert_eq!((restarts.get(), seen.count()), (0, 1));
        assert_eq!(other.send(Note(1)).await, Ok(0));
    });
}

#[test]
fn a_mailbox_is_not_bounded_through_do_send() {
    on_an_arbiter(async {
        let seen = Seen::default();
        let address = worker(&seen).start();
        for number in 0..10_000 {
            address.do_send(Note(number));
        }
        assert_eq!(address.send(Note(10_000)).await, Ok(10_000));
    });
}

#[test]
fn a_mailbox_is_not_bounded_through_cloned_addresses() {
    on_an_arbiter(async {
        let seen = Seen::default();
        let address = worker(&seen).start();
        let sent: Vec<_> = (0..1_000)
            .map(|number| address.clone().send(Note(number)))
            .collect();
        settle().await;
        // No request was ever polled, yet all were handled: each entered the mailbox when sent.
        assert_eq!(seen.count(), sent.len());
    });
}

#[test]
fn past_a_full_mailbox_a_request_goes_in_when_it_is_first_polled() {
    on_an_arbiter(async {
        let seen = Seen::default();
        let address = worker(&seen).start();
        let mut sent: Vec<_> = (0..1_000)
            .map(|number| Box::pin(address.send(Note(number))))
            .collect();
        settle().await;
        let queued = seen.count();
        assert!(queued < 20, "{queued} of 1,000 were queued unasked");
        // The mailbox is full again, and again no request waits for room: each has a place of its
        // own.
        let mut context = task::Context::from_waker(Waker::noop());
        for request in &mut sent[queued..] {
            assert!(request.as_mut().poll(&mut context).is_pending());
        }
        settle().await;
        assert_eq!(seen.count(), 1_000);
    });
}

#[test]
fn a_handlers_future_interleaves_with_the_messages_after_it() {
    on_an_arbiter(async {
        let (seen, gate) = (Seen::default(), Rc::new(Notify::new()));
        let worker = Worker {
            seen: seen.clone(),
            gate: Rc::clone(&gate),
            ..Worker::default()
        };
        let address = worker.start();
        let long = address.send(Long(1));
        address.send(Note(2)).await.unwrap();
        assert_eq!(*seen.0.borrow(), [1, 2]);
        gate.notify_one();
        long.await.unwrap();
        assert_eq!(*seen.0.borrow(), [1, 2, 1]);
    });
}

#[test]
fn what_was_sent_by_a_caller_who_has_gone_is_skipped() {
    on_an_arbiter(async {
        let seen = Seen::default();
        let address = worker(&seen).start();
        drop(address.send(Note(1)));
        let kept = address.send(Note(2));
        assert_eq!(kept.await, Ok(0));
        assert_eq!(*seen.0.borrow(), [2]);
    });
}

#[test]
fn a_hot_actor_holds_its_arbiter() {
    on_an_arbiter(async {
        let seen = Seen::default();
        let address = worker(&seen).start();
        settle().await;
        address.do_send(Again(10_000));
        let (task_saw, seen) = (Rc::new(Cell::new(0)), seen.clone());
        let saw = Rc::clone(&task_saw);
        actix_rt::spawn(async move { saw.set(seen.count()) })
            .await
            .unwrap();
        // All messages were handled before a task that was ready after the first message.
        assert_eq!(task_saw.get(), 10_001);
    });
}

#[test]
fn dropping_the_last_address_drains_and_a_stop_discards() {
    on_an_arbiter(async {
        let (drained, discarded) = (Seen::default(), Seen::default());
        let address = worker(&drained).start();
        (0..10).for_each(|number| address.do_send(Note(number)));
        drop(address);
        settle().await;
        assert_eq!(drained.count(), 10);

        let address = worker(&discarded).start();
        (0..5).for_each(|number| address.do_send(Note(number)));
        address.do_send(Stop);
        let late = address.send(Note(5));
        (6..10).for_each(|number| address.do_send(Note(number)));
        assert_eq!(late.await, Err(MailboxError::Closed));
        assert_eq!(discarded.count(), 5);
    });
}

#[test]
fn an_arbiter_that_was_told_to_stop_has_ended_only_once_it_is_joined() {
    let system = System::new();
    let ended = Arc::new(AtomicBool::new(false));
    let (begun, has_begun) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let arbiter = system.block_on(async { Arbiter::new() });
    let at_its_end = AtDrop(Arc::clone(&ended));
    arbiter.spawn_fn(move || {
        let _at_its_end = at_its_end;
        begun.send(()).unwrap();
        // The handler waits until the test releases it. An error means that the test has failed.
        let _ = released.recv();
    });
    has_begun.recv().unwrap();
    assert!(arbiter.stop());
    assert!(!ended.load(Ordering::SeqCst));
    release.send(()).unwrap();
    arbiter.join().unwrap();
    assert!(ended.load(Ordering::SeqCst));
}

struct AtDrop(Arc<AtomicBool>);

impl Drop for AtDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn worker(seen: &Seen) -> Worker {
    Worker {
        seen: seen.clone(),
        ..Worker::default()
    }
}
