//! The frames at the journal's end that are durable in the write-ahead log and not yet in the live
//! segment's file. Readers take them from here.

use crate::frame::Frame;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Consecutive frames, as they are at one moment.
pub(crate) type Held = Arc<Vec<Frame>>;

/// What the log holds for a segment.
#[derive(Debug, Default)]
pub(crate) struct Tail(RwLock<State>);

#[derive(Debug, Default)]
struct State {
    held: Held,
    bytes: usize,
}

impl Tail {
    /// The frames now. Cheap.
    pub(crate) fn held(&self) -> Held {
        self.read().held.clone()
    }

    /// Adds frames, which follow those that are held; says how many bytes are held then.
    pub(crate) fn push(&self, frames: Vec<Frame>) -> usize {
        let mut state = self.write();
        state.bytes += frames.iter().map(Frame::bytes_len).sum::<usize>();
        // Copied only while a reader looks at it.
        Arc::make_mut(&mut state.held).extend(frames);
        state.bytes
    }

    /// Lets go of the first `count` frames.
    pub(crate) fn let_go(&self, count: usize) {
        let mut state = self.write();
        let gone = Arc::make_mut(&mut state.held).drain(..count);
        let bytes = gone.map(|frame| frame.bytes_len()).sum::<usize>();
        state.bytes -= bytes;
    }

    /// First sequence of the first frame, if any is held.
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

/// The frames that start at `sequence` or after.
pub(crate) fn starting_at(held: &[Frame], sequence: u64) -> &[Frame] {
    let before = held.partition_point(|frame| frame.first_sequence < sequence);
    &held[before..]
}
