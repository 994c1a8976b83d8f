//! Copies a segment: its frames byte for byte, and its personal rows except for the erased ones,
//! which are replaced by erasure marks. Erasures, backups and restores use it. The copy contains no
//! byte of the erased rows.

use crate::disk::interface::{Disk, OpenHow};
use crate::error::Error;
use crate::segments::chain::{follow, start};
use crate::segments::head::Head;
use crate::segments::personal::PersonalBytes;
use crate::segments::segment::Segment;
use crate::segments::tables::Tables;
use std::io;

/// How much is read from the old file and written to the new one in one transaction, in bytes.
const COPY_BYTES: usize = 4 * 1024 * 1024;

/// A place to read the rows of a segment from.
pub(crate) trait Source {
    /// Runs `read` within one transaction, which ends when `read` returns.
    fn read<R>(&self, read: impl Fn(&Tables<'_>) -> Result<R, Error>) -> Result<R, Error>;
}

/// A segment that isn't closed by another thread while it is copied.
impl Source for Segment {
    fn read<R>(&self, read: impl Fn(&Tables<'_>) -> Result<R, Error>) -> Result<R, Error> {
        Segment::read(self, read)?.ok_or(Error::Stopped)
    }
}

/// The choice of what to copy, and when to stop.
pub(crate) struct Choice<'a> {
    /// The last record to copy.
    pub(crate) last: u64,
    /// The records whose personal rows are erased.
    pub(crate) without: &'a dyn Fn(u64) -> bool,
    /// Called before each part. An error ends the copy.
    pub(crate) before_each: &'a dyn Fn() -> Result<Progress, Error>,
}

/// Whether a copy goes on or is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Continue,
    Stop,
}

/// The content of a finished copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Copied {
    /// The number of its personal rows, erasure marks included.
    pub(crate) personal: u64,
    pub(crate) end: Head,
}

/// Copies a segment to `draft`, closes it and reads it back to verify that the copy is intact. The
/// chain is recomputed while copying. Returns `None` if the copy was given up.
pub(crate) fn copy(
    source: &impl Source,
    name: &str,
    draft: &Segment,
    disk: &dyn Disk,
    choice: &Choice<'_>,
) -> Result<Option<Copied>, Error> {
    let Some(end) = copy_frames(source, name, draft, choice)? else {
        return Ok(None);
    };
    let Some(personal) = copy_personal(source, draft, choice)? else {
        return Ok(None);
    };
    draft.close()?;
    let first = draft.header.first_sequence;
    let written = Segment::open_to_read(disk, draft.name.clone(), first, COPY_BYTES)?;
    if written.header != draft.header || content(&written)? != (end, personal) {
        let what = "the copy is not what was written";
        return Err(Error::damaged(&draft.name, first, what));
    }
    Ok(Some(Copied { personal, end }))
}

fn copy_frames(
    source: &impl Source,
    name: &str,
    draft: &Segment,
    choice: &Choice<'_>,
) -> Result<Option<Head>, Error> {
    let mut end = start(&draft.header);
    loop {
        if (choice.before_each)()? == Progress::Stop {
            return Ok(None);
        }
        let next = end.sequence + 1;
        let frames = source.read(|tables| tables.frames(next, choice.last, COPY_BYTES))?;
        if frames.is_empty() {
            return Ok(Some(end));
        }
        for frame in &frames {
            end = follow(name, end, frame)?;
        }
        draft.commit(frames.iter(), std::iter::empty())?;
    }
}

fn copy_personal(
    source: &impl Source,
    draft: &Segment,
    choice: &Choice<'_>,
) -> Result<Option<u64>, Error> {
    let mut next = 0;
    let mut count = 0;
    loop {
        if (choice.before_each)()? == Progress::Stop {
            return Ok(None);
        }
        let rows = source.read(|tables| tables.personal_rows(next, COPY_BYTES))?;
        let Some((last, _)) = rows.last() else {
            return Ok(Some(count));
        };
        let read_to = *last;
        let copied = rows.iter().filter(|(sequence, _)| *sequence <= choice.last);
        let copied = copied.map(|(sequence, row)| match row {
            PersonalBytes::Kept(bytes) if !(choice.without)(*sequence) => {
                (*sequence, Some(&bytes[..]))
            }
            _ => (*sequence, None),
        });
        let copied: Vec<_> = copied.collect();
        count += copied.len() as u64;
        draft.commit(std::iter::empty(), copied.into_iter())?;
        if read_to >= choice.last {
            return Ok(Some(count));
        }
        next = read_to + 1;
    }
}

/// Returns the head at the end of a segment, and the number of its personal rows.
pub(crate) fn content(segment: &Segment) -> Result<(Head, u64), Error> {
    Source::read(segment, |tables| {
        let last = tables.last()?.map(|frame| Head::after(&frame));
        let end = last.unwrap_or_else(|| start(&segment.header));
        Ok((end, tables.personal_count()?))
    })
}

/// Returns an error if a copy of `needed` bytes would leave less than `free_bytes_min` bytes on the
/// disk.
pub(crate) fn check_room(
    disk: &dyn Disk,
    name: &str,
    needed: u64,
    free_bytes_min: u64,
) -> Result<(), Error> {
    let io = |source| Error::io(name, source);
    let free = disk.free_bytes().map_err(io)?;
    if free.saturating_sub(needed) >= free_bytes_min {
        return Ok(());
    }
    let what = format!("a copy of {needed} bytes does not fit, {free} bytes are free");
    Err(io(io::Error::new(io::ErrorKind::StorageFull, what)))
}

/// Returns the number of bytes that a file takes on the disk.
pub(crate) fn allocated(disk: &dyn Disk, name: &str) -> Result<u64, Error> {
    let io = |source| Error::io(name, source);
    let file = disk.open(name, OpenHow::Read).map_err(io)?;
    file.allocated_bytes().map_err(io)
}
