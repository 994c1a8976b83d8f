//! Restores a journal from a backup. Nothing is written before the whole backup is verified. Erased
//! personal rows are not written at all.

use crate::backup::manifest::{MANIFEST, Manifest, damaged, measure};
use crate::backup::write::{CopyOf, file_name};
use crate::disk::interface::{Disk, OpenHow};
use crate::error::Error;
use crate::journal::folder::RESTORING;
use crate::segments::chain::{check_continues, check_genesis, follow, start};
use crate::segments::copying::Source;
use crate::segments::frame::Frame;
use crate::segments::head::Head;
use crate::segments::segment::{FOLDER, Header, Segment, segment_name};
use crate::segments::tables::Tables;
use crate::segments::wal::{WAL, WAL_BYTES, WriteAheadLog};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The size of the cache for a segment that is read, in bytes.
const CACHE_BYTES: usize = 8 * 1024 * 1024;
/// How much is read at a time, in bytes.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// A backup whose files match its manifest.
#[derive(Debug)]
pub struct Backup {
    disk: Arc<dyn Disk>,
    manifest: Manifest,
}

impl Backup {
    /// Opens a backup and compares its files with the manifest. Returns `None` if there is no
    /// manifest: the directory isn't a backup, or the backup was interrupted.
    ///
    /// # Errors
    /// Returns [`Error::Backup`] or [`Error::Damaged`] for damage, or the disk's error.
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
                return Err(damaged(MANIFEST, "it names a file that is not a segment"));
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

    /// Returns the backup's manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Passes every frame to `visit`, once it is verified to be intact and to follow the frame
    /// before.
    ///
    /// # Errors
    /// Returns [`Error::Damaged`] or [`Error::Backup`] if the chain is damaged or doesn't end where
    /// the manifest says, the error that `visit` returned, or the disk's error.
    pub fn frames(
        &self,
        mut visit: impl FnMut(&Frame) -> Result<(), Error>,
    ) -> Result<Head, Error> {
        let mut before: Option<(Header, Head)> = None;
        for file in &self.manifest.segments {
            let segment = self.segment(file.first_sequence)?;
            match &before {
                Some((earlier, end)) => {
                    check_continues(&segment.name, &segment.header, earlier, end)?;
                }
                None if file.first_sequence == 1 => check_genesis(&segment)?,
                None => {
                    let what = "its first segment is missing: it does not begin with record 1";
                    return Err(damaged(MANIFEST, what));
                }
            }
            let mut end = start(&segment.header);
            loop {
                let next = end.sequence + 1;
                let read = |tables: &Tables<'_>| tables.frames(next, u64::MAX, READ_BYTES);
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

    /// Writes the journal to a disk that has none, leaving out the personal rows beside the records
    /// `without`. No start accepts the journal until this returns successfully. Call
    /// [`Backup::frames`] first.
    ///
    /// # Errors
    /// Returns [`Error::NotEmpty`] for a disk with a journal or views, or the error of either disk.
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
