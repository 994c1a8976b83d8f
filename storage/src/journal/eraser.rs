//! The eraser, which removes personal rows from a segment permanently. redb keeps removed rows in
//! free pages, so the eraser writes a new segment file beside the old one (frames byte for byte,
//! erasure marks in place of the rows) and renames it over the old one. Whenever a crash happens,
//! either the old file or the new one is there, complete.

use crate::error::Error;
use crate::journal::folder::sync_folder;
use crate::journal::queue::Queue;
use crate::journal::shelf::Shelf;
use crate::journal::withheld::Withheld;
use crate::segments::copying::{Choice, Copied, Progress, allocated, check_room, content, copy};
use crate::segments::personal::PersonalBytes;
use crate::segments::segment::{Segment, segment_name};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Removes personal rows from the disk. It belongs to one thread or task, which it blocks for as
/// long as copying a segment takes.
#[derive(Debug)]
pub struct Eraser {
    shelf: Arc<Shelf>,
    queue: Arc<Queue>,
    withheld: Arc<Withheld>,
    /// Whether a rename failed, so that it is unknown whether the rename would survive a crash.
    rename_unsure: bool,
}

/// The result of one call of [`Eraser::erase`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Erasure {
    /// These rows are no longer on the disk, and a crash does not bring them back.
    Gone(Vec<u64>),
    /// The rows are in the live segment. The committer was asked to seal it; call again later.
    Sealing,
    /// The caller asked to stop, or a backup is being made. Nothing has changed.
    Stopped,
}

impl Eraser {
    pub(crate) fn new(shelf: Arc<Shelf>, queue: Arc<Queue>, withheld: Arc<Withheld>) -> Eraser {
        Eraser {
            shelf,
            queue,
            withheld,
            rename_unsure: false,
        }
    }

    /// Removes the personal rows beside some of these records: in one rewrite, all of those in the
    /// first segment that holds any. A row that is already gone counts as removed. The copy leaves
    /// `free_bytes_min` bytes free on the disk. `goes_on` is called from time to time.
    ///
    /// # Errors
    /// Returns [`Error::Damaged`] for a damaged segment, or the disk's error. Either the old file
    /// or the new one is then in place; call again.
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
        let rewritten = self.rewrite(first, &rows, free_bytes_min, goes_on);
        let rewritten = rewritten.inspect_err(|error| self.shelf.note(error, lowest));
        if !rewritten? {
            return Ok(Erasure::Stopped);
        }
        let rows: Vec<u64> = rows.into_iter().collect();
        self.withheld.forget(&rows);
        Ok(Erasure::Gone(rows))
    }

    /// Rewrites a sealed segment with erasure marks in place of these rows. Returns false if the
    /// rewrite was stopped.
    fn rewrite(
        &mut self,
        first: u64,
        rows: &BTreeSet<u64>,
        free_bytes_min: u64,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<bool, Error> {
        // A running backup needs every row that is not erased up to its own last record.
        let Some(_alone) = self.shelf.try_replace() else {
            return Ok(false);
        };
        let disk = self.shelf.disk();
        if self.rename_unsure {
            sync_folder(disk)?;
            self.rename_unsure = false;
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
            before_each: &|| {
                Ok(if goes_on() {
                    Progress::Continue
                } else {
                    Progress::Stop
                })
            },
        };
        let copied = copy(&old, &old.name, &draft, disk, &choice);
        drop(draft);
        let copied = copied.and_then(|copied| match copied {
            Some(copied) => check_content(&old, &copied).map(|()| true),
            None => Ok(false),
        });
        if !matches!(copied, Ok(true)) {
            // If the removal fails, the next call overwrites the file, or the next start removes
            // it.
            if let Err(error) = disk.remove(&temporary) {
                tracing::warn!(file = temporary, %error, "an unfinished copy can't be removed");
            }
            return copied;
        }
        let renamed = disk.rename(&temporary, &name);
        // The segment is reopened after an error too: perhaps only the sync of the folder failed.
        self.shelf.reopen(first);
        self.rename_unsure = renamed.is_err();
        renamed.map_err(|source| Error::io(&name, source))?;
        tracing::info!(segment = %name, rows = rows.len(), "personal data was erased");
        Ok(true)
    }
}

/// Returns an error unless the copy ends like the old segment and has as many rows, erasure marks
/// included.
fn check_content(old: &Segment, copied: &Copied) -> Result<(), Error> {
    if content(old)? == (copied.end, copied.personal) {
        return Ok(());
    }
    let what = "the copy has not all that it holds";
    Err(Error::damaged(&old.name, old.header.first_sequence, what))
}

fn holds_any(segment: &Segment, rows: &BTreeSet<u64>) -> Result<bool, Error> {
    let found = segment.read(|tables| {
        for sequence in rows {
            if matches!(tables.personal(*sequence)?, Some(PersonalBytes::Kept(_))) {
                return Ok(true);
            }
        }
        Ok(false)
    })?;
    found.ok_or(Error::Stopped)
}
