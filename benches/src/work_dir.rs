//! The folder of a run, for the node's data and the children's output. It is on the disk of the
//! build, not in `/tmp`, which is often in memory.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use crate::error::BenchError;

/// The number of folders that this process has created.
static MADE: AtomicU32 = AtomicU32::new(0);

pub struct WorkDir {
    path: PathBuf,
    data: PathBuf,
    keep: bool,
}

impl WorkDir {
    /// Creates the folder. `data` is another place for the node's data, which is kept.
    pub fn create(data: Option<&Path>) -> Result<Self, BenchError> {
        let own = env::current_exe().map_err(BenchError::io("find the own executable"))?;
        let beside = own.parent().unwrap_or(Path::new("."));
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = beside.join(format!("florin-benches-{}-{number}", process::id()));
        fs::create_dir_all(&path).map_err(BenchError::io(path.display().to_string()))?;
        let data = match data {
            Some(data) => {
                std::path::absolute(data).map_err(BenchError::io(data.display().to_string()))?
            }
            None => path.join("data"),
        };
        Ok(Self {
            path,
            data,
            keep: false,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Keeps all files after the run, so that a fault can be examined.
    pub fn keep(&mut self) {
        self.keep = true;
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        if !self.keep {
            // A file that can't be removed stays; it is in the build's own directory.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
