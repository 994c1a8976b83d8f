//! The index of keys and operations on disk: sorted segments, each written once.

use std::sync::Arc;

use florin_storage::{Disk, SortedSegment};

use crate::messages::Timestamp;

const FOLDER: &str = "views";

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
}

/// The segments of one index, and the entries that will make the next one.
#[derive(Debug)]
pub struct IndexFiles {
    kind: IndexKind,
    disk: Arc<dyn Disk>,
    entries_max: usize,
    segments: Vec<(Timestamp, String, Arc<SortedSegment>)>,
    building: Vec<(u128, u64)>,
    covered: u64,
}

impl IndexFiles {
    /// Opens the segments there are. A damaged one, and whatever comes after it, is removed: the
    /// projector writes it anew from the journal. One that covers what the journal doesn't have
    /// is removed too.
    ///
    /// # Errors
    /// What the disk refused.
    pub fn open(
        disk: Arc<dyn Disk>,
        kind: IndexKind,
        entries_max: usize,
        journal_last: u64,
    ) -> std::io::Result<Self> {
        let mut files = Self {
            kind,
            disk: Arc::clone(&disk),
            entries_max,
            segments: Vec::new(),
            building: Vec::new(),
            covered: 0,
        };
        let mut whole = true;
        for file in disk.list(FOLDER)? {
            let Some(time) = files.time_of(&file) else {
                continue;
            };
            let name = format!("{FOLDER}/{file}");
            let opened = if whole {
                SortedSegment::open(disk.as_ref(), &name)
            } else {
                Err(std::io::ErrorKind::InvalidData.into())
            };
            match opened {
                Ok(segment) if segment.covers().1 <= journal_last => {
                    files.covered = segment.covers().1;
                    files.segments.push((time, name, Arc::new(segment)));
                }
                Ok(_) => disk.remove(&name)?,
                Err(error) => {
                    tracing::warn!(file = name, %error, "an index segment is unusable and is rebuilt from the journal");
                    whole = false;
                    disk.remove(&name)?;
                }
            }
        }
        Ok(files)
    }

    /// The last record whose entry is in a segment.
    pub const fn covered(&self) -> u64 {
        self.covered
    }

    /// The segments, oldest first.
    pub fn segments(&self) -> Vec<Arc<SortedSegment>> {
        self.segments
            .iter()
            .map(|(_, _, segment)| Arc::clone(segment))
            .collect()
    }

    /// Takes an entry for the next segment, unless one holds it already.
    pub fn take(&mut self, entry: u128, sequence: u64) {
        if sequence > self.covered {
            self.building.push((entry, sequence));
        }
    }

    /// Whether there are enough entries for the next segment.
    pub const fn is_due(&self) -> bool {
        self.building.len() >= self.entries_max
    }

    /// Writes the next segment, covering everything up to record `last`, made at `time`. Does
    /// nothing if this index reaches that far already: the other one was interrupted.
    ///
    /// # Errors
    /// What the disk refused; the entries stay.
    pub fn seal(&mut self, last: u64, time: Timestamp) -> std::io::Result<()> {
        if last <= self.covered {
            return Ok(());
        }
        let covers = (self.covered + 1, last);
        let name = format!(
            "{FOLDER}/{}-{last:020}-{:016x}",
            self.kind.name(),
            time.as_micros()
        );
        let filter = self.kind == IndexKind::Keys;
        SortedSegment::write(
            self.disk.as_ref(),
            &name,
            self.building.clone(),
            covers,
            filter,
        )?;
        let segment = SortedSegment::open(self.disk.as_ref(), &name)?;
        self.segments.push((time, name, Arc::new(segment)));
        self.building.clear();
        self.covered = last;
        Ok(())
    }

    /// Removes the oldest segments while there are more than `entries_max` entries in segments,
    /// and those made before `oldest`. Says how many entries went.
    ///
    /// # Errors
    /// What the disk refused.
    pub fn expire(&mut self, entries_max: u64, oldest: Timestamp) -> std::io::Result<u64> {
        let mut gone = 0;
        // The newest stays: its name tells how far the index reaches.
        while self.segments.len() > 1 {
            let total: u64 = self
                .segments
                .iter()
                .map(|(_, _, segment)| segment.len())
                .sum();
            let (time, name, segment) = &self.segments[0];
            if total <= entries_max && *time >= oldest {
                break;
            }
            self.disk.remove(name)?;
            gone += segment.len();
            self.segments.remove(0);
        }
        Ok(gone)
    }

    /// The time in a segment's file name; `None` if the file is none of this index.
    fn time_of(&self, file: &str) -> Option<Timestamp> {
        let rest = file.strip_prefix(self.kind.name())?.strip_prefix('-')?;
        let (_, time) = rest.split_once('-')?;
        i64::from_str_radix(time, 16)
            .ok()
            .map(Timestamp::from_micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use florin_storage::SimulatedDisk;

    #[test]
    fn an_index_that_is_ahead_of_the_other_one_keeps_its_segments() {
        let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
        let open = || IndexFiles::open(Arc::clone(&disk), IndexKind::Keys, 1, 9).unwrap();
        let time = Timestamp::from_micros(1);
        let mut files = open();
        files.take(7, 5);
        files.seal(5, time).unwrap();
        // After a crash between the two indexes, the projector comes by again.
        for last in [4, 5] {
            let mut again = open();
            again.take(7, 5);
            again.seal(last, time).unwrap();
            assert_eq!(again.covered(), 5);
            assert_eq!(open().segments()[0].find(7).unwrap(), Some(5));
        }
    }
}
