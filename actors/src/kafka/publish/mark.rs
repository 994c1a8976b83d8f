//! The node's own mark: a file in the data folder that says how far the node has published. The
//! mark is a lower bound: it is written after the transactions are committed, at most once per
//! `WRITE_EVERY` and at the end. It lets a node notice that the cursor topic was deleted, emptied
//! or set back.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use florin_storage::{Disk, OpenHow};

use super::cursor::PublishCursor;
use crate::conditions::Conditions;

/// The name of the file in the data folder. It contains a cursor for each transactional id, in
/// JSON.
pub const PUBLISHED_FILE: &str = "published.json";
const FILE: &str = PUBLISHED_FILE;
/// The minimum interval between two writes of the file while events are published.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// The maximum size of the file. A longer file is rejected as invalid.
const BYTES_MAX: u64 = 1 << 20;

/// The marks in this data folder, by transactional id.
#[derive(Debug)]
pub(super) struct Marks {
    disk: Arc<dyn Disk>,
    conditions: Arc<Conditions>,
    id: String,
    /// The marks, or the reason why the file can't be read.
    all: Result<BTreeMap<String, PublishCursor>, String>,
    is_written: bool,
    tried_at: Option<Instant>,
}

impl Marks {
    /// Reads the file. `id` is the transactional id whose mark is read and updated.
    pub(super) fn open(disk: Arc<dyn Disk>, conditions: Arc<Conditions>, id: &str) -> Self {
        let all = read(disk.as_ref()).map_err(|error| error.to_string());
        Self {
            disk,
            conditions,
            id: id.to_owned(),
            all,
            is_written: true,
            tried_at: None,
        }
    }

    /// Returns how far this node has published with its transactional id; `None` if it never has.
    ///
    /// # Errors
    /// Returns the reason why the file can't be read.
    pub(super) fn known(&self) -> Result<Option<&PublishCursor>, &str> {
        match &self.all {
            Ok(all) => Ok(all.get(&self.id)),
            Err(reason) => Err(reason),
        }
    }

    /// Sets the mark, and writes the file if it is due.
    pub(super) fn note(&mut self, cursor: &PublishCursor) {
        let mut all = std::mem::replace(&mut self.all, Ok(BTreeMap::new())).unwrap_or_default();
        all.insert(self.id.clone(), cursor.clone());
        self.all = Ok(all);
        self.is_written = false;
        self.write_if_due();
    }

    /// Writes the file if the mark has changed and the last attempt is at least `WRITE_EVERY` ago.
    pub(super) fn write_if_due(&mut self) {
        let is_due = |tried: Instant| tried.elapsed() >= WRITE_EVERY;
        if self.tried_at.is_none_or(is_due) {
            self.write();
        }
    }

    /// Writes the file if the mark has changed. A failed write is retried with the next mark.
    pub(super) fn write(&mut self) {
        let Ok(all) = &self.all else { return };
        if self.is_written {
            return;
        }
        self.tried_at = Some(Instant::now());
        let written = serde_json::to_vec(all)
            .map_err(io::Error::other)
            .and_then(|bytes| florin_storage::write_whole(self.disk.as_ref(), FILE, &bytes));
        self.conditions.note_file(FILE, &written);
        self.is_written = written.is_ok();
    }
}

/// Returns the marks in the file; none if the file doesn't exist.
fn read(disk: &dyn Disk) -> io::Result<BTreeMap<String, PublishCursor>> {
    if !disk.exists(FILE)? {
        return Ok(BTreeMap::new());
    }
    let file = disk.open(FILE, OpenHow::Read)?;
    let length = file.len()?;
    if length > BYTES_MAX {
        return Err(io::Error::other(format!("{length} bytes are too many")));
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_at(0, &mut bytes)?;
    serde_json::from_slice(&bytes).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use florin_storage::SimulatedDisk;

    use super::*;

    fn open(disk: &SimulatedDisk, id: &str) -> Marks {
        Marks::open(Arc::new(disk.clone()), Arc::default(), id)
    }

    fn cursor(sequence: u64) -> PublishCursor {
        PublishCursor {
            journal_id: "j".to_owned(),
            epoch: 1,
            sequence,
            link: None,
        }
    }

    #[test]
    fn each_transactional_id_has_a_mark_of_its_own_that_comes_back() {
        let disk = SimulatedDisk::new();
        let mut first = open(&disk, "a");
        assert_eq!(first.known(), Ok(None));
        first.note(&cursor(7));
        assert_eq!(open(&disk, "a").known(), Ok(Some(&cursor(7))));
        // This mark may come too soon after the previous one, so the final write is needed.
        first.note(&cursor(9));
        first.write();
        let mut second = open(&disk, "b");
        assert_eq!(second.known(), Ok(None));
        second.note(&cursor(3));
        assert_eq!(open(&disk, "a").known(), Ok(Some(&cursor(9))));
        assert_eq!(open(&disk, "b").known(), Ok(Some(&cursor(3))));
    }

    #[test]
    fn a_file_that_cant_be_read_is_not_taken_for_none() {
        let disk = SimulatedDisk::new();
        florin_storage::write_whole(&disk, FILE, b"{\"a\":").unwrap();
        let mut marks = open(&disk, "a");
        assert!(marks.known().is_err());
        marks.note(&cursor(4));
        marks.write();
        assert_eq!(open(&disk, "a").known(), Ok(Some(&cursor(4))));
    }
}
