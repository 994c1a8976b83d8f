//! Which segments there are, and those that are open: the live one, and the sealed ones used
//! last. The committer adds to it and every reader looks into it.

use crate::disk::Disk;
use crate::error::Error;
use crate::restore::{RESTORING, interrupted};
use crate::segment::{FOLDER, Segment};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};

/// The segments of one journal.
#[derive(Debug)]
pub(crate) struct Shelf {
    disk: Arc<dyn Disk>,
    cache_bytes: usize,
    open_max: usize,
    known: RwLock<Known>,
    /// Sealed and open, the one used last at the end.
    sealed: Mutex<Vec<Arc<Segment>>>,
    /// Shared by those who need every sealed file to stay, taken alone by who replaces one.
    files: RwLock<()>,
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
    ) -> Shelf {
        Shelf {
            disk,
            cache_bytes,
            open_max,
            known: RwLock::new(Known { firsts, live: None }),
            sealed: Mutex::new(Vec::new()),
            files: RwLock::default(),
        }
    }

    /// Has all sealed segments stay as they are, as long as the guard lives. Waits for one that is
    /// being replaced.
    pub(crate) fn keep_files(&self) -> RwLockReadGuard<'_, ()> {
        self.files.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a sealed segment's file be replaced; `None` while somebody keeps them. Never waits.
    pub(crate) fn try_replace(&self) -> Option<RwLockWriteGuard<'_, ()>> {
        match self.files.try_write() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(error)) => Some(error.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        self.disk.as_ref()
    }

    /// First sequence of the segment that `sequence` is in, or would be.
    pub(crate) fn first_at(&self, sequence: u64) -> Option<u64> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.firsts.range(..=sequence).next_back().copied()
    }

    /// First sequence of the journal's first segment.
    pub(crate) fn first(&self) -> Option<u64> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.firsts.first().copied()
    }

    /// First sequences of the segments that hold records up to `last`; of an empty journal, the
    /// first one's.
    pub(crate) fn firsts_up_to(&self, last: u64) -> Vec<u64> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let first = known.firsts.first().copied().unwrap_or(1);
        known.firsts.range(..=last.max(first)).copied().collect()
    }

    /// The live segment, unless it is closed.
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

    /// Closes the live segment and, with `next`, makes the one after it. Readers wait meanwhile,
    /// so that nobody opens a file that is being closed.
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

    /// Whether the segment that starts at `first` is written no more: there is one after it.
    pub(crate) fn is_sealed(&self, first: u64) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.firsts.last() != Some(&first)
    }

    /// Lets go of a sealed segment whose file was replaced: whoever asks from now on gets the new
    /// one, whoever has the old one open goes on with it.
    pub(crate) fn reopen(&self, first: u64) {
        let mut sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        sealed.retain(|segment| segment.header.first_sequence != first);
    }

    /// Memory to cache each open sealed segment.
    pub(crate) fn cache_bytes(&self) -> usize {
        self.cache_bytes
    }

    /// The open segment that starts at `first`.
    pub(crate) fn segment(&self, first: u64) -> Result<Arc<Segment>, Error> {
        // Held until the end: the live segment is not sealed while it is looked for.
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

/// The first sequences of the segments in the folder, and the leftovers of an interrupted start.
pub(crate) fn survey(disk: &dyn Disk) -> Result<(BTreeSet<u64>, Vec<String>), Error> {
    let names = disk
        .list(FOLDER)
        .map_err(|source| Error::io(FOLDER, source))?;
    let mut firsts = BTreeSet::new();
    let mut leftovers = Vec::new();
    for name in names {
        let file = format!("{FOLDER}/{name}");
        if file == RESTORING {
            return Err(interrupted());
        } else if name.ends_with(".tmp") {
            leftovers.push(file);
        } else if let Some(stem) = name.strip_suffix(".redb") {
            let digits = stem.len() == 20 && stem.bytes().all(|byte| byte.is_ascii_digit());
            let first = stem.parse().ok().filter(|first| digits && *first > 0);
            let what = "its name is not that of a segment";
            firsts.insert(first.ok_or_else(|| Error::damaged(&file, 0, what))?);
        }
    }
    Ok((firsts, leftovers))
}
