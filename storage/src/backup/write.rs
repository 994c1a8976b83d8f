//! Backups. A backup holds the journal up to one durable record. It is read while the journal is
//! being written, and each segment is copied to a file of its own on another disk. Only a reader's
//! short transactions touch the live segment, so the committer never waits for a backup.

use crate::backup::manifest::{MANIFEST, Manifest, SegmentFile, measure};
use crate::disk::file_disk::BACKUP_FOLDER;
use crate::disk::interface::Disk;
use crate::error::Error;
use crate::journal::reader::Reader;
use crate::segments::chain::check_continues;
use crate::segments::copying::{Choice, Copied, Progress, Source, check_room, copy};
use crate::segments::head::Head;
use crate::segments::segment::{Header, Segment};
use crate::segments::tables::Tables;
use std::collections::BTreeSet;

/// The size of the cache for a segment that is being written, in bytes.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// A segment of an open journal. It may be sealed while it is being read.
struct InJournal<'a> {
    reader: &'a Reader,
    first: u64,
}

impl Source for InJournal<'_> {
    fn read<R>(&self, read: impl Fn(&Tables<'_>) -> Result<R, Error>) -> Result<R, Error> {
        self.reader
            .in_segment_of(self.first, |_, tables| read(tables))
    }
}

/// Copies everything that is durable now to an empty disk. Returns the manifest once the copy is
/// durable there, or `None` if `goes_on` returned false. The copy leaves out exactly the personal
/// rows whose erasure is recorded at that moment. `free_bytes_min` bytes stay free on the target
/// disk. `goes_on` is called from time to time.
///
/// Blocks the calling thread. Erasures that are recorded meanwhile are carried out afterwards.
///
/// # Errors
/// Returns [`Error::NotEmpty`] if the disk holds a backup or a part of one, [`Error::Damaged`] if
/// the journal is damaged, or the error of either disk. A copy without a manifest isn't a backup.
pub fn write_backup(
    reader: &Reader,
    to: &dyn Disk,
    free_bytes_min: u64,
    goes_on: &dyn Fn() -> bool,
) -> Result<Option<Manifest>, Error> {
    check_unused(to)?;
    let _kept = reader.shelf().keep_files();
    let (last, erased) = reader.moment();
    let mut files = Vec::new();
    let mut before: Option<(Header, Head)> = None;
    for first in reader.shelf().firsts_up_to(last) {
        let header = reader.in_segment_of(first, |segment, _| Ok(segment.header.clone()))?;
        match &before {
            Some((earlier, end)) => check_continues(&file_name(first), &header, earlier, end)?,
            None if first == 1 => {}
            None => {
                let what = "it is missing: the journal begins with it";
                return Err(Error::damaged(&file_name(1), 1, what));
            }
        }
        let segment = CopyOf {
            source: &InJournal { reader, first },
            header: &header,
            name: &file_name(first),
        };
        let Some(copied) = segment.write(to, last, &erased, free_bytes_min, goes_on)? else {
            return Ok(None);
        };
        let file = file_name(first);
        let (bytes, blake3) = measure(to, &file)?;
        files.push(SegmentFile {
            file,
            first_sequence: first,
            bytes,
            blake3,
        });
        before = Some((header, copied.end));
    }
    let missing = || Error::damaged("journal", last, "the segment that holds it is missing");
    let (header, end) = before.ok_or_else(missing)?;
    if end.sequence != last {
        return Err(missing());
    }
    let manifest = Manifest::new(&header.journal_id, end, files);
    manifest.write(to)?;
    Ok(Some(manifest))
}

fn check_unused(to: &dyn Disk) -> Result<(), Error> {
    let io = |source| Error::io(BACKUP_FOLDER, source);
    if to.exists(MANIFEST).map_err(io)? || !to.list(BACKUP_FOLDER).map_err(io)?.is_empty() {
        return Err(Error::NotEmpty("the backup's directory".to_owned()));
    }
    Ok(())
}

/// Returns the name of the backup file of the segment that starts at sequence `first`.
pub(crate) fn file_name(first: u64) -> String {
    format!("{BACKUP_FOLDER}/{first:020}.redb")
}

/// A segment to copy, and the name of its file in the target.
pub(crate) struct CopyOf<'a, S> {
    pub(crate) source: &'a S,
    pub(crate) header: &'a Header,
    pub(crate) name: &'a str,
}

impl<S: Source> CopyOf<'_, S> {
    /// Writes the copy, which is durable under its name when this returns. Returns `None` if the
    /// copy was stopped.
    pub(crate) fn write(
        &self,
        to: &dyn Disk,
        last: u64,
        without: &BTreeSet<u64>,
        free_bytes_min: u64,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Option<Copied>, Error> {
        let draft = Segment::draft(to, self.name, self.header.clone(), CACHE_BYTES)?;
        let choice = Choice {
            last,
            without: &|sequence| without.contains(&sequence),
            before_each: &|| {
                check_room(to, self.name, 0, free_bytes_min)?;
                Ok(if goes_on() {
                    Progress::Continue
                } else {
                    Progress::Stop
                })
            },
        };
        copy(self.source, self.name, &draft, to, &choice)
    }
}

#[cfg(test)]
#[cfg(not(florin_loom))]
mod tests {
    use super::*;
    use crate::backup::restore::Backup;
    use crate::disk::simulated::SimulatedDisk;
    use crate::journal::eraser::Erasure;
    use crate::journal::open::Journal;
    use crate::journal::options::Options;
    use crate::segments::chunk::Chunk;
    use crate::segments::personal::PersonalBytes;
    use std::cell::RefCell;
    use std::sync::Arc;

    /// Returns a chunk of one record. `erases` is the record whose personal row it erases.
    fn record(sequence: u64, personal: Option<&str>, erases: Option<u64>) -> Chunk {
        let mut chunk = Chunk::new(sequence, 10);
        chunk.begin().push(1);
        let personal = personal.map(|name| name.as_bytes().to_vec());
        chunk.end(sequence as i64, personal).unwrap();
        erases.into_iter().for_each(|row| chunk.withhold(row));
        chunk
    }

    fn rows(disk: &SimulatedDisk, first: u64) -> Vec<u64> {
        let segment = Segment::open_to_read(disk, file_name(first), first, CACHE_BYTES).unwrap();
        let rows = Source::read(&segment, |tables| tables.personal_rows(0, usize::MAX)).unwrap();
        let kept = rows
            .into_iter()
            .filter(|(_, row)| matches!(row, PersonalBytes::Kept(_)));
        kept.map(|(sequence, _)| sequence).collect()
    }

    #[test]
    fn erasures_up_to_its_last_record_are_in_it_and_no_later_one_is() {
        let disk = SimulatedDisk::new();
        let opened = Journal::open(Arc::new(disk), Options::new([9; 16]), 0).unwrap();
        let (queue, reader) = (opened.queue, opened.reader);
        let parts = RefCell::new((opened.committer, opened.eraser, false));
        let push = |chunk| queue.push(chunk);
        push(record(1, Some("one"), None));
        push(record(2, Some("two"), None));
        push(record(3, None, Some(1)));
        parts.borrow_mut().0.run_pending().unwrap();
        // While the copy is being made, the second row's erasure is recorded, the segment is sealed
        // and the eraser runs.
        let meanwhile = || {
            let (committer, eraser, done) = &mut *parts.borrow_mut();
            if !std::mem::replace(done, true) {
                queue.push(record(4, Some("four"), Some(2)));
                queue.seal(2);
                committer.run_pending().unwrap();
                let erased = eraser.erase(&[1, 2], 0, &|| true).unwrap();
                assert_eq!(erased, Erasure::Stopped);
            }
            true
        };
        let to = SimulatedDisk::new();
        let manifest = write_backup(&reader, &to, 0, &meanwhile).unwrap().unwrap();
        assert_eq!((manifest.sequence, manifest.segments.len()), (3, 1));
        assert_eq!(rows(&to, 1), [2]);
        let backup = Backup::open(Arc::new(to.clone())).unwrap().unwrap();
        let mut records = 0;
        backup
            .frames(|frame| {
                records += frame.records();
                Ok(())
            })
            .unwrap();
        assert_eq!(records, 3);
        // A second backup to the same disk is refused, and the eraser may run again.
        let again = write_backup(&reader, &to, 0, &|| true);
        assert!(matches!(again, Err(Error::NotEmpty(_))), "{again:?}");
        let erased = parts.borrow_mut().1.erase(&[1, 2], 0, &|| true).unwrap();
        assert_eq!(erased, Erasure::Gone(vec![1, 2]));
        let later = SimulatedDisk::new();
        write_backup(&reader, &later, 0, &|| true).unwrap().unwrap();
        assert_eq!(rows(&later, 1), [4]);
    }

    #[test]
    fn a_copy_that_is_given_up_or_finds_no_room_is_no_backup() {
        let opened = Journal::open(Arc::new(SimulatedDisk::new()), Options::new([9; 16]), 0);
        let mut opened = opened.unwrap();
        opened.queue.push(record(1, Some("one"), None));
        opened.committer.run_pending().unwrap();
        let to = SimulatedDisk::new();
        assert_eq!(
            write_backup(&opened.reader, &to, 0, &|| false).unwrap(),
            None
        );
        assert!(Backup::open(Arc::new(to)).unwrap().is_none());
        let to = SimulatedDisk::new();
        let full = write_backup(&opened.reader, &to, u64::MAX, &|| true);
        assert!(matches!(full, Err(Error::Io { .. })), "{full:?}");
        assert!(Backup::open(Arc::new(to)).unwrap().is_none());
    }
}
