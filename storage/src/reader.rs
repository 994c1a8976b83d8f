//! Reading the journal, from any thread: single records, personal fields, and frames in order.
//! Only what is durable is served. Cheap to clone; all clones share their caches.

use crate::error::Error;
use crate::frame::Frame;
use crate::segment::Segment;
use crate::shelf::Shelf;
use crate::tables::Tables;
use crate::watermark::Watermark;
use crate::withheld::Withheld;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// How much a walk over all frames reads at a time.
const WALK_BYTES: usize = 1024 * 1024;
/// A frame of one very large record is not kept: it would push the cache's memory up.
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

    /// The last sequence this reader serves.
    pub fn durable(&self) -> u64 {
        self.watermark.durable()
    }

    /// A record's bytes; `None` if it is not durable (yet).
    ///
    /// # Errors
    /// [`Error::Damaged`] if it should be there and is not, or what the disk refused.
    pub fn record(&self, sequence: u64) -> Result<Option<Vec<u8>>, Error> {
        let mut records = self.records(&[sequence])?;
        Ok(records.pop().flatten())
    }

    /// Several records at once, in the order asked for, sharing what is read for them.
    ///
    /// # Errors
    /// As [`Reader::record`].
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

    /// The personal fields kept beside a record; `None` if it has none, if they were erased or
    /// are withheld, or if the record is not durable (yet).
    ///
    /// # Errors
    /// What the disk refused.
    pub fn personal(&self, sequence: u64) -> Result<Option<Vec<u8>>, Error> {
        if sequence == 0 || sequence > self.durable() || self.withheld.has(sequence) {
            return Ok(None);
        }
        self.in_segment_of(sequence, |_, tables| tables.personal(sequence))
    }

    /// How many records' personal fields are withheld, and not yet known to be gone from the disk.
    pub fn withheld_rows(&self) -> usize {
        self.withheld.len()
    }

    /// The frames from the one that holds `from` on: at least one if there is any, and no
    /// further one once they take `bytes_max`.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the frame of `from` should be there and is not, or what the disk
    /// refused.
    pub fn scan(&self, from: u64, bytes_max: usize) -> Result<Vec<Frame>, Error> {
        let durable = self.durable();
        let mut frames: Vec<Frame> = Vec::new();
        let mut bytes = 0;
        let mut next = from.max(self.shelf.first().unwrap_or(1));
        while next <= durable {
            let read = self.in_segment_of(next, |segment, tables| {
                let first = hold(segment, tables, next)?.first_sequence;
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

    /// All durable frames from the one that holds `from` on, in order. Ends at what is durable
    /// when it gets there, and after an error.
    pub fn frames(&self, from: u64) -> Frames {
        Frames {
            reader: self.clone(),
            next: from,
            read: VecDeque::new(),
            ended: false,
        }
    }

    /// Serves the personal fields beside these records no more: for a start that finds erasures
    /// recorded and not carried out.
    pub fn withhold(&self, sequences: impl IntoIterator<Item = u64>) {
        self.withheld.add(sequences);
    }

    pub(crate) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// What is durable at one moment, and the rows withheld that were not erased yet then: those
    /// whose erasure is recorded up to there, and no other.
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

    /// Reads the frame of a durable sequence and keeps it.
    fn fetch(&self, sequence: u64) -> Result<Arc<Frame>, Error> {
        let frame =
            self.in_segment_of(sequence, |segment, tables| hold(segment, tables, sequence))?;
        let frame = Arc::new(frame);
        self.cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .put(frame.clone());
        Ok(frame)
    }

    pub(crate) fn in_segment_of<R>(
        &self,
        sequence: u64,
        read: impl Fn(&Segment, &Tables<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        loop {
            let first = self.shelf.first_at(sequence).ok_or_else(|| {
                Error::damaged("journal", sequence, "the segment that holds it is missing")
            })?;
            let segment = self.shelf.segment(first)?;
            // The live segment may be sealed between the two: then look again.
            if let Some(found) = segment.read(|tables| read(&segment, tables))? {
                return Ok(found);
            }
        }
    }
}

/// The frame that holds a sequence which must be there.
fn hold(segment: &Segment, tables: &Tables<'_>, sequence: u64) -> Result<Frame, Error> {
    tables
        .frame_at(sequence)?
        .filter(|frame| frame.last_sequence >= sequence)
        .ok_or_else(|| Error::damaged(&segment.name, sequence, "it is missing"))
}

/// The iterator of [`Reader::frames`].
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

/// The frames used last, by their first sequence.
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
