//! A disk in memory that crashes, tears and fails writes on command, in the same way for the same
//! seed. It keeps the content that a machine crash would leave apart from the content of the page
//! cache.

use crate::disk::crash_model::{
    Change, CrashMode, Fault, Inode, IoKind, NameChange, PAGE, State, apply,
};
use crate::disk::interface::{Disk, DiskFile, OpenHow, check_name};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A [`Disk`] in memory. Clones share it.
///
/// Each write, change of length, sync, creation, rename, removal and sync of a folder is one I/O.
/// The I/Os are numbered from 0.
#[derive(Clone, Default)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

impl fmt::Debug for SimulatedDisk {
    // Only the names are printed, because the files are long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("SimulatedDisk")
            .field("io_count", &state.io_count)
            .field("names", &state.names.keys())
            .finish_non_exhaustive()
    }
}

impl SimulatedDisk {
    /// Creates an empty disk.
    pub fn new() -> SimulatedDisk {
        SimulatedDisk::default()
    }

    /// Simulates a crash and restart of the machine: changes that were not synced are lost as
    /// `mode` says, files that were open fail from now on, and faults are cleared.
    pub fn crash(&self, seed: u64, mode: CrashMode) {
        self.lock().crash(seed, mode);
    }

    /// Simulates the end of the process while the machine keeps running: nothing is lost, not even
    /// content that only the page cache has. Files that were open fail from now on, and faults are
    /// cleared.
    pub fn kill(&self) {
        self.lock().restart();
    }

    /// Makes the I/O of that number, and all later ones, fail.
    pub fn fail_at(&self, io_index: u64) {
        self.fault_at(io_index, Fault::Broken);
    }

    /// Makes the next sync of a file fail once, see [`Fault::LostSync`].
    pub fn fail_next_sync(&self) {
        self.fault_at(0, Fault::LostSync);
    }

    /// Makes I/Os fail from the one of that number on. It replaces the fault set before.
    pub fn fault_at(&self, io_index: u64, fault: Fault) {
        self.lock().fault = Some((fault, io_index));
    }

    /// Sets the result of [`Disk::free_bytes`].
    pub fn set_free_bytes(&self, bytes: u64) {
        self.lock().free_bytes = bytes;
    }

    /// Returns the number of I/Os that were attempted.
    pub fn io_count(&self) -> u64 {
        self.lock().io_count
    }

    /// Flips bits of one byte of a file, on the disk and in the page cache, as a decaying sector
    /// would. Returns false if the file is too short or does not exist.
    pub fn rot(&self, name: &str, offset: usize, flip: u8) -> bool {
        let mut state = self.lock();
        let Some(inode) = state.names.get(name).copied() else {
            return false;
        };
        let inode = &mut state.inodes[inode];
        let mut rotten = false;
        for bytes in [&mut inode.current, &mut inode.durable] {
            if let Some(byte) = bytes.get_mut(offset) {
                *byte ^= flip;
                rotten = true;
            }
        }
        rotten
    }

    /// Returns a file's bytes as the running system sees them.
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.lock();
        let inode = state.names.get(name)?;
        Some(state.inodes[*inode].current.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for SimulatedDisk {
    fn open(&self, name: &str, how: OpenHow) -> io::Result<Box<dyn DiskFile>> {
        check_name(name)?;
        let mut state = self.lock();
        let inode = match state.names.get(name) {
            Some(inode) => *inode,
            None if how == OpenHow::Create => {
                let inode = state.inodes.len();
                state.inodes.push(Inode::default());
                state.change_name(NameChange::Create(name.to_owned(), inode))?;
                inode
            }
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Box::new(SimulatedFile {
            disk: self.clone(),
            generation: state.generation,
            inode,
            writable: how != OpenHow::Read,
        }))
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        check_name(name)?;
        Ok(self.lock().names.contains_key(name))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        check_name(folder)?;
        let state = self.lock();
        let within = state.names.keys().filter_map(|name| {
            let name = name.strip_prefix(folder)?.strip_prefix('/')?;
            (!name.contains('/')).then(|| name.to_owned())
        });
        Ok(within.collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.inode(name)?;
        state.change_name(NameChange::Remove(name.to_owned()))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        check_name(to)?;
        let mut state = self.lock();
        state.inode(from)?;
        state.change_name(NameChange::Rename(from.to_owned(), to.to_owned()))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.lock().free_bytes)
    }

    fn forget_cached(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        let inode = state.inode(name)?;
        state.sync(inode)?;
        let inode = &mut state.inodes[inode];
        inode.current.clone_from(&inode.durable);
        Ok(())
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    generation: u64,
    inode: usize,
    writable: bool,
}

impl SimulatedFile {
    fn lock(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.lock();
        if state.generation == self.generation {
            return Ok(state);
        }
        Err(io::Error::other(
            "the simulated process that opened this file is gone",
        ))
    }

    fn change(&self, change: Change) -> io::Result<()> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut state = self.lock()?;
        let kind = match &change {
            Change::SetLen(_) => IoKind::SetLen,
            Change::Write(offset, data) => {
                let allocated = &state.inodes[self.inode].allocated;
                let mut pages = pages(*offset, data.len());
                let grows = pages.any(|page| !allocated.contains(&page));
                IoKind::Write { grows }
            }
        };
        let done = state.io(kind);
        let (change, done) = match (change, done) {
            (Change::Write(offset, mut data), Err(failed)) if failed.in_part => {
                data.truncate(data.len() / 2);
                (Change::Write(offset, data), Err(failed))
            }
            (change, Ok(())) => (change, Ok(())),
            (_, Err(failed)) => return Err(failed.into()),
        };
        let inode = &mut state.inodes[self.inode];
        apply(&mut inode.current, &change);
        match &change {
            Change::Write(offset, data) => inode.allocated.extend(pages(*offset, data.len())),
            Change::SetLen(len) => drop(inode.allocated.split_off(&len.div_ceil(PAGE))),
        }
        inode.pending.push(change);
        Ok(done?)
    }
}

/// Returns the pages that contain the `len` bytes from `offset` on.
fn pages(offset: usize, len: usize) -> std::ops::Range<usize> {
    offset / PAGE..(offset + len).div_ceil(PAGE)
}

impl DiskFile for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock()?.inodes[self.inode].current.len() as u64)
    }

    fn allocated_bytes(&self) -> io::Result<u64> {
        let pages = self.lock()?.inodes[self.inode].allocated.len();
        Ok((pages * PAGE) as u64)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.lock()?;
        let bytes = &state.inodes[self.inode].current;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let found = bytes.get(start..start.saturating_add(out.len()));
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.change(Change::Write(offset as usize, bytes.to_vec()))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Change::SetLen(len as usize))
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.lock()?;
        state.sync(self.inode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(disk: &SimulatedDisk, name: &str, bytes: &[u8]) -> Box<dyn DiskFile> {
        let file = disk.open(name, OpenHow::Create).unwrap();
        file.write_at(0, bytes).unwrap();
        file
    }

    #[test]
    fn a_crash_keeps_what_was_synced_and_closes_every_file() {
        let disk = SimulatedDisk::new();
        let open = file(&disk, "a", b"one");
        open.sync().unwrap();
        open.write_at(0, b"two!").unwrap();
        assert_eq!(disk.contents("a").unwrap(), b"two!");
        disk.crash(1, CrashMode::LoseAll);
        assert_eq!(disk.contents("a").unwrap(), b"one");
        assert!(open.read_at(0, &mut [0]).is_err());
        assert!(open.write_at(0, b"x").is_err());
        assert!(disk.open("a", OpenHow::Existing).unwrap().sync().is_ok());
    }

    #[test]
    fn the_same_seed_tears_the_same_way() {
        let crashed = |seed| {
            let disk = SimulatedDisk::new();
            let open = file(&disk, "a", &[1; 4_000]);
            for page in 1..20u8 {
                open.write_at(u64::from(page) * 1_500, &[page; 2_000])
                    .unwrap();
            }
            disk.crash(seed, CrashMode::Torn);
            disk.contents("a").unwrap()
        };
        assert_eq!(crashed(5), crashed(5));
        assert!((0..20).any(|seed| crashed(seed) != crashed(5)));
    }

    #[test]
    fn a_rename_whose_folder_was_not_synced_may_be_lost() {
        let renamed = |seed, mode| {
            let disk = SimulatedDisk::new();
            file(&disk, "a", b"new").sync().unwrap();
            disk.fail_at(disk.io_count() + 1);
            disk.rename("a", "b").unwrap_err();
            assert!(disk.exists("b").unwrap());
            disk.crash(seed, mode);
            disk.exists("b").unwrap()
        };
        assert!(!renamed(0, CrashMode::LoseAll));
        assert!((0..20).any(|seed| renamed(seed, CrashMode::Torn)));
        assert!((0..20).any(|seed| !renamed(seed, CrashMode::Torn)));
    }

    #[test]
    fn a_failed_sync_leaves_the_cache_ahead_of_the_disk_until_it_is_forgotten() {
        let disk = SimulatedDisk::new();
        let open = file(&disk, "a", b"one");
        open.sync().unwrap();
        open.write_at(0, b"two").unwrap();
        disk.fail_next_sync();
        open.sync().unwrap_err();
        open.sync().unwrap();
        assert_eq!(disk.contents("a").unwrap(), b"two");
        disk.forget_cached("a").unwrap();
        assert_eq!(disk.contents("a").unwrap(), b"one");
    }
}
