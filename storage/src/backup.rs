//! A backup: the journal up to one durable record, read while it is written on and written to
//! another disk, its segments in files of their own. Only a reader's short transactions touch the
//! live segment; the committer waits for none of it.

use crate::copying::{Choice, Copied, Go, Source, check_room, copy, start};
use crate::disk::Disk;
use crate::error::Error;
use crate::head::Head;
use crate::manifest::{MANIFEST, Manifest, SegmentFile, measure};
use crate::reader::Reader;
use crate::segment::{Header, Segment};
use crate::tables::Tables;
use std::collections::BTreeSet;

/// The folder of a backup's segments. Not the journal's: a backup is no data directory, so that
/// nobody writes on it by mistake.
pub(crate) const FOLDER: &str = "segments";
/// Memory to cache a segment that is written.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// A segment of a journal that may be sealed meanwhile.
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

/// Copies what is durable now to an empty disk, and says what was copied once that is durable
/// there. Personal rows whose erasure is recorded by then are not in it; no other is missing.
/// `free_bytes_min` stay free on that disk; `goes_on` is asked now and then, `None` if it said no.
///
/// Blocks; erasures that are recorded meanwhile are carried out afterwards.
///
/// # Errors
/// [`Error::NotEmpty`] for a disk that holds a backup or a part of one, [`Error::Damaged`] for a
/// journal that is not whole, or what a disk refused. Without its manifest the copy is no backup.
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
        if let Some((earlier, end)) = &before {
            check_continues(first, &header, earlier, end)?;
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
    let io = |source| Error::io(FOLDER, source);
    if to.exists(MANIFEST).map_err(io)? || !to.list(FOLDER).map_err(io)?.is_empty() {
        return Err(Error::NotEmpty("the backup's directory".to_owned()));
    }
    Ok(())
}

/// A segment of a backup, by its first sequence.
pub(crate) fn file_name(first: u64) -> String {
    format!("{FOLDER}/{first:020}.redb")
}

/// Refuses a segment that is not the one after that of `earlier`, which ends at `end`.
pub(crate) fn check_continues(
    first: u64,
    header: &Header,
    earlier: &Header,
    end: &Head,
) -> Result<(), Error> {
    let begins = start(header);
    let whole = begins.sequence == end.sequence
        && begins.link == end.link
        && header.journal_id == earlier.journal_id;
    if whole {
        return Ok(());
    }
    let what = format!(
        "it does not continue the segment before it, which ends at {}",
        end.sequence
    );
    Err(Error::damaged(&file_name(first), first, what))
}

/// A segment to be copied, and the file's name over there.
pub(crate) struct CopyOf<'a, S> {
    pub(crate) source: &'a S,
    pub(crate) header: &'a Header,
    pub(crate) name: &'a str,
}

impl<S: Source> CopyOf<'_, S> {
    /// Writes it, durable under its name when this returns; `None` if it was not to go on.
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
                Ok(if goes_on() { Go::On } else { Go::Back })
            },
        };
        copy(self.source, self.name, &draft, to, &choice)
    }
}

#[cfg(test)]
#[cfg(not(florin_loom))]
mod tests {
    use super::*;
    use crate::chunk::Chunk;
    use crate::eraser::Erasure;
    use crate::journal::Journal;
    use crate::options::Options;
    use crate::restore::Backup;
    use crate::simulated::SimulatedDisk;
    use std::cell::RefCell;
    use std::sync::Arc;

    /// A record, and the one whose personal row it erases.
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
        rows.into_iter().map(|(sequence, _)| sequence).collect()
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
        // While the copy is made the second row's erasure is recorded, the segment is sealed and
        // the eraser comes.
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
        // Nothing is written over, and the eraser is free again.
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
