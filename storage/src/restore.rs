//! A journal made from a backup: nothing is written before all of the backup was found whole, and
//! personal rows that are erased are not written at all.

use crate::backup::{CopyOf, check_continues, file_name};
use crate::chain::check_genesis;
use crate::copying::{Source, follow, start};
use crate::disk::{Disk, OpenHow};
use crate::error::Error;
use crate::frame::Frame;
use crate::head::Head;
use crate::manifest::{MANIFEST, Manifest, damaged, measure};
use crate::segment::{FOLDER, Header, Segment, segment_name};
use crate::wal::{WAL, WAL_BYTES, WriteAheadLog};
use std::collections::BTreeSet;
use std::sync::Arc;

/// In the journal's folder while it is restored: no start takes a part for the whole.
pub(crate) const RESTORING: &str = "journal/restoring";
/// Memory to cache a segment that is read.
const CACHE_BYTES: usize = 8 * 1024 * 1024;
/// How much is read at a time.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// A backup whose manifest and files are as they were written.
#[derive(Debug)]
pub struct Backup {
    disk: Arc<dyn Disk>,
    manifest: Manifest,
}

impl Backup {
    /// Opens a backup and compares its files with the manifest. `None` if there is no manifest:
    /// this is no backup, or one that was interrupted.
    ///
    /// # Errors
    /// [`Error::Backup`] and [`Error::Damaged`] for what is not as it was written, or what the
    /// disk refused.
    pub fn open(disk: Arc<dyn Disk>) -> Result<Option<Backup>, Error> {
        let io = |source| Error::io(MANIFEST, source);
        if !disk.exists(MANIFEST).map_err(io)? {
            return Ok(None);
        }
        let manifest = Manifest::read(disk.as_ref())?;
        if manifest.segments.is_empty() {
            return Err(damaged(MANIFEST, "it names no segment"));
        }
        for segment in &manifest.segments {
            let name = file_name(segment.first_sequence);
            if segment.first_sequence == 0 || segment.file != name {
                return Err(damaged(MANIFEST, "it names a file that is no segment"));
            }
            if !disk.exists(&name).map_err(io)? {
                return Err(damaged(&name, "it is missing"));
            }
            let (bytes, blake3) = measure(disk.as_ref(), &name)?;
            if (bytes, &blake3) != (segment.bytes, &segment.blake3) {
                return Err(damaged(&name, "it is not as it was written"));
            }
        }
        Ok(Some(Backup { disk, manifest }))
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Shows `visit` every frame, once it is found whole and to follow the one before.
    ///
    /// # Errors
    /// [`Error::Damaged`] and [`Error::Backup`] for a chain that is not whole or ends elsewhere
    /// than the manifest says; what `visit` returns; or what the disk refused.
    pub fn frames(
        &self,
        mut visit: impl FnMut(&Frame) -> Result<(), Error>,
    ) -> Result<Head, Error> {
        let mut before: Option<(Header, Head)> = None;
        for file in &self.manifest.segments {
            let segment = self.segment(file.first_sequence)?;
            match &before {
                Some((earlier, end)) => {
                    check_continues(file.first_sequence, &segment.header, earlier, end)?;
                }
                None if file.first_sequence == 1 => check_genesis(&segment)?,
                None => {}
            }
            let mut end = start(&segment.header);
            loop {
                let next = end.sequence + 1;
                let read =
                    |tables: &crate::tables::Tables<'_>| tables.frames(next, u64::MAX, READ_BYTES);
                let frames = Source::read(&segment, read)?;
                if frames.is_empty() {
                    break;
                }
                for frame in &frames {
                    end = follow(&segment.name, end, frame)?;
                    visit(frame)?;
                }
            }
            before = Some((segment.header.clone(), end));
        }
        let ends =
            before.map(|(header, end)| (Manifest::new(&header.journal_id, end, Vec::new()), end));
        let said = &self.manifest;
        match ends {
            Some((found, end))
                if found.sequence == said.sequence
                    && found.head == said.head
                    && found.journal_id == said.journal_id =>
            {
                Ok(end)
            }
            _ => Err(damaged(MANIFEST, "its head is not where the chain ends")),
        }
    }

    /// Writes the journal to a disk that has none, without the personal rows beside `without`.
    /// Until this returns well no start accepts what is there. To be called after
    /// [`Backup::frames`].
    ///
    /// # Errors
    /// [`Error::NotEmpty`] for a disk with a journal or views, or what a disk refused.
    pub fn restore(
        &self,
        to: &dyn Disk,
        without: &BTreeSet<u64>,
        free_bytes_min: u64,
    ) -> Result<(), Error> {
        for folder in [FOLDER, "views"] {
            let files = to
                .list(folder)
                .map_err(|source| Error::io(folder, source))?;
            if !files.is_empty() {
                return Err(Error::NotEmpty(format!("its folder {folder}")));
            }
        }
        let io = |source| Error::io(RESTORING, source);
        to.open(RESTORING, OpenHow::Create).map_err(io)?;
        for file in &self.manifest.segments {
            let segment = self.segment(file.first_sequence)?;
            let copy = CopyOf {
                source: &segment,
                header: &segment.header,
                name: &segment_name(file.first_sequence),
            };
            copy.write(to, self.manifest.sequence, without, free_bytes_min, &|| {
                true
            })?;
            if !to.exists(WAL).map_err(io)? {
                WriteAheadLog::create(to, &segment.header.journal_id, WAL_BYTES)?;
            }
        }
        to.remove(RESTORING).map_err(io)
    }

    fn segment(&self, first: u64) -> Result<Segment, Error> {
        Segment::open_to_read(self.disk.as_ref(), file_name(first), first, CACHE_BYTES)
    }
}

/// What a start says of a journal whose restore did not come to its end.
pub(crate) fn interrupted() -> Error {
    let what = "a restore was interrupted here: remove this journal and restore again";
    damaged(RESTORING, what)
}
