//! Erasure: personal rows leave a segment for good. redb keeps what was removed in free pages, so
//! the segment's file is written anew beside the old one, its frames byte for byte, and renamed
//! over it. Whenever a crash comes, the old file or the new one is there, whole.

use crate::disk::{Disk, OpenHow};
use crate::error::Error;
use crate::journal::settle_folder;
use crate::queue::Queue;
use crate::segment::{Segment, segment_name};
use crate::shelf::Shelf;
use crate::tables::Tables;
use crate::withheld::Withheld;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

/// How much is read from the old file and written to the new one in one transaction.
const COPY_BYTES: usize = 4 * 1024 * 1024;

/// Takes personal rows off the disk. Belongs to one thread or task, which it blocks for as long as
/// a segment takes to be copied.
#[derive(Debug)]
pub struct Eraser {
    shelf: Arc<Shelf>,
    queue: Arc<Queue>,
    withheld: Arc<Withheld>,
    /// A file was perhaps renamed and nobody knows whether a crash would leave it so.
    unsettled: bool,
}

/// What one call of [`Eraser::erase`] came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Erasure {
    /// These rows are on the disk no more, and a crash does not bring them back.
    Gone(Vec<u64>),
    /// The rows lie in the live segment: the committer was asked to seal it. To be called again.
    Sealing,
    /// The caller did not want to go on: everything is as it was.
    Stopped,
}

impl Eraser {
    pub(crate) fn new(shelf: Arc<Shelf>, queue: Arc<Queue>, withheld: Arc<Withheld>) -> Eraser {
        Eraser {
            shelf,
            queue,
            withheld,
            unsettled: false,
        }
    }

    /// Takes the personal rows beside some of these records away: those in the first segment that
    /// holds any, all of them in one rewrite. What is gone already counts as taken away. The
    /// copy leaves `free_bytes_min` on the disk; `goes_on` is asked now and then.
    ///
    /// # Errors
    /// [`Error::Damaged`] for a segment that is not whole, or what the disk refused. The old file
    /// or the new one is in place then; call again.
    pub fn erase(
        &mut self,
        sequences: &[u64],
        free_bytes_min: u64,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Erasure, Error> {
        let Some(lowest) = sequences.iter().copied().min() else {
            return Ok(Erasure::Gone(Vec::new()));
        };
        let Some(first) = self.shelf.first_at(lowest) else {
            let what = "the segment that holds it is missing";
            return Err(Error::damaged("journal", lowest, what));
        };
        if !self.shelf.is_sealed(first) {
            self.queue.seal(lowest);
            return Ok(Erasure::Sealing);
        }
        let within = |sequence: &u64| self.shelf.first_at(*sequence) == Some(first);
        let rows: BTreeSet<u64> = sequences.iter().copied().filter(within).collect();
        if !self.rewrite(first, &rows, free_bytes_min, goes_on)? {
            return Ok(Erasure::Stopped);
        }
        let rows: Vec<u64> = rows.into_iter().collect();
        self.withheld.forget(&rows);
        Ok(Erasure::Gone(rows))
    }

    /// Rewrites a sealed segment without these rows. False if it was not to go on.
    fn rewrite(
        &mut self,
        first: u64,
        rows: &BTreeSet<u64>,
        free_bytes_min: u64,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<bool, Error> {
        let disk = self.shelf.disk();
        if self.unsettled {
            settle_folder(disk)?;
            self.unsettled = false;
        }
        let cache_bytes = self.shelf.cache_bytes();
        let old = Segment::open_sealed(disk, first, cache_bytes)?;
        if !holds_any(&old, rows)? {
            return Ok(true);
        }
        self.check_room(&old.name, free_bytes_min)?;
        let draft = Segment::draft(disk, old.header.clone(), cache_bytes)?;
        let temporary = draft.name.clone();
        let copied = copy(disk, &old, draft, rows, goes_on);
        let name = segment_name(first);
        if !matches!(copied, Ok(true)) {
            // What stays behind is written over by the next call or removed by the next start.
            if let Err(error) = disk.remove(&temporary) {
                tracing::warn!(file = temporary, %error, "a copy that was given up stays behind");
            }
            return copied;
        }
        let renamed = disk.rename(&temporary, &name);
        // Also after an error: it may have been the sync of the folder alone.
        self.shelf.reopen(first);
        self.unsettled = renamed.is_err();
        renamed.map_err(|source| Error::io(&name, source))?;
        tracing::info!(segment = %name, rows = rows.len(), "personal values are erased");
        Ok(true)
    }

    /// The copy may take as much as the old file does.
    fn check_room(&self, name: &str, free_bytes_min: u64) -> Result<(), Error> {
        let disk = self.shelf.disk();
        let io = |source| Error::io(name, source);
        let file = disk.open(name, OpenHow::Read).map_err(io)?;
        let needed = file.allocated_bytes().map_err(io)?;
        let free = disk.free_bytes().map_err(io)?;
        if free.saturating_sub(needed) >= free_bytes_min {
            return Ok(());
        }
        let what = format!("a copy of {needed} bytes does not fit, {free} bytes are free");
        Err(io(io::Error::new(io::ErrorKind::StorageFull, what)))
    }
}

fn holds_any(segment: &Segment, rows: &BTreeSet<u64>) -> Result<bool, Error> {
    let found = segment.read(|tables| {
        for sequence in rows {
            if tables.personal(*sequence)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    })?;
    found.ok_or(Error::Stopped)
}

/// Copies everything but `without` into `draft`, closes it and reads it back: what replaces a
/// segment must be whole. False if it was not to go on.
fn copy(
    disk: &dyn Disk,
    old: &Segment,
    draft: Segment,
    without: &BTreeSet<u64>,
    goes_on: &dyn Fn() -> bool,
) -> Result<bool, Error> {
    let mut next = old.header.first_sequence;
    loop {
        if !goes_on() {
            return Ok(false);
        }
        let frames = read(old, |tables| tables.frames(next, u64::MAX, COPY_BYTES))?;
        let Some(last) = frames.last() else { break };
        next = last.last_sequence + 1;
        if let Some(broken) = frames.iter().find(|frame| !frame.verify()) {
            let what = "its link differs from its bytes";
            return Err(Error::damaged(&old.name, broken.first_sequence, what));
        }
        let rows = frames
            .iter()
            .map(|frame| (frame.first_sequence, frame.bytes()));
        draft.commit(rows, std::iter::empty())?;
    }
    let mut next = 0;
    let mut left_out = 0;
    loop {
        if !goes_on() {
            return Ok(false);
        }
        let rows = read(old, |tables| tables.personal_rows(next, COPY_BYTES))?;
        let Some((last, _)) = rows.last() else { break };
        next = last + 1;
        let kept = rows
            .iter()
            .filter(|(sequence, _)| !without.contains(sequence));
        let kept: Vec<_> = kept.map(|(at, bytes)| (*at, &bytes[..])).collect();
        left_out += (rows.len() - kept.len()) as u64;
        draft.commit(std::iter::empty(), kept.into_iter())?;
    }
    draft.close()?;
    let (name, header) = (draft.name.clone(), &old.header);
    let summary = |segment: &Segment| {
        read(segment, |tables| {
            Ok((tables.counts()?, tables.last()?.map(|frame| frame.link)))
        })
    };
    let ((frames, personal), link) = summary(old)?;
    let first = header.first_sequence;
    let written = Segment::open_to_read(disk, name.clone(), first, COPY_BYTES)?;
    if written.header != *header || summary(&written)? != ((frames, personal - left_out), link) {
        let what = "the copy is not what was written";
        return Err(Error::damaged(&name, first, what));
    }
    Ok(true)
}

fn read<R>(
    segment: &Segment,
    read: impl FnOnce(&Tables<'_>) -> Result<R, Error>,
) -> Result<R, Error> {
    // Nobody else closes it.
    segment.read(read)?.ok_or(Error::Stopped)
}
