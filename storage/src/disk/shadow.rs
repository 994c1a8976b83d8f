//! A directory with an in-memory overlay: reads come from the directory, and all writes stay in
//! memory. Tasks that verify or show a journal open it through this, so that the recovery after a
//! crash runs without changing a file.

use crate::disk::interface::{Disk, DiskFile, OpenHow, check_name};
use crate::disk::overlay::Overlay;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A [`Disk`] over another disk that is never written to.
#[derive(Debug)]
pub struct ShadowDisk {
    below: Arc<dyn Disk>,
    /// The files that were opened for writing, created or renamed, and the removed ones (`None`).
    names: Mutex<BTreeMap<String, Option<Arc<Overlay>>>>,
}

impl ShadowDisk {
    /// Creates a disk that reads from `below` and keeps all writes in memory.
    pub fn over(below: Arc<dyn Disk>) -> ShadowDisk {
        ShadowDisk {
            below,
            names: Mutex::default(),
        }
    }

    fn names(&self) -> MutexGuard<'_, BTreeMap<String, Option<Arc<Overlay>>>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the file's overlay. Creates it if the file exists only on the disk below.
    fn file(&self, name: &str) -> io::Result<Arc<Overlay>> {
        let mut names = self.names();
        match names.get(name) {
            Some(Some(file)) => Ok(file.clone()),
            Some(None) => Err(io::ErrorKind::NotFound.into()),
            None => {
                let file = Arc::new(Overlay::new(self.below.open(name, OpenHow::Read)?)?);
                names.insert(name.to_owned(), Some(file.clone()));
                Ok(file)
            }
        }
    }
}

impl Disk for ShadowDisk {
    fn open(&self, name: &str, how: OpenHow) -> io::Result<Box<dyn DiskFile>> {
        check_name(name)?;
        let file = match self.file(name) {
            Err(error) if how == OpenHow::Create && error.kind() == io::ErrorKind::NotFound => {
                let file = Arc::new(Overlay::empty());
                self.names().insert(name.to_owned(), Some(file.clone()));
                file
            }
            found => found?,
        };
        Ok(Box::new(file))
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        let known = self.names().get(name).map(Option::is_some);
        known.map_or_else(|| self.below.exists(name), Ok)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut files: BTreeSet<String> = self.below.list(folder)?.into_iter().collect();
        for (name, file) in self.names().iter() {
            let within = name
                .strip_prefix(folder)
                .and_then(|rest| rest.strip_prefix('/'));
            let Some(within) = within.filter(|within| !within.contains('/')) else {
                continue;
            };
            if file.is_some() {
                files.insert(within.to_owned());
            } else {
                files.remove(within);
            }
        }
        Ok(files.into_iter().collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        if !self.exists(name)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.names().insert(name.to_owned(), None);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        check_name(to)?;
        let file = self.file(from)?;
        let mut names = self.names();
        names.insert(from.to_owned(), None);
        names.insert(to.to_owned(), Some(file));
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.below.free_bytes()
    }

    fn forget_cached(&self, name: &str) -> io::Result<()> {
        let known = self.names().get(name).map(Option::is_some);
        match known {
            Some(true) => Ok(()),
            Some(false) => Err(io::ErrorKind::NotFound.into()),
            None => self.below.forget_cached(name),
        }
    }
}

#[cfg(test)]
#[cfg(not(florin_loom))]
mod tests {
    use super::*;
    use crate::disk::simulated::SimulatedDisk;

    #[test]
    fn what_is_written_made_renamed_or_removed_shows_and_leaves_the_disk_alone() {
        let below = SimulatedDisk::new();
        for name in ["journal/a", "journal/b"] {
            let file = below.open(name, OpenHow::Create).unwrap();
            file.write_at(0, name.as_bytes()).unwrap();
        }
        let ios = below.io_count();
        let shadow = ShadowDisk::over(Arc::new(below.clone()));
        let file = shadow.open("journal/a", OpenHow::Existing).unwrap();
        file.write_at(9, b"lpha").unwrap();
        file.sync().unwrap();
        shadow.open("journal/c", OpenHow::Create).unwrap();
        shadow.rename("journal/a", "journal/d").unwrap();
        shadow.remove("journal/b").unwrap();
        assert_eq!(shadow.list("journal").unwrap(), ["c", "d"]);
        assert!(!shadow.exists("journal/a").unwrap());
        assert!(shadow.open("journal/b", OpenHow::Read).is_err());
        assert!(shadow.remove("journal/b").is_err());
        let mut read = [0; 12];
        let file = shadow.open("journal/d", OpenHow::Read).unwrap();
        file.read_at(0, &mut read).unwrap();
        assert_eq!(&read, b"journal/alpha"[..12].as_ref());
        assert_eq!(below.list("journal").unwrap(), ["a", "b"]);
        assert_eq!(below.contents("journal/a").unwrap(), b"journal/a");
        assert_eq!(below.io_count(), ios);
    }
}
