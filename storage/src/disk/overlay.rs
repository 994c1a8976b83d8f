//! An overlay over a file: reads come from the file, and every write is kept in memory. Sealed
//! segments are opened through it: redb can mark the file as open, or even repair it, and the file
//! on the disk stays unchanged.

use crate::disk::interface::DiskFile;
use redb::StorageBackend;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

const PAGE: u64 = 4_096;

/// A file with changed pages kept in memory.
#[derive(Debug)]
pub(crate) struct Overlay {
    /// The file below, or `None` if all content is in memory.
    file: Option<Box<dyn DiskFile>>,
    state: RwLock<Over>,
}

#[derive(Debug)]
struct Over {
    len: u64,
    /// How many bytes of the file are still visible: fewer than its length once it was cut.
    file_len: u64,
    pages: BTreeMap<u64, Box<[u8; PAGE as usize]>>,
}

impl Overlay {
    pub(crate) fn new(file: Box<dyn DiskFile>) -> io::Result<Overlay> {
        let len = file.len()?;
        Ok(Overlay::with(Some(file), len))
    }

    /// Creates an overlay without a file below.
    pub(crate) fn empty() -> Overlay {
        Overlay::with(None, 0)
    }

    fn with(file: Option<Box<dyn DiskFile>>, len: u64) -> Overlay {
        let state = RwLock::new(Over {
            len,
            file_len: len,
            pages: BTreeMap::new(),
        });
        Overlay { file, state }
    }

    /// Reads the bytes of the file below, and zeros past its end.
    fn read_file(&self, file_len: u64, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = file_len.saturating_sub(offset).min(out.len() as u64) as usize;
        if let Some(file) = self.file.as_ref().filter(|_| there > 0) {
            file.read_at(offset, &mut out[..there])?;
        }
        out[there..].fill(0);
        Ok(())
    }
}

impl DiskFile for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(read(&self.state).len)
    }

    fn allocated_bytes(&self) -> io::Result<u64> {
        self.file
            .as_ref()
            .map_or(Ok(0), |file| file.allocated_bytes())
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = read(&self.state);
        let end = offset + out.len() as u64;
        if end > state.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read_file(state.file_len, offset, out)?;
        for (number, page) in state.pages.range(offset / PAGE..end.div_ceil(PAGE)) {
            let start = number * PAGE;
            let (from, to) = (start.max(offset), (start + PAGE).min(end));
            let source = &page[(from - start) as usize..(to - start) as usize];
            out[(from - offset) as usize..(to - offset) as usize].copy_from_slice(source);
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let end = offset + data.len() as u64;
        for number in offset / PAGE..end.div_ceil(PAGE) {
            let start = number * PAGE;
            if !state.pages.contains_key(&number) {
                let mut page = Box::new([0; PAGE as usize]);
                self.read_file(state.file_len, start, page.as_mut_slice())?;
                state.pages.insert(number, page);
            }
            let (from, to) = (start.max(offset), (start + PAGE).min(end));
            if let Some(page) = state.pages.get_mut(&number) {
                page[(from - start) as usize..(to - start) as usize]
                    .copy_from_slice(&data[(from - offset) as usize..(to - offset) as usize]);
            }
        }
        state.len = state.len.max(end);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if len < state.len {
            state.file_len = state.file_len.min(len);
            state.pages.split_off(&len.div_ceil(PAGE));
            if let Some(page) = state.pages.get_mut(&(len / PAGE)) {
                page[(len % PAGE) as usize..].fill(0);
            }
        }
        state.len = len;
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        DiskFile::len(self)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        DiskFile::set_len(self, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write_at(offset, data)
    }
}

/// An overlay that has several owners.
impl DiskFile for Arc<Overlay> {
    fn len(&self) -> io::Result<u64> {
        DiskFile::len(self.as_ref())
    }

    fn allocated_bytes(&self) -> io::Result<u64> {
        self.as_ref().allocated_bytes()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.as_ref().read_at(offset, out)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.as_ref().write_at(offset, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        DiskFile::set_len(self.as_ref(), len)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::interface::{Disk, OpenHow};
    use crate::disk::simulated::SimulatedDisk;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Write(u64, Vec<u8>),
        SetLen(u64),
        Read(u64, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let at = || 0..20_000u64;
        let data = prop::collection::vec(any::<u8>(), 1..6_000);
        prop_oneof![
            (at(), data).prop_map(|(at, data)| Step::Write(at, data)),
            at().prop_map(Step::SetLen),
            (at(), 1..9_000usize).prop_map(|(at, len)| Step::Read(at, len)),
        ]
    }

    proptest! {
        #[test]
        fn reads_as_a_file_would_and_leaves_the_file_alone(
            original in prop::collection::vec(any::<u8>(), 0..15_000),
            steps in prop::collection::vec(step(), 1..25),
        ) {
            let disk = SimulatedDisk::new();
            let file = disk.open("journal/a", OpenHow::Create).unwrap();
            file.write_at(0, &original).unwrap();
            let overlay = Overlay::new(disk.open("journal/a", OpenHow::Read).unwrap()).unwrap();
            let mut model = original.clone();
            for step in steps {
                match step {
                    Step::Write(at, data) => {
                        overlay.write(at, &data).unwrap();
                        let end = at as usize + data.len();
                        model.resize(model.len().max(end), 0);
                        model[at as usize..end].copy_from_slice(&data);
                    }
                    Step::SetLen(len) => {
                        DiskFile::set_len(&overlay, len).unwrap();
                        model.resize(len as usize, 0);
                    }
                    Step::Read(at, len) => {
                        let mut out = vec![1; len];
                        let read = overlay.read(at, &mut out);
                        match model.get(at as usize..at as usize + len) {
                            Some(wanted) => prop_assert_eq!(out, wanted),
                            None => prop_assert!(read.is_err()),
                        }
                    }
                }
                prop_assert_eq!(DiskFile::len(&overlay).unwrap(), model.len() as u64);
            }
            prop_assert_eq!(disk.contents("journal/a").unwrap(), original);
        }
    }
}
