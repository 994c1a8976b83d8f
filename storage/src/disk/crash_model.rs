//! The state of a simulated disk: the content that the running system sees, the content that
//! survives any crash, and the changes in between, of which a crash keeps a part.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// The sector size in bytes. A torn write ends at a multiple of it, as on a real disk.
const SECTOR: usize = 512;
/// The page size in bytes. A file takes a multiple of it on the disk.
pub(crate) const PAGE: usize = 4_096;

/// What a crash keeps of the writes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashMode {
    /// All of them are lost.
    LoseAll,
    /// A random part of them is kept; each is kept, torn or lost. The same holds for renames and
    /// removals.
    Torn,
}

/// How a disk fails from a given I/O on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// That I/O and all later ones fail.
    Broken,
    /// That I/O fails, and no later one.
    Once,
    /// The first write from there on is done in part and fails.
    ShortWrite,
    /// The first sync from there on fails. As on Linux, the data that it should have written stays
    /// in the page cache, counts as written, and is not on the disk.
    LostSync,
    /// The disk is full from there on. Creating a file fails. A write beyond the space that the
    /// file already takes is done in part and fails.
    NoRoom,
}

/// The kind of an I/O.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IoKind {
    Write { grows: bool },
    SetLen,
    Sync,
    Create,
    Name,
}

/// A failed I/O.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: io::Error,
    /// Whether a part of the write is done.
    pub(crate) in_part: bool,
}

impl From<Failed> for io::Error {
    fn from(failed: Failed) -> io::Error {
        failed.error
    }
}

pub(crate) struct State {
    pub(crate) generation: u64,
    pub(crate) io_count: u64,
    /// The fault, and the number of the first I/O that it affects.
    pub(crate) fault: Option<(Fault, u64)>,
    pub(crate) free_bytes: u64,
    pub(crate) inodes: Vec<Inode>,
    /// The file names that the running system sees.
    pub(crate) names: BTreeMap<String, usize>,
    /// The file names that survive any crash.
    pub(crate) durable_names: BTreeMap<String, usize>,
    /// The changes of names since the last sync of a folder, in order.
    pub(crate) pending_names: Vec<NameChange>,
}

#[derive(Clone)]
pub(crate) enum NameChange {
    Create(String, usize),
    Rename(String, String),
    Remove(String),
}

#[derive(Default)]
pub(crate) struct Inode {
    /// The content with all writes, as the page cache shows it.
    pub(crate) current: Vec<u8>,
    /// The content without the writes that were not synced.
    pub(crate) durable: Vec<u8>,
    pub(crate) pending: Vec<Change>,
    /// The pages that were ever written: the space that the file takes on the disk.
    pub(crate) allocated: BTreeSet<usize>,
}

#[derive(Clone)]
pub(crate) enum Change {
    Write(usize, Vec<u8>),
    SetLen(usize),
}

impl Default for State {
    fn default() -> State {
        State {
            generation: 0,
            io_count: 0,
            fault: None,
            free_bytes: 1 << 40,
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
        }
    }
}

impl State {
    /// Loses the changes that were not synced, as `mode` says, and restarts.
    pub(crate) fn crash(&mut self, seed: u64, mode: CrashMode) {
        let mut random = Random(seed);
        let changes = std::mem::take(&mut self.pending_names);
        if mode == CrashMode::Torn {
            // A file system's journal keeps the order of changes of names, so a crash keeps a
            // prefix of them.
            let kept = random.below(changes.len() as u64 + 1) as usize;
            for change in &changes[..kept] {
                apply_name(&mut self.durable_names, change);
            }
        }
        self.names.clone_from(&self.durable_names);
        for inode in &mut self.inodes {
            let changes = std::mem::take(&mut inode.pending);
            if mode == CrashMode::Torn {
                for change in &changes {
                    keep_some(&mut inode.durable, change, &mut random);
                }
            }
            inode.current.clone_from(&inode.durable);
        }
        self.restart();
    }

    pub(crate) fn restart(&mut self) {
        self.generation += 1;
        self.fault = None;
    }

    /// Counts an I/O, and fails if the fault applies to it.
    pub(crate) fn io(&mut self, kind: IoKind) -> Result<(), Failed> {
        let number = self.io_count;
        self.io_count += 1;
        let Some((fault, from)) = self.fault else {
            return Ok(());
        };
        let struck = number >= from
            && match fault {
                Fault::Broken | Fault::Once => true,
                Fault::ShortWrite => matches!(kind, IoKind::Write { .. }),
                Fault::LostSync => kind == IoKind::Sync,
                Fault::NoRoom => matches!(kind, IoKind::Write { grows: true } | IoKind::Create),
            };
        if !struck {
            return Ok(());
        }
        if !matches!(fault, Fault::Broken | Fault::NoRoom) {
            self.fault = None;
        }
        Err(Failed {
            error: match fault {
                Fault::NoRoom => io::ErrorKind::StorageFull.into(),
                _ => io::Error::other("simulated disk fault"),
            },
            in_part: matches!(fault, Fault::ShortWrite | Fault::NoRoom),
        })
    }

    /// Changes a name, then syncs the folder.
    pub(crate) fn change_name(&mut self, change: NameChange) -> io::Result<()> {
        self.io(match change {
            NameChange::Create(..) => IoKind::Create,
            NameChange::Rename(..) | NameChange::Remove(_) => IoKind::Name,
        })?;
        apply_name(&mut self.names, &change);
        self.pending_names.push(change);
        self.io(IoKind::Name)?;
        self.pending_names.clear();
        self.durable_names = self.names.clone();
        Ok(())
    }

    pub(crate) fn inode(&self, name: &str) -> io::Result<usize> {
        crate::disk::interface::check_name(name)?;
        let inode = self.names.get(name).copied();
        inode.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(crate) fn sync(&mut self, inode: usize) -> io::Result<()> {
        let loses = matches!(self.fault, Some((Fault::LostSync, _)));
        let synced = self.io(IoKind::Sync);
        let inode = &mut self.inodes[inode];
        if let Err(failed) = synced {
            if loses {
                inode.pending.clear();
            }
            return Err(failed.into());
        }
        for change in &std::mem::take(&mut inode.pending) {
            apply(&mut inode.durable, change);
        }
        Ok(())
    }
}

fn apply_name(names: &mut BTreeMap<String, usize>, change: &NameChange) {
    match change {
        NameChange::Create(name, inode) => {
            names.insert(name.clone(), *inode);
        }
        NameChange::Rename(from, to) => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
            }
        }
        NameChange::Remove(name) => {
            names.remove(name);
        }
    }
}

pub(crate) fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::SetLen(len) => bytes.resize(*len, 0),
        Change::Write(offset, data) => {
            let end = offset + data.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*offset..end].copy_from_slice(data);
        }
    }
}

/// Applies a change as a whole, in part or not at all.
fn keep_some(bytes: &mut Vec<u8>, change: &Change, random: &mut Random) {
    match (random.below(4), change) {
        (0 | 1, _) => apply(bytes, change),
        (2, Change::Write(offset, data)) => {
            let sectors = data.len().div_ceil(SECTOR) as u64;
            for sector in 0..sectors {
                if random.below(2) == 0 {
                    let start = sector as usize * SECTOR;
                    let end = data.len().min(start + SECTOR);
                    let part = Change::Write(offset + start, data[start..end].to_vec());
                    apply(bytes, &part);
                }
            }
        }
        _ => {}
    }
}

/// A SplitMix64 generator: it is small, and gives the same numbers on every machine.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }
}
