//! The journal's folder: the files that it holds, and the sync of the folder itself.

use crate::disk::interface::{Disk, OpenHow};
use crate::error::Error;
use crate::segments::segment::FOLDER;
use std::collections::BTreeSet;

/// A file that exists in the journal's folder during a restore, so that no start takes a partial
/// journal for a complete one.
pub(crate) const RESTORING: &str = "journal/restoring";
/// A file that is created and removed at a start after an unclean shutdown.
const STARTING: &str = "journal/starting";

/// Returns the first sequences of the segments in the folder, and the temporary files that an
/// interrupted run left.
pub(crate) fn survey(disk: &dyn Disk) -> Result<(BTreeSet<u64>, Vec<String>), Error> {
    let names = disk
        .list(FOLDER)
        .map_err(|source| Error::io(FOLDER, source))?;
    let mut firsts = BTreeSet::new();
    let mut leftovers = Vec::new();
    for name in names {
        let file = format!("{FOLDER}/{name}");
        if file == RESTORING {
            return Err(interrupted_restore());
        } else if name.ends_with(".tmp") {
            leftovers.push(file);
        } else if let Some(stem) = name.strip_suffix(".redb") {
            let digits = stem.len() == 20 && stem.bytes().all(|byte| byte.is_ascii_digit());
            let first = stem.parse().ok().filter(|first| digits && *first > 0);
            let what = "its name is not that of a segment";
            firsts.insert(first.ok_or_else(|| Error::damaged(&file, 0, what))?);
        }
    }
    Ok((firsts, leftovers))
}

fn interrupted_restore() -> Error {
    Error::Backup {
        file: RESTORING.to_owned(),
        what: "a restore was interrupted here: remove this journal and restore again".to_owned(),
    }
}

/// Syncs the folder by creating and removing a file. An earlier start may have removed the
/// clean-shutdown mark and died before the removal was durable; a mark that came back would name an
/// old head.
pub(crate) fn sync_folder(disk: &dyn Disk) -> Result<(), Error> {
    let io = |source| Error::io(STARTING, source);
    disk.open(STARTING, OpenHow::Create).map_err(io)?;
    disk.remove(STARTING).map_err(io)
}
