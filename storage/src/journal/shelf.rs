//! The set of a journal's segments, and those that are open: the live one, and the sealed ones that
//! were used last. The committer adds segments, and all readers look them up.

use crate::disk::interface::Disk;
use crate::error::Error;
use crate::journal::damages::Damages;
use crate::segments::segment::Segment;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};

/// The segments of one journal.
#[derive(Debug)]
pub(crate) struct Shelf {
    disk: Arc<dyn Disk>,
    cache_bytes: usize,
    open_max: usize,
    known: RwLock<Known>,
    /// The open sealed segments, the most recently used one at the end.
    sealed: Mutex<Vec<Arc<Segment>>>,
    /// A lock that is shared by those who need every sealed file to stay, and exclusive for those
    /// who replace one.
    files: RwLock<()>,
    damages: Damages,
}

#[derive(Debug)]
struct Known {
    firsts: BTreeSet<u64>,
    live: Option<Arc<Segment>>,
}

impl Shelf {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        cache_bytes: usize,
        open_max: usize,
        firsts: BTreeSet<u64>,
        damages: Damages,
    ) -> Shelf {
        Shelf {
            disk,
            cache_bytes,
            open_max,
            known: RwLock::new(Known { firsts, live: None }),
            sealed: Mutex::new(Vec::new()),
            files: RwLock::default(),
            damages,
        }
    }

    /// Keeps all sealed files unchanged as long as the guard lives. Waits while one is being
    /// replaced.
    pub(crate) fn keep_files(&self) -> RwLockReadGuard<'_, ()> {
        self.files.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the right to replace a sealed file, or `None` while a guard of [`Shelf::keep_files`]
    /// lives. Never waits.
    pub(crate) fn try_replace(&self) -> Option<RwLockWriteGuard<'_, ()>> {
        match self.files.try_write() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(error)) => Some(error.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Reports an error near record `sequence`, if it is damage.
    pub(crate) fn note(&self, error: &Error, sequence: u64) {
        self.damages.note(error, sequence);
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        self.disk.as_ref()
    }

    /// Returns the first sequence of the segment that holds or would hold `sequence`.
    pub(crate) fn first_at(&self, sequence: u64) -> Option<u64> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.firsts.range(..=sequence).next_back().copied()
    }

    /// Returns the first sequence of the journal's first segment.
    pub(crate) fn first(&self) -> Option<u64> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.firsts.first().copied()
    }

    /// Returns the first sequences of the segments that hold records up to `last`. For an empty
    /// journal this is the first segment's.
    pub(crate) fn firsts_up_to(&self, last: u64) -> Vec<u64> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let first = known.firsts.first().copied().unwrap_or(1);
        known.firsts.range(..=last.max(first)).copied().collect()
    }

    /// Returns the live segment, or `None` if it is closed.
    pub(crate) fn live(&self) -> Option<Arc<Segment>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.live.clone()
    }

    /// Adds the live segment.
    pub(crate) fn set_live(&self, segment: Arc<Segment>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.firsts.insert(segment.header.first_sequence);
        known.live = Some(segment);
    }

    /// Closes the live segment and adds the one that `next` creates, if any. Readers wait
    /// meanwhile, so that none opens a file that is being closed.
    pub(crate) fn close_live(
        &self,
        next: impl FnOnce() -> Result<Option<Segment>, Error>,
    ) -> Result<Option<Arc<Segment>>, Error> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(live) = known.live.take() {
            live.close()?;
        }
        let next = next()?.map(Arc::new);
        if let Some(next) = &next {
            known.firsts.insert(next.header.first_sequence);
            known.live = Some(next.clone());
        }
        Ok(next)
    }

    /// Returns whether the segment that starts at `first` is sealed, because another one follows
    /// it.
    pub(crate) fn is_sealed(&self, first: u64) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.firsts.last() != Some(&first)
    }

    /// Drops a sealed segment whose file was replaced. Later readers open the new file; current
    /// readers go on with the old one.
    pub(crate) fn reopen(&self, first: u64) {
        let mut sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        sealed.retain(|segment| segment.header.first_sequence != first);
    }

    /// Returns the size of each open sealed segment's cache in bytes.
    pub(crate) fn cache_bytes(&self) -> usize {
        self.cache_bytes
    }

    /// Returns the segment that starts at `first`, and opens it if necessary.
    pub(crate) fn segment(&self, first: u64) -> Result<Arc<Segment>, Error> {
        // The lock is held until the end, so that the live segment is not sealed during the search.
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let live = known.live.as_ref();
        if let Some(live) = live.filter(|live| live.header.first_sequence == first) {
            return Ok(live.clone());
        }
        let mut sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        let at = sealed
            .iter()
            .position(|segment| segment.header.first_sequence == first);
        let segment = match at {
            Some(at) => sealed.remove(at),
            None => {
                let opened = Segment::open_sealed(self.disk(), first, self.cache_bytes)?;
                Arc::new(opened)
            }
        };
        sealed.push(segment.clone());
        if sealed.len() > self.open_max {
            sealed.remove(0);
        }
        Ok(segment)
    }
}
