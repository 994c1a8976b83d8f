//! The journal's queue, first in, first out. The deciding thread fills it, and the committer
//! empties it completely each time. It has no limit of its own: a thread that pushes must first
//! check the backlog.

use crate::segments::chunk::Chunk;
use crate::sync::{AtomicU64, AtomicWaker, Condvar, Mutex, Ordering, lock, wait};
use std::future::poll_fn;
use std::task::Poll;

/// The journal's queue. It counts the bytes and records that are pushed and not yet committed.
#[derive(Debug)]
pub struct Queue {
    inbox: Mutex<Inbox>,
    filled: Condvar,
    waker: AtomicWaker,
    backlog_bytes: AtomicU64,
    backlog_records: AtomicU64,
}

#[derive(Debug, Default)]
struct Inbox {
    chunks: Vec<Chunk>,
    /// A record whose segment is to be sealed.
    seal: Option<u64>,
    closed: bool,
}

impl Inbox {
    fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.seal.is_none()
    }
}

impl Queue {
    pub(crate) fn new() -> Queue {
        Queue {
            inbox: Mutex::new(Inbox::default()),
            filled: Condvar::new(),
            waker: AtomicWaker::new(),
            backlog_bytes: AtomicU64::new(0),
            backlog_records: AtomicU64::new(0),
        }
    }

    /// Appends a chunk; it cannot fail. Wakes the committer only if the queue was empty. An empty
    /// chunk is ignored. A chunk that is pushed after the committer has finished never becomes
    /// durable.
    pub fn push(&self, chunk: Chunk) {
        if chunk.is_empty() {
            return;
        }
        self.backlog_bytes
            .fetch_add(chunk.bytes() as u64, Ordering::AcqRel);
        self.backlog_records
            .fetch_add(chunk.records() as u64, Ordering::AcqRel);
        let was_empty = {
            let mut inbox = lock(&self.inbox);
            let was_empty = inbox.chunks.is_empty();
            inbox.chunks.push(chunk);
            was_empty
        };
        if was_empty {
            self.wake();
        }
    }

    /// Returns the bytes that are pushed and not yet durable. A limit on the journal's backlog is
    /// compared with this number.
    pub fn backlog_bytes(&self) -> u64 {
        self.backlog_bytes.load(Ordering::Acquire)
    }

    /// Returns the number of records that are pushed and not yet durable.
    pub fn backlog_records(&self) -> u64 {
        self.backlog_records.load(Ordering::Acquire)
    }

    /// Lets the committer end once it has committed the queued chunks.
    pub fn close(&self) {
        lock(&self.inbox).closed = true;
        self.wake();
    }

    /// Asks for the segment that holds `sequence` to be sealed, if it is still the live one.
    pub(crate) fn seal(&self, sequence: u64) {
        lock(&self.inbox).seal = Some(sequence);
        self.wake();
    }

    /// Takes the request to seal a segment, if there is one: a record in that segment.
    pub(crate) fn take_seal(&self) -> Option<u64> {
        lock(&self.inbox).seal.take()
    }

    /// Waits asynchronously until a chunk is queued, a segment is to be sealed or the queue is
    /// closed. Returns true if there is something to do. Only one task may wait: the one that calls
    /// [`crate::Committer::run_pending`].
    pub async fn filled(&self) -> bool {
        poll_fn(|context| {
            self.waker.register(context.waker());
            let inbox = lock(&self.inbox);
            if inbox.is_empty() && !inbox.closed {
                return Poll::Pending;
            }
            Poll::Ready(!inbox.is_empty())
        })
        .await
    }

    /// Waits like [`Queue::filled`], but blocks a plain thread.
    pub(crate) fn wait_filled(&self) -> bool {
        let mut inbox = lock(&self.inbox);
        while inbox.is_empty() && !inbox.closed {
            inbox = wait(&self.filled, inbox);
        }
        !inbox.is_empty()
    }

    /// Takes all queued chunks.
    pub(crate) fn take(&self) -> Vec<Chunk> {
        std::mem::take(&mut lock(&self.inbox).chunks)
    }

    /// Subtracts bytes and records that became durable from the backlog.
    pub(crate) fn committed(&self, bytes: u64, records: u64) {
        self.backlog_bytes.fetch_sub(bytes, Ordering::AcqRel);
        self.backlog_records.fetch_sub(records, Ordering::AcqRel);
    }

    fn wake(&self) {
        self.filled.notify_one();
        self.waker.wake();
    }
}

#[cfg(test)]
#[cfg(not(florin_loom))]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Context, Wake};

    #[derive(Default)]
    struct Wakes(AtomicUsize);
    impl Wake for Wakes {
        fn wake(self: Arc<Wakes>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn chunk(first: u64) -> Chunk {
        let mut chunk = Chunk::new(first, 10);
        chunk.begin().push(1);
        chunk.end(1, None).unwrap();
        chunk
    }

    #[test]
    fn the_committer_is_woken_only_when_the_inbox_was_empty() {
        let queue = Queue::new();
        let wakes = Arc::new(Wakes::default());
        let waker = wakes.clone().into();
        let mut context = Context::from_waker(&waker);
        let mut filled = pin!(queue.filled());
        assert!(filled.as_mut().poll(&mut context).is_pending());
        queue.push(Chunk::new(1, 10));
        assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
        queue.push(chunk(1));
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
        assert_eq!(filled.as_mut().poll(&mut context), Poll::Ready(true));
        queue.push(chunk(2));
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
        let firsts: Vec<_> = queue.take().iter().map(Chunk::first_sequence).collect();
        assert_eq!(firsts, [1, 2]);
    }

    #[test]
    fn a_segment_to_be_sealed_wakes_the_committer_as_a_chunk_does() {
        let queue = Queue::new();
        let wakes = Arc::new(Wakes::default());
        let waker = wakes.clone().into();
        let mut context = Context::from_waker(&waker);
        let mut filled = pin!(queue.filled());
        assert!(filled.as_mut().poll(&mut context).is_pending());
        queue.seal(7);
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
        assert!(filled.as_mut().poll(&mut context).is_ready());
        assert!(queue.wait_filled());
        assert_eq!(queue.take_seal(), Some(7));
        assert_eq!(queue.take_seal(), None);
        queue.close();
        assert!(!queue.wait_filled());
    }

    #[test]
    fn a_closed_queue_is_emptied_first() {
        let queue = Queue::new();
        queue.push(chunk(1));
        queue.close();
        assert!(queue.wait_filled());
        queue.take();
        assert!(!queue.wait_filled());
    }
}

/// loom models: each explores every interleaving of the real code, and must fail with the listed
/// mutations.
#[cfg(test)]
#[cfg(florin_loom)]
mod models {
    use super::*;
    use crate::journal::watermark::Watermark;
    use crate::sync::modelled::How::{Late, Relaxed, Skipped, Torn};
    use crate::sync::modelled::{check, mutation};
    use std::sync::Arc;
    use std::time::Duration;

    fn chunk(first: u64) -> Chunk {
        let mut chunk = Chunk::new(first, 10);
        chunk.begin().push(1);
        chunk.end(1, None).unwrap();
        chunk
    }

    #[test]
    fn no_pushed_chunk_is_left_and_no_waiter_sleeps_on() {
        let model = || {
            let queue = Arc::new(Queue::new());
            let watermark = Arc::new(Watermark::new(0));
            let committer = {
                let (queue, watermark) = (queue.clone(), watermark.clone());
                loom::thread::spawn(move || {
                    while queue.wait_filled() {
                        for chunk in queue.take() {
                            queue.committed(chunk.bytes() as u64, chunk.records() as u64);
                            watermark.advance(chunk.next_sequence() - 1);
                        }
                    }
                })
            };
            queue.push(chunk(1));
            queue.push(chunk(2));
            assert_eq!(watermark.wait_past(1, Duration::MAX), 2);
            queue.close();
            committer.join().unwrap();
            assert_eq!((queue.backlog_records(), queue.backlog_bytes()), (0, 0));
        };
        let mutations = [
            mutation("queue.rs", "notify_one", Skipped),
            mutation("queue.rs", "fetch_add", Torn),
            mutation("queue.rs", "fetch_add", Skipped),
            mutation("queue.rs", "fetch_sub", Torn),
            mutation("queue.rs", "fetch_sub", Skipped),
            mutation("watermark.rs", "store", Skipped),
            mutation("watermark.rs", "pass", Skipped),
            mutation("watermark.rs", "notify_all", Skipped),
        ];
        check(model, &mutations);
    }

    #[test]
    fn no_listener_misses_a_commit() {
        let model = || {
            let watermark = Arc::new(Watermark::new(0));
            let mut listener = watermark.subscribe();
            let committer = {
                let watermark = watermark.clone();
                loom::thread::spawn(move || watermark.advance(1))
            };
            assert_eq!(loom::future::block_on(listener.changed(0)), 1);
            committer.join().unwrap();
        };
        let mutations = [
            mutation("watermark.rs", "wake", Skipped),
            mutation("watermark.rs", "register", Skipped),
            mutation("watermark.rs", "register", Late),
            mutation("watermark.rs", "store", Late),
        ];
        check(model, &mutations);
    }

    #[test]
    fn what_is_told_durable_can_be_read() {
        let model = || {
            let watermark = Arc::new(Watermark::new(0));
            let written = Arc::new(loom::sync::atomic::AtomicU64::new(0));
            let committer = {
                let (watermark, written) = (watermark.clone(), written.clone());
                loom::thread::spawn(move || {
                    written.store(1, Ordering::Relaxed);
                    watermark.advance(1);
                })
            };
            if watermark.durable() == 1 {
                assert_eq!(written.load(Ordering::Relaxed), 1);
            }
            committer.join().unwrap();
        };
        let mutations = [
            mutation("watermark.rs", "store", Relaxed),
            mutation("watermark.rs", "load", Relaxed),
        ];
        check(model, &mutations);
    }

    #[test]
    fn no_push_is_missed_by_a_waiting_task() {
        let model = || {
            let queue = Arc::new(Queue::new());
            let pusher = {
                let queue = queue.clone();
                loom::thread::spawn(move || queue.push(chunk(1)))
            };
            assert!(loom::future::block_on(queue.filled()));
            assert_eq!(queue.take().len(), 1);
            pusher.join().unwrap();
        };
        let mutations = [
            mutation("queue.rs", "wake", Skipped),
            mutation("queue.rs", "register", Skipped),
            mutation("queue.rs", "register", Late),
        ];
        check(model, &mutations);
    }
}
