//! The hash chain over all frames: its first link, and the checks that frames and segments continue
//! it.

use crate::error::Error;
use crate::segments::frame::Frame;
use crate::segments::head::Head;
use crate::segments::segment::{Header, Segment};

/// Returns the link before the first frame of a journal. It binds the chain to the journal's
/// identity.
pub fn genesis_link(journal_id: &[u8; 16]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"florin journal v1");
    hasher.update(journal_id);
    *hasher.finalize().as_bytes()
}

/// Returns an error if the journal's first segment is not linked to the journal's id.
pub(crate) fn check_genesis(segment: &Segment) -> Result<(), Error> {
    if segment.header.previous_link == genesis_link(&segment.header.journal_id) {
        return Ok(());
    }
    let what = "its header's link is not that of the journal's id";
    Err(Error::damaged(&segment.name, 1, what))
}

/// Returns an error if segment `name` doesn't continue the chain of the segment `earlier`, which
/// ends at `end`.
pub(crate) fn check_continues(
    name: &str,
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
    Err(Error::damaged(name, header.first_sequence, what))
}

/// Returns the head of the chain before a segment's first frame.
pub(crate) fn start(header: &Header) -> Head {
    Head {
        sequence: header.first_sequence - 1,
        time_micros: 0,
        link: header.previous_link,
    }
}

/// Returns the head of the chain after `frame`, or an error if the frame does not follow `before`.
pub(crate) fn follow(name: &str, before: Head, frame: &Frame) -> Result<Head, Error> {
    if before.sequence.checked_add(1) != Some(frame.first_sequence)
        || before.link != frame.previous_link
    {
        let what = "it does not follow the frame before it";
        return Err(Error::damaged(name, frame.first_sequence, what));
    }
    Ok(Head::after(frame))
}
