//! Writing a segment anew: its frames byte for byte and its personal rows but for some. Erasures,
//! backups and restores are made so; what was left out is in no byte of the copy.

use crate::disk::{Disk, OpenHow};
use crate::error::Error;
use crate::frame::Frame;
use crate::head::Head;
use crate::segment::{Header, Segment};
use crate::tables::Tables;
use std::io;

/// How much is read from the old file and written to the new one in one transaction.
const COPY_BYTES: usize = 4 * 1024 * 1024;

/// Where the rows of a segment are read.
pub(crate) trait Source {
    /// Reads within one transaction, which ends with `read`.
    fn read<R>(&self, read: impl Fn(&Tables<'_>) -> Result<R, Error>) -> Result<R, Error>;
}

/// A segment that nobody else closes.
impl Source for Segment {
    fn read<R>(&self, read: impl Fn(&Tables<'_>) -> Result<R, Error>) -> Result<R, Error> {
        Segment::read(self, read)?.ok_or(Error::Stopped)
    }
}

/// What is copied, and for how long.
pub(crate) struct Choice<'a> {
    /// The last record.
    pub(crate) last: u64,
    /// Whose personal rows are left out.
    pub(crate) without: &'a dyn Fn(u64) -> bool,
    /// Asked now and then; an error breaks the copy off.
    pub(crate) before_each: &'a dyn Fn() -> Result<Go, Error>,
}

/// Whether a copy goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Go {
    On,
    Back,
}

/// What a copy holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Copied {
    pub(crate) personal: u64,
    /// Personal rows that the segment has and the copy has not.
    pub(crate) left_out: u64,
    pub(crate) end: Head,
}

/// Copies the segment of this header to `draft`, closes it and reads it back: what a copy holds
/// must be whole. The chain is recomputed on the way. `None` if it was not to go on.
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
    let Some((personal, left_out)) = copy_personal(source, draft, choice)? else {
        return Ok(None);
    };
    draft.close()?;
    let first = draft.header.first_sequence;
    let written = Segment::open_to_read(disk, draft.name.clone(), first, COPY_BYTES)?;
    if written.header != draft.header || content(&written)? != (end, personal) {
        let what = "the copy is not what was written";
        return Err(Error::damaged(&draft.name, first, what));
    }
    Ok(Some(Copied {
        personal,
        left_out,
        end,
    }))
}

fn copy_frames(
    source: &impl Source,
    name: &str,
    draft: &Segment,
    choice: &Choice<'_>,
) -> Result<Option<Head>, Error> {
    let mut end = start(&draft.header);
    loop {
        if (choice.before_each)()? == Go::Back {
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
) -> Result<Option<(u64, u64)>, Error> {
    let mut next = 0;
    let (mut count, mut left_out) = (0, 0);
    loop {
        if (choice.before_each)()? == Go::Back {
            return Ok(None);
        }
        let rows = source.read(|tables| tables.personal_rows(next, COPY_BYTES))?;
        let Some((last, _)) = rows.last() else {
            return Ok(Some((count, left_out)));
        };
        let read_to = *last;
        let kept = rows
            .iter()
            .filter(|(sequence, _)| *sequence <= choice.last && !(choice.without)(*sequence));
        let kept: Vec<_> = kept.map(|(at, bytes)| (*at, &bytes[..])).collect();
        count += kept.len() as u64;
        left_out += (rows.len() - kept.len()) as u64;
        draft.commit(std::iter::empty(), kept.into_iter())?;
        if read_to >= choice.last {
            return Ok(Some((count, left_out)));
        }
        next = read_to + 1;
    }
}

/// Where a segment ends, and how many personal rows it has.
pub(crate) fn content(segment: &Segment) -> Result<(Head, u64), Error> {
    Source::read(segment, |tables| {
        let last = tables.last()?.map(|frame| Head::after(&frame));
        let end = last.unwrap_or_else(|| start(&segment.header));
        Ok((end, tables.personal_count()?))
    })
}

/// Where the chain is before a segment's first frame.
pub(crate) fn start(header: &Header) -> Head {
    Head {
        sequence: header.first_sequence - 1,
        time_micros: 0,
        link: header.previous_link,
    }
}

/// Where the chain is after a frame, which must be whole and follow.
pub(crate) fn follow(name: &str, before: Head, frame: &Frame) -> Result<Head, Error> {
    let damaged = |what| Err(Error::damaged(name, frame.first_sequence, what));
    if !frame.verify() {
        return damaged("its link differs from its bytes");
    }
    if before.sequence.checked_add(1) != Some(frame.first_sequence)
        || before.link != frame.previous_link
    {
        return damaged("it does not follow the frame before it");
    }
    Ok(Head::after(frame))
}

/// Refuses a copy of `needed` bytes that would leave less than `free_bytes_min` on the disk.
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

/// Bytes a file takes on the disk.
pub(crate) fn allocated(disk: &dyn Disk, name: &str) -> Result<u64, Error> {
    let io = |source| Error::io(name, source);
    let file = disk.open(name, OpenHow::Read).map_err(io)?;
    file.allocated_bytes().map_err(io)
}
