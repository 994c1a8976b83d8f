//! Verifies the hash chain over all frames from the bytes on the disk.

use crate::error::Error;
use crate::journal::reader::Reader;
use crate::segments::chain::check_genesis;
use crate::segments::frame::Frame;
use crate::segments::head::Head;
use crate::segments::segment::Segment;

/// The result of a successful [`verify_chain`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// The number of frames that were checked.
    pub frames: u64,
    /// The number of records in these frames.
    pub records: u64,
    /// The end of the chain. Comparing it with a head that was noted elsewhere shows whether the
    /// journal's tail was cut off.
    pub head: Head,
}

/// Recomputes every link across all segments, from the frame that holds `from` up to the last
/// durable frame. With `from` 0 or 1 it begins at the start of the journal and also checks the
/// chain's first link. Each frame is passed to `visit` once it is verified.
///
/// # Errors
/// Returns [`Error::Damaged`] with the file, the frame and the difference, the error that `visit`
/// returned, or the disk's error.
pub fn verify_chain(
    reader: &Reader,
    from: u64,
    mut visit: impl FnMut(&Frame) -> Result<(), Error>,
) -> Result<Verified, Error> {
    let shelf = reader.shelf();
    let mut segment = match shelf.first_at(from.max(1)).or(shelf.first()) {
        Some(first) => shelf.segment(first)?,
        None => return Err(Error::damaged("journal", from, "there is no segment")),
    };
    let mut verified = Verified {
        frames: 0,
        records: 0,
        head: Head {
            sequence: segment.header.first_sequence - 1,
            time_micros: 0,
            link: segment.header.previous_link,
        },
    };
    if segment.header.first_sequence == 1 {
        check_genesis(&segment)?;
    }
    for frame in reader.frames(from) {
        let frame = frame?;
        let first = frame.first_sequence;
        let segment_first = shelf.first_at(first);
        if segment_first != Some(segment.header.first_sequence) {
            let next = shelf.segment(segment_first.unwrap_or(1))?;
            check_next(&segment, &next, &verified.head)?;
            segment = next;
        }
        // A walk that begins in the middle of a segment can't check its first frame's previous
        // link.
        let trusted = verified.frames == 0 && first > segment.header.first_sequence;
        if !trusted {
            check_follows(&segment, &frame, &verified.head)?;
        }
        visit(&frame)?;
        verified.frames += 1;
        verified.records += frame.records() as u64;
        verified.head = Head::after(&frame);
    }
    Ok(verified)
}

fn check_next(before: &Segment, next: &Segment, head: &Head) -> Result<(), Error> {
    let (header, name) = (&next.header, &next.name);
    let what = if header.journal_id != before.header.journal_id {
        "it belongs to another journal"
    } else if header.first_sequence != head.sequence + 1 {
        "it does not start where the segment before ends"
    } else if header.previous_link != head.link {
        "its header is not linked to the segment before"
    } else {
        return Ok(());
    };
    Err(Error::damaged(name, header.first_sequence, what))
}

fn check_follows(segment: &Segment, frame: &Frame, head: &Head) -> Result<(), Error> {
    let first = frame.first_sequence;
    if head.sequence + 1 != first {
        let what = format!("the frame before it ends at {}", head.sequence);
        return Err(Error::damaged(&segment.name, first, what));
    }
    if head.link != frame.previous_link {
        let what = "it is not linked to the frame before it";
        return Err(Error::damaged(&segment.name, first, what));
    }
    Ok(())
}
