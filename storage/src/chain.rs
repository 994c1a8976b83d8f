//! The hash chain over all frames: where it starts, and checking it anew from what is on the
//! disk.

use crate::error::Error;
use crate::frame::Frame;
use crate::head::Head;
use crate::reader::Reader;
use crate::segment::Segment;

/// The link before the first frame of a journal; binds the chain to the journal's identity.
pub fn genesis_link(journal_id: &[u8; 16]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"florin journal v1");
    hasher.update(journal_id);
    *hasher.finalize().as_bytes()
}

/// What [`verify_chain`] found whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// How many frames were checked.
    pub frames: u64,
    /// How many records they hold.
    pub records: u64,
    /// Where the chain ends: to be compared with a head noted elsewhere, which shows a cut tail.
    pub head: Head,
}

/// Recomputes every link from the frame that holds `from` (0 or 1: from the start, where the
/// chain's first link is checked too) up to what is durable, across all segments. Each frame is
/// shown to `visit` once it is found whole.
///
/// # Errors
/// [`Error::Damaged`] with file, frame and what differs; what `visit` returns; or what the disk
/// refused.
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
        // A walk from the middle takes its first link as it is.
        let trusted = verified.frames == 0 && first > segment.header.first_sequence;
        if !trusted {
            check_follows(&segment, &frame, &verified.head)?;
        }
        if !frame.verify() {
            let what = "its link differs from its bytes";
            return Err(Error::damaged(&segment.name, first, what));
        }
        visit(&frame)?;
        verified.frames += 1;
        verified.records += frame.records() as u64;
        verified.head = Head::after(&frame);
    }
    Ok(verified)
}

pub(crate) fn check_genesis(segment: &Segment) -> Result<(), Error> {
    if segment.header.previous_link == genesis_link(&segment.header.journal_id) {
        return Ok(());
    }
    let what = "its header's link is not that of the journal's id";
    Err(Error::damaged(&segment.name, 1, what))
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
