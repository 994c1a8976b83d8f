//! The primitives of the lock-free pieces: the standard ones, or loom's under `florin_loom`, so
//! that the models run the very code that serves.

#[cfg(not(florin_loom))]
mod kinds {
    pub(crate) use atomic_waker::AtomicWaker;
    pub(crate) use std::sync::Mutex;
    pub(crate) use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
}

#[cfg(florin_loom)]
mod kinds {
    pub(crate) use loom::sync::Mutex;
    pub(crate) use loom::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

    /// loom's waker, called as the real one is.
    #[derive(Debug)]
    pub(crate) struct AtomicWaker(loom::future::AtomicWaker);

    impl AtomicWaker {
        pub(crate) fn new() -> Self {
            Self(loom::future::AtomicWaker::new())
        }

        pub(crate) fn register(&self, waker: &std::task::Waker) {
            self.0.register_by_ref(waker);
        }

        pub(crate) fn wake(&self) {
            self.0.wake();
        }
    }
}

pub(crate) use kinds::{AtomicU8, AtomicUsize, AtomicWaker, Mutex, Ordering};

/// Every interleaving of the real code, by loom.
#[cfg(all(test, florin_loom))]
mod models {
    use std::future::poll_fn;
    use std::sync::Arc;

    use crate::runtime::{Inbox, Left, Permits, Slot};

    #[test]
    fn a_filled_slot_wakes_its_caller() {
        loom::model(|| {
            let slot = Arc::new(Slot::new());
            let filler = {
                let slot = Arc::clone(&slot);
                loom::thread::spawn(move || {
                    slot.fill(7).unwrap();
                    slot.wake();
                })
            };
            assert_eq!(
                loom::future::block_on(poll_fn(|context| slot.poll(context))),
                7
            );
            filler.join().unwrap();
        });
    }

    #[test]
    fn a_value_reaches_its_caller_or_comes_back_never_both_never_neither() {
        loom::model(|| {
            let slot = Arc::new(Slot::new());
            let filler = {
                let slot = Arc::clone(&slot);
                loom::thread::spawn(move || slot.fill(7))
            };
            let taken = slot.time_out();
            // The caller's future is dropped right after.
            slot.abandon();
            let filled = filler.join().unwrap();
            match taken {
                Some(value) => assert_eq!((value, filled), (7, Ok(()))),
                None => assert_eq!(filled, Err(Left::TimedOut(7))),
            }
        });
    }

    #[test]
    fn there_are_never_more_permits_out_than_there_are() {
        loom::model(|| {
            let permits = Permits::new(1);
            let other = {
                let permits = Arc::clone(&permits);
                loom::thread::spawn(move || permits.take())
            };
            let own = permits.take();
            let other = other.join().unwrap();
            assert!(own.is_none() || other.is_none());
            drop((own, other));
            assert_eq!(permits.taken(), 0);
            assert!(permits.take().is_some());
        });
    }

    #[test]
    fn no_letter_is_left_in_an_inbox() {
        loom::model(|| {
            let inbox = Arc::new(Inbox::new());
            let writer = {
                let inbox = Arc::clone(&inbox);
                loom::thread::spawn(move || {
                    inbox.push(1);
                    inbox.push(2);
                })
            };
            let mut all = Vec::new();
            while all.len() < 2 {
                let mut batch = Vec::new();
                loom::future::block_on(inbox.take(&mut batch));
                all.append(&mut batch);
            }
            assert_eq!(all, [1, 2]);
            writer.join().unwrap();
        });
    }
}
