//! Erasure: personal rows leave a segment for good. redb keeps what was removed in free pages, so
//! the segment's file is written anew beside the old one, its frames byte for byte, and renamed
//! over it. Whenever a crash comes, the old file or the new one is there, whole.

use crate::copying::{Choice, Copied, Go, allocated, check_room, content, copy};
use crate::error::Error;
use crate::journal::settle_folder;
use crate::queue::Queue;
use crate::segment::{Segment, segment_name};
use crate::shelf::Shelf;
use crate::withheld::Withheld;
use std::collections::BTreeSet;
use std::sync::Arc;

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
    /// The caller did not want to go on, or a backup is being made: everything is as it was.
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
        // A backup needs every row that is not erased up to its own last record.
        let Some(_alone) = self.shelf.try_replace() else {
            return Ok(false);
        };
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
        check_room(disk, &old.name, allocated(disk, &old.name)?, free_bytes_min)?;
        let name = segment_name(first);
        let temporary = format!("{name}.tmp");
        let draft = Segment::draft(disk, &temporary, old.header.clone(), cache_bytes)?;
        let choice = Choice {
            last: u64::MAX,
            without: &|sequence| rows.contains(&sequence),
            before_each: &|| Ok(if goes_on() { Go::On } else { Go::Back }),
        };
        let copied = copy(&old, &old.name, &draft, disk, &choice);
        drop(draft);
        let copied = copied.and_then(|copied| match copied {
            Some(copied) => check_content(&old, &copied).map(|()| true),
            None => Ok(false),
        });
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
}

/// What replaces a segment ends as it does, and has as many rows but for those left out.
fn check_content(old: &Segment, copied: &Copied) -> Result<(), Error> {
    if content(old)? == (copied.end, copied.personal + copied.left_out) {
        return Ok(());
    }
    let what = "the copy has not all that it holds";
    Err(Error::damaged(&old.name, old.header.first_sequence, what))
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
