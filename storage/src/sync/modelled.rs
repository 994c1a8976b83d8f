//! Versions of loom's primitives that can be mutated. A model must hold for the unchanged code and
//! fail with each of its mutations; otherwise it proves nothing. A mutation breaks one kind of
//! operation in one file. So the tested code needs no hooks, and one build serves all mutations.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, LockResult, Once};
use std::task::Waker;

use loom::sync::{MutexGuard, atomic};

/// A mutation: one kind of operation in one file, broken.
#[derive(Debug, Clone, Copy)]
pub struct Mutation {
    file: &'static str,
    operation: &'static str,
    how: How,
}

/// How an operation is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The operation is not done.
    Skipped,
    /// The operation is done some time later, so operations that follow may come before it.
    Late,
    /// The operation reads and writes in two separate steps.
    Torn,
    /// The operation orders no memory accesses.
    Relaxed,
}

/// Creates a mutation of all calls of `operation` in the file whose path ends with `file`.
pub const fn mutation(file: &'static str, operation: &'static str, how: How) -> Mutation {
    Mutation {
        file,
        operation,
        how,
    }
}

thread_local! {
    // A whole model runs on one system thread, however many threads it simulates.
    static MUTATION: Cell<Option<Mutation>> = const { Cell::new(None) };
}

/// Runs a model, which must hold, then runs it with each of its mutations, with which it must fail.
///
/// # Panics
/// Panics if the model doesn't hold, or if it doesn't fail with a mutation.
pub fn check(model: fn(), mutations: &[Mutation]) {
    loom::model(model);
    be_quiet_while_mutated();
    for mutation in mutations {
        MUTATION.set(Some(*mutation));
        let caught = catch_unwind(AssertUnwindSafe(|| loom::model(model)));
        MUTATION.set(None);
        let Mutation {
            file,
            operation,
            how,
        } = mutation;
        assert!(caught.is_err(), "{file}: {operation} {how:?} is not caught");
        println!("mutation caught: {file}: {operation} {how:?}");
    }
}

fn be_quiet_while_mutated() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let shown = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if MUTATION.get().is_none() {
                shown(panic);
            }
        }));
    });
}

#[track_caller]
fn is(operation: &str, how: How) -> bool {
    let here = Location::caller().file();
    MUTATION.get().is_some_and(|mutation| {
        mutation.operation == operation && mutation.how == how && here.ends_with(mutation.file)
    })
}

#[track_caller]
pub(super) fn is_skipped(operation: &str) -> bool {
    is(operation, How::Skipped)
}

#[track_caller]
fn ordering(operation: &str, given: Ordering) -> Ordering {
    if is(operation, How::Relaxed) {
        return Ordering::Relaxed;
    }
    given
}

macro_rules! atomics {
    ($($name:ident of $number:ty),*) => {$(
        /// loom's atomic, which can be mutated.
        #[derive(Debug)]
        pub struct $name(Arc<atomic::$name>);

        #[allow(missing_docs, reason = "as the standard ones")]
        impl $name {
            pub fn new(value: $number) -> Self {
                Self(Arc::new(atomic::$name::new(value)))
            }

            #[track_caller]
            pub fn load(&self, order: Ordering) -> $number {
                self.0.load(ordering("load", order))
            }

            #[track_caller]
            pub fn store(&self, value: $number, order: Ordering) {
                if is_skipped("store") {
                } else if is("store", How::Late) {
                    let own = Arc::clone(&self.0);
                    loom::thread::spawn(move || own.store(value, order));
                } else {
                    self.0.store(value, ordering("store", order));
                }
            }

            #[track_caller]
            pub fn fetch_add(&self, value: $number, order: Ordering) -> $number {
                if is_skipped("fetch_add") {
                    return self.0.load(order_of_load(order));
                }
                if is("fetch_add", How::Torn) {
                    let before = self.0.load(order_of_load(order));
                    self.0.store(before.wrapping_add(value), Ordering::Release);
                    return before;
                }
                self.0.fetch_add(value, ordering("fetch_add", order))
            }

            #[track_caller]
            pub fn fetch_sub(&self, value: $number, order: Ordering) -> $number {
                if is_skipped("fetch_sub") {
                    return self.0.load(order_of_load(order));
                }
                if is("fetch_sub", How::Torn) {
                    let before = self.0.load(order_of_load(order));
                    self.0.store(before.wrapping_sub(value), Ordering::Release);
                    return before;
                }
                self.0.fetch_sub(value, ordering("fetch_sub", order))
            }

            #[track_caller]
            pub fn compare_exchange(
                &self,
                current: $number,
                new: $number,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$number, $number> {
                if is("compare_exchange", How::Torn) {
                    let found = self.0.load(failure);
                    if found != current {
                        return Err(found);
                    }
                    self.0.store(new, Ordering::Release);
                    return Ok(found);
                }
                let success = ordering("compare_exchange", success);
                self.0.compare_exchange(current, new, success, failure)
            }
        }
    )*};
}

atomics!(AtomicU8 of u8, AtomicU64 of u64, AtomicUsize of usize);

const fn order_of_load(order: Ordering) -> Ordering {
    match order {
        Ordering::Relaxed | Ordering::Release => Ordering::Relaxed,
        _ => Ordering::Acquire,
    }
}

/// loom's waker, which can be mutated. Its interface is that of the real one.
#[derive(Debug)]
pub struct AtomicWaker(Arc<loom::future::AtomicWaker>);

#[allow(missing_docs, reason = "as the real one")]
impl AtomicWaker {
    #[expect(clippy::new_without_default, reason = "as the real one is called")]
    pub fn new() -> Self {
        Self(Arc::new(loom::future::AtomicWaker::new()))
    }

    #[track_caller]
    pub fn register(&self, waker: &Waker) {
        if is_skipped("register") {
        } else if is("register", How::Late) {
            let (own, waker) = (Arc::clone(&self.0), waker.clone());
            loom::thread::spawn(move || own.register(waker));
        } else {
            self.0.register_by_ref(waker);
        }
    }

    #[track_caller]
    pub fn wake(&self) {
        if !is_skipped("wake") {
            self.0.wake();
        }
    }
}

/// loom's condition variable, which can be mutated.
#[derive(Debug, Default)]
pub struct Condvar(loom::sync::Condvar);

#[allow(missing_docs, reason = "as the standard one")]
impl Condvar {
    #[expect(clippy::new_without_default, reason = "as the standard one is called")]
    pub fn new() -> Self {
        Self(loom::sync::Condvar::new())
    }

    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.0.wait(guard)
    }

    #[track_caller]
    pub fn notify_one(&self) {
        if !is_skipped("notify_one") {
            self.0.notify_one();
        }
    }

    #[track_caller]
    pub fn notify_all(&self) {
        if !is_skipped("notify_all") {
            self.0.notify_all();
        }
    }
}
