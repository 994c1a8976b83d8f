//! The tail: the frames at the journal's end that are durable in the write-ahead log and not yet in
//! the live segment's file. Readers take them from memory.

use crate::segments::frame::Frame;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Consecutive frames, as they were at one moment.
pub(crate) type Held = Arc<Vec<Frame>>;

/// The tail of a segment.
#[derive(Debug, Default)]
pub(crate) struct Tail(RwLock<State>);

#[derive(Debug, Default)]
struct State {
    held: Held,
    bytes: usize,
}

impl Tail {
    /// Returns the current frames. The call is cheap.
    pub(crate) fn held(&self) -> Held {
        self.read().held.clone()
    }

    /// Adds frames that follow the current ones. Returns the tail's new size in bytes.
    pub(crate) fn push(&self, frames: Vec<Frame>) -> usize {
        let mut state = self.write();
        state.bytes += frames.iter().map(Frame::bytes_len).sum::<usize>();
        // The vector is copied only if a reader holds it.
        Arc::make_mut(&mut state.held).extend(frames);
        state.bytes
    }

    /// Removes the first `count` frames.
    pub(crate) fn let_go(&self, count: usize) {
        let mut state = self.write();
        let gone = Arc::make_mut(&mut state.held).drain(..count);
        let bytes = gone.map(|frame| frame.bytes_len()).sum::<usize>();
        state.bytes -= bytes;
    }

    /// Returns the first sequence of the first frame, or `None` if the tail is empty.
    pub(crate) fn first_sequence(&self) -> Option<u64> {
        self.read().held.first().map(|frame| frame.first_sequence)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the frames that start at `sequence` or after.
pub(crate) fn starting_at(held: &[Frame], sequence: u64) -> &[Frame] {
    let before = held.partition_point(|frame| frame.first_sequence < sequence);
    &held[before..]
}
