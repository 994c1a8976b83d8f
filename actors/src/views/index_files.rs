//! The index of keys and operations on disk: sorted segments, each written once and later merged
//! with its neighbours.
//!
//! The segments cover the journal from its first record on without a gap; those that expired are
//! one empty segment. A file is named by the last record it covers, and a merge takes the name of
//! the newest segment it replaces: so at any moment there is one whole chain of files, and whatever
//! is not in it is a leftover.

use std::ops::Range;
use std::sync::Arc;

use florin_storage::{Disk, Extent, Reader, SegmentWriter, SortedSegment};

use super::index_job::Job;
use crate::messages::Timestamp;

const FOLDER: &str = "views";
/// Past so many segments some are merged.
const SEGMENTS_MAX: usize = 10;

/// Which index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexKind {
    /// Idempotency keys: random, kept for a time.
    Keys,
    /// Operations: in the order of time, kept for ever.
    Operations,
}

impl IndexKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Operations => "operations",
        }
    }

    /// Whether segments have filters: time-ordered entries don't need them.
    pub(super) const fn has_filters(self) -> bool {
        matches!(self, Self::Keys)
    }

    /// The file of the segment whose last record is `last`.
    pub(super) fn file(self, last: u64) -> String {
        format!("{FOLDER}/{}-{last:020}", self.name())
    }
}

/// How large segments get.
#[derive(Debug, Clone, Copy)]
pub struct IndexOptions {
    /// Entries of a new segment.
    pub entries_max: usize,
    /// Entries that a merged segment may have.
    pub merged_entries_max: u64,
    /// Microseconds between the oldest and the newest entry of a merged segment.
    pub merged_micros_max: i64,
}

/// A segment and its file.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) file: String,
    pub(super) segment: Arc<SortedSegment>,
}

/// Segments that a job made, in place of some others.
#[derive(Debug)]
pub(super) struct Replacement {
    pub(super) of: Range<usize>,
    pub(super) pieces: Vec<Piece>,
}

/// The segments of one index, and the entries that will make the next one.
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
    /// Opens the segments there are. From a damaged or missing one on, all are removed: they are
    /// written anew from the journal. So are those that cover what the journal doesn't have.
    ///
    /// # Errors
    /// What the disk refused.
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
            // Filters are checked now, so that damage shows while it can be mended; they are kept
            // later, as far as there is room.
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

    /// The last record whose entry is in a segment.
    pub const fn covered(&self) -> u64 {
        self.covered
    }

    /// The segments, oldest first.
    pub fn segments(&self) -> Vec<Arc<SortedSegment>> {
        let pieces = self.pieces.iter();
        pieces.map(|piece| Arc::clone(&piece.segment)).collect()
    }

    /// How many segments.
    pub fn count(&self) -> usize {
        self.pieces.len()
    }

    /// Takes an entry for the next segment, unless one holds it already.
    pub fn take(&mut self, entry: u128, sequence: u64) {
        if sequence > self.covered {
            self.building.push((entry, sequence));
        }
    }

    /// Forgets what was taken for the next segment: whoever took it is done, another begins.
    pub fn forget_taken(&mut self) {
        self.building = Vec::new();
    }

    /// Whether there are enough entries for the next segment.
    pub const fn is_due(&self) -> bool {
        self.building.len() >= self.options.entries_max
    }

    /// Writes the next segment, covering everything up to record `last`, made at `time`. Does
    /// nothing if this index reaches that far already: the other one was interrupted.
    ///
    /// # Errors
    /// What the disk refused; the entries stay.
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

    /// Lets the oldest segments go while the others hold at least `entries_max` entries, and those
    /// whose newest entry was made before `oldest`. Says how many entries went. Not while a job is
    /// under way.
    ///
    /// # Errors
    /// What the disk refused.
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
        // What is empty already only ends up here again.
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

    /// Keeps filters in memory, of the newest segments first, as far as `bytes_max` goes. Says how
    /// many bytes they take.
    pub(super) fn fit(&mut self, bytes_max: u64) -> u64 {
        let mut taken = 0;
        for piece in self.pieces.iter_mut().rev() {
            let segment = &piece.segment;
            let bytes = segment.filter_bytes();
            let fits = taken + bytes <= bytes_max;
            if fits && bytes > 0 && !segment.has_filters() {
                match segment.with_filters() {
                    Ok(segment) => piece.segment = Arc::new(segment),
                    // It is looked up on disk meanwhile, and rebuilt if it is damaged.
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

    /// What is to be done beside: a damaged segment rebuilt, or some merged.
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

    /// The neighbours to merge when there are too many segments: those that cost the fewest
    /// entries rewritten for each segment less.
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

    /// Puts segments in place of others, which are in files already, and removes the others'.
    pub(super) fn replace(&mut self, replacement: Replacement) {
        let Replacement { of, pieces } = replacement;
        let kept: Vec<String> = pieces.iter().map(|piece| piece.file.clone()).collect();
        for old in self.pieces.splice(of, pieces) {
            if kept.contains(&old.file) {
                continue;
            }
            // A file that stays is a leftover, which the next start removes.
            if let Err(error) = self.disk.remove(&old.file) {
                tracing::warn!(file = old.file, %error, "an index segment can't be removed");
            }
        }
    }
}

/// Writes a segment and opens it; `pause` is called after every entry.
pub(super) fn write(
    disk: &dyn Disk,
    kind: IndexKind,
    entries: Vec<(u128, u64)>,
    extent: Extent,
    pause: &mut dyn FnMut(),
) -> std::io::Result<Piece> {
    let file = kind.file(extent.covers.1);
    SortedSegment::write(disk, &file, entries, extent, kind.has_filters(), pause)?;
    let segment = Arc::new(SortedSegment::open(disk, &file)?);
    Ok(Piece { file, segment })
}

/// The chain of segments from the first record on, each as long as there is one; and the rest.
fn chain(mut found: Vec<Piece>) -> (Vec<Piece>, Vec<Piece>) {
    // Of those that start at the same record, the longest comes first.
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
