//! The synchronization primitives of the lock-free code: the standard ones, or loom's under
//! `florin_loom`. The loom models therefore run the same code as production.

pub(crate) use florin_storage::sync::{AtomicU8, AtomicUsize, AtomicWaker, Mutex, Ordering};

/// Loom models that run the real code in every interleaving. Each model lists the mutations of the
/// code that it must detect.
#[cfg(all(test, florin_loom))]
mod models {
    use std::future::poll_fn;
    use std::sync::Arc;

    use florin_storage::sync::modelled::How::{Late, Relaxed, Skipped, Torn};
    use florin_storage::sync::modelled::{check, mutation};
    use loom::sync::atomic::AtomicU64;

    use crate::runtime::{Inbox, Lane, Left, Permits, Slot};
    use crate::sync::Ordering;

    #[test]
    fn a_filled_slot_wakes_its_caller() {
        let model = || {
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
        };
        let mutations = [
            mutation("confirmation.rs", "wake", Skipped),
            mutation("confirmation.rs", "register", Skipped),
            mutation("confirmation.rs", "register", Late),
        ];
        check(model, &mutations);
    }

    #[test]
    fn a_value_reaches_its_caller_or_comes_back_never_both_never_neither() {
        let model = || {
            let slot = Arc::new(Slot::new());
            let filler = {
                let slot = Arc::clone(&slot);
                loom::thread::spawn(move || slot.fill(7))
            };
            let taken = slot.time_out();
            // The caller's future is dropped right after the timeout.
            slot.abandon();
            let filled = filler.join().unwrap();
            match taken {
                Some(value) => assert_eq!((value, filled), (7, Ok(()))),
                None => assert_eq!(filled, Err(Left::TimedOut(7))),
            }
        };
        check(
            model,
            &[mutation("confirmation.rs", "compare_exchange", Torn)],
        );
    }

    #[test]
    fn there_are_never_more_permits_out_than_there_are() {
        let model = || {
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
        };
        let mutations = [
            mutation("permits.rs", "fetch_add", Torn),
            mutation("permits.rs", "fetch_add", Skipped),
            mutation("permits.rs", "fetch_sub", Skipped),
        ];
        check(model, &mutations);
    }

    #[test]
    fn permits_given_back_at_the_same_time_are_all_there_again() {
        let model = || {
            let permits = Permits::new(2);
            let (one, two) = (permits.take().unwrap(), permits.take().unwrap());
            let other = loom::thread::spawn(move || drop(one));
            drop(two);
            other.join().unwrap();
            assert_eq!(permits.taken(), 0);
        };
        check(model, &[mutation("permits.rs", "fetch_sub", Torn)]);
    }

    #[test]
    fn who_gets_a_permit_sees_what_its_last_holder_did() {
        let model = || {
            let permits = Permits::new(1);
            let done = Arc::new(AtomicU64::new(0));
            let permit = permits.take().unwrap();
            let holder = {
                let done = Arc::clone(&done);
                loom::thread::spawn(move || {
                    done.store(1, Ordering::Relaxed);
                    drop(permit);
                })
            };
            if let Some(_permit) = permits.take() {
                assert_eq!(done.load(Ordering::Relaxed), 1);
            }
            holder.join().unwrap();
        };
        let mutations = [
            mutation("permits.rs", "fetch_add", Relaxed),
            mutation("permits.rs", "fetch_sub", Relaxed),
        ];
        check(model, &mutations);
    }

    #[test]
    fn no_letter_is_left_in_an_inbox() {
        let model = || {
            let inbox = Arc::new(Inbox::new());
            let writer = {
                let inbox = Arc::clone(&inbox);
                loom::thread::spawn(move || {
                    inbox.push(1);
                    inbox.append(&mut vec![2, 3]);
                })
            };
            let mut all = Vec::new();
            while all.len() < 3 {
                let mut batch = Vec::new();
                loom::future::block_on(inbox.take(&mut batch));
                all.append(&mut batch);
            }
            assert_eq!(all, [1, 2, 3]);
            writer.join().unwrap();
        };
        let mutations = [
            mutation("inbox.rs", "wake", Skipped),
            mutation("inbox.rs", "register", Skipped),
            mutation("inbox.rs", "register", Late),
        ];
        check(model, &mutations);
    }

    #[test]
    fn an_answer_leaves_its_lane_once_its_record_is_durable() {
        let model = || {
            let lane = Arc::new(Lane::new());
            let durable = Arc::new(AtomicU64::new(0));
            let ledger = {
                let (lane, durable) = (Arc::clone(&lane), Arc::clone(&durable));
                loom::thread::spawn(move || lane.push(1, 7, || durable.load(Ordering::Acquire)))
            };
            let journal = {
                let (lane, durable) = (Arc::clone(&lane), Arc::clone(&durable));
                loom::thread::spawn(move || {
                    durable.store(1, Ordering::Release);
                    lane.moved(1);
                })
            };
            let mut leaving = Vec::new();
            let take = lane.take(&mut leaving, || durable.load(Ordering::Acquire));
            loom::future::block_on(take);
            assert_eq!(leaving, [7]);
            assert_eq!(durable.load(Ordering::Acquire), 1);
            ledger.join().unwrap();
            journal.join().unwrap();
        };
        let mutations = [
            mutation("lane.rs", "wake", Skipped),
            mutation("lane.rs", "register", Skipped),
            mutation("lane.rs", "register", Late),
        ];
        check(model, &mutations);
    }
}
