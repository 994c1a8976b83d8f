//! A backup: the journal up to one durable record, read while it is written on and written to
//! another disk, its segments in files of their own. Only a reader's short transactions touch the
//! live segment; the committer waits for none of it.

use crate::copying::{Choice, Copied, Go, Source, check_room, copy, start};
use crate::disk::Disk;
use crate::error::Error;
use crate::journal::Head;
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
