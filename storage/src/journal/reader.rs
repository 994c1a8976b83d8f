//! Reads the journal from any thread: single records, personal fields, and frames in order. It
//! serves only durable data that was compared with its hash. A frame is checked once, when it is
//! read from the disk, and the cache holds the checked copy. Cloning is cheap; all clones share
//! their caches.

use crate::error::Error;
use crate::journal::shelf::Shelf;
use crate::journal::watermark::Watermark;
use crate::journal::withheld::Withheld;
use crate::segments::frame::Frame;
use crate::segments::personal::PersonalBytes;
use crate::segments::segment::{Segment, segment_name};
use crate::segments::tables::Tables;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// How much a walk over all frames reads at a time, in bytes.
const WALK_BYTES: usize = 1024 * 1024;
/// The largest frame that is cached, in bytes. A frame of one very large record is not cached,
/// because it would use too much memory.
const CACHED_BYTES_MAX: usize = 256 * 1024;

/// Reads a journal's durable records.
#[derive(Debug, Clone)]
pub struct Reader {
    shelf: Arc<Shelf>,
    watermark: Arc<Watermark>,
    withheld: Arc<Withheld>,
    cache: Arc<Mutex<FrameCache>>,
}

impl Reader {
    pub(crate) fn new(
        shelf: Arc<Shelf>,
        watermark: Arc<Watermark>,
        withheld: Arc<Withheld>,
        cached_max: usize,
    ) -> Reader {
        Reader {
            shelf,
            watermark,
            withheld,
            cache: Arc::new(Mutex::new(FrameCache::new(cached_max))),
        }
    }

    /// Returns the last durable sequence: this reader serves nothing after it.
    pub fn durable(&self) -> u64 {
        self.watermark.durable()
    }

    /// Returns a record's bytes, or `None` if it is not durable (yet).
    ///
    /// # Errors
    /// Returns [`Error::Damaged`] if a durable record is missing, or the disk's error.
    pub fn record(&self, sequence: u64) -> Result<Option<Vec<u8>>, Error> {
        let mut records = self.records(&[sequence])?;
        Ok(records.pop().flatten())
    }

    /// Returns several records in the order of `sequences`. Records of one frame share one read.
    ///
    /// # Errors
    /// Returns the errors of [`Reader::record`].
    pub fn records(&self, sequences: &[u64]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let durable = self.durable();
        let mut found = vec![None; sequences.len()];
        let mut order: Vec<usize> = (0..sequences.len())
            .filter(|index| (1..=durable).contains(&sequences[*index]))
            .collect();
        order.sort_unstable_by_key(|index| sequences[*index]);
        let mut order = VecDeque::from(order);
        let mut frame: Option<Arc<Frame>> = None;
        while let Some(index) = order.front().copied() {
            let sequence = sequences[index];
            let known = frame.as_ref().and_then(|frame| frame.record(sequence));
            if let Some(record) = known {
                found[index] = Some(record.to_vec());
                order.pop_front();
                continue;
            }
            frame = self.cached(sequence);
            if frame.is_none() {
                frame = Some(self.fetch(sequence)?);
            }
        }
        Ok(found)
    }

    /// Returns a record's personal fields or their erasure mark. Returns `None` if the record has
    /// no personal row or is not durable (yet). A withheld row counts as erased.
    ///
    /// # Errors
    /// Returns [`Error::Damaged`] for an altered row, or the disk's error.
    pub fn personal(&self, sequence: u64) -> Result<Option<PersonalBytes>, Error> {
        if sequence == 0 || sequence > self.durable() {
            return Ok(None);
        }
        if self.withheld.has(sequence) {
            return Ok(Some(PersonalBytes::Erased));
        }
        self.in_segment_of(sequence, |_, tables| tables.personal(sequence))
    }

    /// Returns the number of records whose personal fields are withheld and not yet known to be
    /// gone from the disk.
    pub fn withheld_rows(&self) -> usize {
        self.withheld.len()
    }

    /// Returns the frames from the one that holds `from` on. Returns at least one frame if there is
    /// any, and no further frame once they take `bytes_max` bytes.
    ///
    /// # Errors
    /// Returns [`Error::Damaged`] if the durable frame that holds `from` is missing, or the disk's
    /// error.
    pub fn scan(&self, from: u64, bytes_max: usize) -> Result<Vec<Frame>, Error> {
        let durable = self.durable();
        let mut frames: Vec<Frame> = Vec::new();
        let mut bytes = 0;
        let mut next = from.max(self.shelf.first().unwrap_or(1));
        while next <= durable {
            let read = self.in_segment_of(next, |segment, tables| {
                let first = read_frame(segment, tables, next)?.first_sequence;
                tables.frames(first, durable, bytes_max - bytes)
            })?;
            bytes += read.iter().map(Frame::bytes_len).sum::<usize>();
            frames.extend(read);
            next = frames.last().map_or(next, |frame| frame.last_sequence) + 1;
            if bytes >= bytes_max {
                break;
            }
        }
        Ok(frames)
    }

    /// Iterates over the durable frames in order, from the one that holds `from` on. The iterator
    /// ends at the last frame that is durable when it gets there, and after an error.
    pub fn frames(&self, from: u64) -> Frames {
        Frames {
            reader: self.clone(),
            next: from,
            read: VecDeque::new(),
            ended: false,
        }
    }

    /// Stops serving the personal fields beside these records. A start calls it for erasures that
    /// are recorded but not yet carried out.
    pub fn withhold(&self, sequences: impl IntoIterator<Item = u64>) {
        self.withheld.add(sequences);
    }

    /// Creates the error for a damaged record, and reports it like all damage. It is for damage
    /// that only the record's owner can recognise, for example a missing personal row.
    pub fn damaged(&self, sequence: u64, what: impl Into<String>) -> Error {
        let first = self.shelf.first_at(sequence).unwrap_or_default();
        let error = Error::damaged(&segment_name(first), sequence, what);
        self.shelf.note(&error, sequence);
        error
    }

    pub(crate) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// Returns the last durable sequence, and the rows that are withheld but not yet erased at that
    /// moment. These are exactly the rows whose erasure is recorded up to that sequence.
    pub(crate) fn moment(&self) -> (u64, BTreeSet<u64>) {
        let (withheld, durable) = self.withheld.at(|| self.durable());
        (durable, withheld)
    }

    fn cached(&self, sequence: u64) -> Option<Arc<Frame>> {
        self.cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(sequence)
    }

    /// Reads the frame that holds a durable sequence, and caches it.
    fn fetch(&self, sequence: u64) -> Result<Arc<Frame>, Error> {
        let frame = self.in_segment_of(sequence, |segment, tables| {
            read_frame(segment, tables, sequence)
        })?;
        let frame = Arc::new(frame);
        self.cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .put(frame.clone());
        Ok(frame)
    }

    /// Reads from the segment that holds a record. Damage that it finds is reported.
    pub(crate) fn in_segment_of<R>(
        &self,
        sequence: u64,
        read: impl Fn(&Segment, &Tables<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let read = self.try_in_segment_of(sequence, read);
        read.inspect_err(|error| self.shelf.note(error, sequence))
    }

    fn try_in_segment_of<R>(
        &self,
        sequence: u64,
        read: impl Fn(&Segment, &Tables<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        loop {
            let first = self.shelf.first_at(sequence).ok_or_else(|| {
                Error::damaged("journal", sequence, "the segment that holds it is missing")
            })?;
            let segment = self.shelf.segment(first)?;
            // The live segment may be sealed between the two lines; then the loop tries again.
            if let Some(found) = segment.read(|tables| read(&segment, tables))? {
                return Ok(found);
            }
        }
    }
}

/// Returns the frame that holds a sequence, or an error if it is missing.
fn read_frame(segment: &Segment, tables: &Tables<'_>, sequence: u64) -> Result<Frame, Error> {
    tables
        .frame_at(sequence)?
        .filter(|frame| frame.last_sequence >= sequence)
        .ok_or_else(|| Error::damaged(&segment.name, sequence, "it is missing"))
}

/// The iterator returned by [`Reader::frames`].
#[derive(Debug)]
pub struct Frames {
    reader: Reader,
    next: u64,
    read: VecDeque<Frame>,
    ended: bool,
}

impl Iterator for Frames {
    type Item = Result<Frame, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.read.is_empty() && !self.ended {
            match self.reader.scan(self.next, WALK_BYTES) {
                Ok(frames) => self.read = frames.into(),
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
        let frame = self.read.pop_front();
        match &frame {
            Some(frame) => self.next = frame.last_sequence + 1,
            None => self.ended = true,
        }
        frame.map(Ok)
    }
}

/// A cache of the most recently used frames, by their first sequence.
#[derive(Debug)]
struct FrameCache {
    max: usize,
    tick: u64,
    frames: BTreeMap<u64, (Arc<Frame>, u64)>,
}

impl FrameCache {
    fn new(max: usize) -> FrameCache {
        FrameCache {
            max,
            tick: 0,
            frames: BTreeMap::new(),
        }
    }

    fn get(&mut self, sequence: u64) -> Option<Arc<Frame>> {
        let (_, (frame, used)) = self.frames.range_mut(..=sequence).next_back()?;
        if frame.last_sequence < sequence {
            return None;
        }
        self.tick += 1;
        *used = self.tick;
        Some(frame.clone())
    }

    fn put(&mut self, frame: Arc<Frame>) {
        if frame.bytes_len() > CACHED_BYTES_MAX {
            return;
        }
        self.tick += 1;
        self.frames.insert(frame.first_sequence, (frame, self.tick));
        if self.frames.len() > self.max {
            let oldest = self.frames.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(first) = oldest.map(|(first, _)| *first) {
                self.frames.remove(&first);
            }
        }
    }
}
