//! A redb backend that reads a file and keeps every write in memory. A sealed segment is opened
//! through it: redb can note that it has the file open, even repair it, and the file stays as
//! it was sealed.

use crate::disk::DiskFile;
use redb::StorageBackend;
use std::collections::BTreeMap;
use std::io;
use std::sync::{PoisonError, RwLock};

const PAGE: u64 = 4_096;

/// A file with pages of memory over it.
#[derive(Debug)]
pub(crate) struct Overlay {
    file: Box<dyn DiskFile>,
    state: RwLock<Over>,
}

#[derive(Debug)]
struct Over {
    len: u64,
    /// How much of the file still shows: less than its length once it was cut.
    file_len: u64,
    pages: BTreeMap<u64, Box<[u8; PAGE as usize]>>,
}

impl Overlay {
    pub(crate) fn new(file: Box<dyn DiskFile>) -> io::Result<Overlay> {
        let len = file.len()?;
        let state = RwLock::new(Over {
            len,
            file_len: len,
            pages: BTreeMap::new(),
        });
        Ok(Overlay { file, state })
    }

    /// The file's own bytes, zeros past its end.
    fn read_file(&self, file_len: u64, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = file_len.saturating_sub(offset).min(out.len() as u64) as usize;
        if there > 0 {
            self.file.read_at(offset, &mut out[..there])?;
        }
        out[there..].fill(0);
        Ok(())
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(read(&self.state).len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
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

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
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
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Disk, OpenHow};
    use crate::simulated::SimulatedDisk;
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
                        overlay.set_len(len).unwrap();
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
                prop_assert_eq!(overlay.len().unwrap(), model.len() as u64);
            }
            prop_assert_eq!(disk.contents("journal/a").unwrap(), original);
        }
    }
}
