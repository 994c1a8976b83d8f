//! The index of keys and the index of operations on disk. Each consists of sorted segments; a
//! segment is written once and later merged with its neighbours.
//!
//! The segments cover the journal from its first record on without a gap; the expired segments are
//! replaced by one empty segment. A file is named after the last record that it covers, and a
//! merged file takes the name of the newest segment that it replaces. So at any moment there is one
//! complete chain of files, and every other file is a leftover.

use std::ops::Range;
use std::sync::Arc;

use florin_storage::{Disk, Extent, Reader, SegmentWriter, SortedSegment};

use super::index_job::Job;
use super::index_segments::{FOLDER, IndexKind, Piece, Replacement, write};
use crate::words::Timestamp;

/// The number of segments above which some are merged.
const SEGMENTS_MAX: usize = 10;

/// The size limits of segments.
#[derive(Debug, Clone, Copy)]
pub struct IndexOptions {
    /// The number of entries from which on a new segment is written.
    pub entries_max: usize,
    /// The greatest number of entries of a merged segment.
    pub merged_entries_max: u64,
    /// The greatest number of microseconds between the oldest and the newest entry of a merged
    /// segment.
    pub merged_micros_max: i64,
}

/// The segments of one index, and the entries for its next segment.
#[derive(Debug)]
pub struct IndexFiles {
    kind: IndexKind,
    disk: Arc<dyn Disk>,
    options: IndexOptions,
    pieces: Vec<Piece>,
    building: Vec<(u128, u64)>,
    covered: u64,
}

impl IndexFiles {
    /// Opens the existing segments. From the first damaged or missing segment on, all are removed,
    /// and so are segments that cover records which the journal doesn't have. The removed segments
    /// are rebuilt from the journal.
    ///
    /// # Errors
    /// Returns an error if the disk fails.
    pub fn open(
        disk: Arc<dyn Disk>,
        kind: IndexKind,
        options: IndexOptions,
        journal_last: u64,
    ) -> std::io::Result<Self> {
        let mut found = Vec::new();
        for file in disk.list(FOLDER)? {
            let Some(rest) = file.strip_prefix(kind.name()) else {
                continue;
            };
            let file = format!("{FOLDER}/{file}");
            if !rest.starts_with('-') || rest.ends_with(SegmentWriter::SUFFIX) {
                disk.remove(&file)?;
                continue;
            }
            let opened = SortedSegment::open(disk.as_ref(), &file);
            // Filters are checked now, so that damage is found while it can be repaired. They are
            // loaded into memory later, as far as there is room.
            match opened.and_then(|segment| segment.with_filters().map(|_| segment)) {
                Ok(segment) if segment.covers().1 <= journal_last => {
                    let segment = Arc::new(segment);
                    found.push(Piece { file, segment });
                }
                Ok(_) => disk.remove(&file)?,
                Err(error) => {
                    tracing::warn!(file, %error, "an index segment is unusable and is rebuilt from the journal");
                    disk.remove(&file)?;
                }
            }
        }
        let (pieces, leftovers) = chain(found);
        let covered = pieces.last().map_or(0, |piece| piece.segment.covers().1);
        for leftover in leftovers {
            if leftover.segment.covers().0 > covered {
                tracing::warn!(
                    file = leftover.file,
                    "an index segment before this one is missing: both are rebuilt from the journal"
                );
            }
            disk.remove(&leftover.file)?;
        }
        Ok(Self {
            kind,
            disk,
            options,
            pieces,
            building: Vec::new(),
            covered,
        })
    }

    /// Returns the sequence of the last record that the segments cover.
    pub const fn covered(&self) -> u64 {
        self.covered
    }

    /// Returns the segments, oldest first.
    pub fn segments(&self) -> Vec<Arc<SortedSegment>> {
        let pieces = self.pieces.iter();
        pieces.map(|piece| Arc::clone(&piece.segment)).collect()
    }

    /// Returns the number of segments.
    pub fn count(&self) -> usize {
        self.pieces.len()
    }

    /// Adds an entry for the next segment, unless a segment covers its record already.
    pub fn take(&mut self, entry: u128, sequence: u64) {
        if sequence > self.covered {
            self.building.push((entry, sequence));
        }
    }

    /// Drops the entries added for the next segment. The projector adds them again when it reads
    /// the records after the covered ones again.
    pub fn forget_taken(&mut self) {
        self.building = Vec::new();
    }

    /// Returns whether there are enough entries for the next segment.
    pub const fn is_due(&self) -> bool {
        self.building.len() >= self.options.entries_max
    }

    /// Writes the next segment, which covers all records up to `last`, made at `time`. Does nothing
    /// if this index covers `last` already, because the write of the other index was interrupted.
    ///
    /// # Errors
    /// Returns an error if the disk fails; the entries stay.
    pub fn seal(
        &mut self,
        last: u64,
        time: Timestamp,
        pause: &mut dyn FnMut(),
    ) -> std::io::Result<()> {
        if last <= self.covered {
            return Ok(());
        }
        let before = self.pieces.last();
        let since = before.map_or(time.as_micros(), |piece| piece.segment.extent().times.1);
        let extent = Extent {
            covers: (self.covered + 1, last),
            times: (since, time.as_micros()),
        };
        let entries = self.building.clone();
        let piece = write(self.disk.as_ref(), self.kind, entries, extent, pause)?;
        self.pieces.push(piece);
        self.building.clear();
        self.covered = last;
        Ok(())
    }

    /// Removes the oldest segments as long as the others hold at least `entries_max` entries, and
    /// segments whose newest entry was made before `oldest`. Returns the number of removed entries.
    /// It must not be called while a job is under way.
    ///
    /// # Errors
    /// Returns an error if the disk fails.
    pub(super) fn expire(&mut self, entries_max: u64, oldest: Timestamp) -> std::io::Result<u64> {
        let mut left: u64 = self.pieces.iter().map(|piece| piece.segment.len()).sum();
        let mut gone = 0;
        let mut count = 0;
        for piece in &self.pieces {
            let segment = &piece.segment;
            let is_old = segment.extent().times.1 < oldest.as_micros();
            if !is_old && left - segment.len() < entries_max {
                break;
            }
            left -= segment.len();
            gone += segment.len();
            count += 1;
        }
        // The selected segments are empty already, so replacing them would change nothing.
        if gone == 0 {
            return Ok(0);
        }
        let (first, last) = (&self.pieces[0], &self.pieces[count - 1]);
        let (first, last) = (first.segment.extent(), last.segment.extent());
        let extent = Extent {
            covers: (first.covers.0, last.covers.1),
            times: (first.times.0, last.times.1),
        };
        let nothing = write(
            self.disk.as_ref(),
            self.kind,
            Vec::new(),
            extent,
            &mut || {},
        )?;
        self.replace(Replacement {
            of: 0..count,
            pieces: vec![nothing],
        });
        Ok(gone)
    }

    /// Keeps filters in memory, those of the newest segments first, as far as they fit in
    /// `bytes_max`. Returns the number of bytes that they take.
    pub(super) fn fit(&mut self, bytes_max: u64) -> u64 {
        let mut taken = 0;
        for piece in self.pieces.iter_mut().rev() {
            let segment = &piece.segment;
            let bytes = segment.filter_bytes();
            let fits = taken + bytes <= bytes_max;
            if fits && bytes > 0 && !segment.has_filters() {
                match segment.with_filters() {
                    Ok(segment) => piece.segment = Arc::new(segment),
                    // Until then look-ups read this segment on disk. It is rebuilt if it is
                    // damaged.
                    Err(error) => {
                        tracing::warn!(file = piece.file, %error, "an index filter can't be read");
                        continue;
                    }
                }
            } else if !fits && segment.has_filters() {
                piece.segment = Arc::new(segment.without_filters());
            }
            if fits {
                taken += bytes;
            }
        }
        taken
    }

    /// Returns the next job in the background, if there is one: a damaged segment to rebuild, or
    /// segments to merge.
    pub(super) fn job(&self, reader: &Reader) -> Option<Job> {
        let damaged = self
            .pieces
            .iter()
            .position(|piece| piece.segment.is_damaged());
        if let Some(place) = damaged {
            let piece = &self.pieces[place];
            tracing::warn!(
                file = piece.file,
                "an index segment is damaged and is rebuilt from the journal"
            );
            let extent = piece.segment.extent();
            let disk = Arc::clone(&self.disk);
            let entries_max = self.options.entries_max;
            return Some(Job::rebuild(
                disk,
                self.kind,
                place,
                extent,
                entries_max,
                reader.clone(),
            ));
        }
        let run = self.cheapest_run()?;
        let pieces = self.pieces[run.clone()].to_vec();
        Some(Job::merge(Arc::clone(&self.disk), self.kind, run, pieces))
    }

    /// Returns the neighbours to merge if there are too many segments: those with the fewest
    /// entries to rewrite per segment saved.
    fn cheapest_run(&self) -> Option<Range<usize>> {
        if self.pieces.len() <= SEGMENTS_MAX {
            return None;
        }
        let mut best: Option<(u64, u64, Range<usize>)> = None;
        for start in 0..self.pieces.len() - 1 {
            let mut entries = 0;
            let (mut from, mut to) = (i64::MAX, i64::MIN);
            for (place, piece) in self.pieces.iter().enumerate().skip(start) {
                let segment = &piece.segment;
                if !segment.is_empty() {
                    entries += segment.len();
                    from = from.min(segment.extent().times.0);
                    to = to.max(segment.extent().times.1);
                }
                let micros = to.saturating_sub(from);
                if entries > self.options.merged_entries_max
                    || (entries > 0 && micros > self.options.merged_micros_max)
                {
                    break;
                }
                let saved = (place - start) as u64;
                // entries / saved < best entries / best saved
                let is_better = best.as_ref().is_none_or(|(least, by, _)| {
                    u128::from(entries) * u128::from(*by) < u128::from(*least) * u128::from(saved)
                });
                if saved > 0 && is_better {
                    best = Some((entries, saved, start..place + 1));
                }
            }
        }
        best.map(|(_, _, run)| run)
    }

    /// Replaces segments by new ones, whose files exist already, and removes the files of the old
    /// ones.
    pub(super) fn replace(&mut self, replacement: Replacement) {
        let Replacement { of, pieces } = replacement;
        let kept: Vec<String> = pieces.iter().map(|piece| piece.file.clone()).collect();
        for old in self.pieces.splice(of, pieces) {
            if kept.contains(&old.file) {
                continue;
            }
            // A file that can't be removed is a leftover, which the next start removes.
            if let Err(error) = self.disk.remove(&old.file) {
                tracing::warn!(file = old.file, %error, "an index segment can't be removed");
            }
        }
    }
}

/// Splits segments into the chain from the first record on and the rest. Each link of the chain is
/// the longest segment that starts there.
fn chain(mut found: Vec<Piece>) -> (Vec<Piece>, Vec<Piece>) {
    // Of segments that start at the same record, the longest comes first.
    found.sort_by_key(|piece| {
        let (first, last) = piece.segment.covers();
        (first, std::cmp::Reverse(last))
    });
    let (mut pieces, mut rest) = (Vec::new(), Vec::new());
    let mut next = 1;
    for piece in found {
        let (first, last) = piece.segment.covers();
        if first == next && last >= first {
            next = last + 1;
            pieces.push(piece);
        } else {
            rest.push(piece);
        }
    }
    (pieces, rest)
}
