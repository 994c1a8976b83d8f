//! A small disk for one server: a tmpfs in a mount namespace that a shell holds. It disappears when
//! the tests end, however they end, because the shell ends with the pipe that it reads.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::server::Server;
use crate::{executable, watchdog};

/// The script that mounts the disk, reports it, and holds the mount until its input ends.
const HOLD: &str = r#"mount -t tmpfs -o "size=$2" florin-tests "$1" && echo mounted && read -r _"#;

/// A mounted small disk.
#[derive(Debug)]
pub struct SmallDisk {
    holder: Child,
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts a disk of this many bytes. Returns `None` and prints the reason if this process may
    /// not mount.
    pub fn mount(bytes: u64) -> Option<Self> {
        let folder = watchdog::folder("disk");
        let data = folder.join("data");
        fs::create_dir(&data).expect("a new folder");
        let holder = Command::new("unshare")
            .args(["--mount", "sh", "-c", HOLD, "hold"])
            .arg(&data)
            .arg(bytes.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut holder = match holder {
            Ok(holder) => holder,
            Err(error) => {
                println!("skipped: no disk can be mounted here: unshare: {error}");
                return None;
            }
        };
        let mut said = String::new();
        let output = holder.stdout.take().expect("piped");
        // If the pipe can't be read, the mount counts as failed.
        let _ = BufReader::new(output).read_line(&mut said);
        if said != "mounted\n" {
            executable::end(&mut holder);
            println!("skipped: no disk can be mounted here, as this needs root");
            return None;
        }
        Some(Self { holder, folder })
    }

    /// Starts an executable with the interface of `florin` with its data on this disk.
    ///
    /// # Panics
    /// Panics if it doesn't get ready.
    #[track_caller]
    pub fn server(&self, executable: &Path, variables: Vec<(String, String)>) -> Server {
        Server::launched(executable, &self.launcher(), self.folder.clone(), variables)
    }

    /// Returns the data folder on the disk, as this process sees it.
    pub fn data_dir(&self) -> PathBuf {
        let inside = self.folder.join("data");
        let inside = inside.strip_prefix("/").expect("an absolute folder");
        PathBuf::from(format!("/proc/{}/root", self.holder.id())).join(inside)
    }

    /// Fills the disk, except for this many bytes.
    ///
    /// # Panics
    /// Panics if the filler file can't be created, or the free space can't be read.
    pub fn fill(&self, leave: u64) {
        let mut filler = File::create(self.filler()).expect("a file on the disk");
        let block = [7; 4_096];
        while self.free_bytes() > leave {
            if filler.write_all(&block).is_err() {
                return;
            }
        }
    }

    /// Frees the space that [`Self::fill`] took.
    ///
    /// # Panics
    /// Panics if the disk wasn't filled.
    pub fn free(&self) {
        fs::remove_file(self.filler()).expect("it was filled");
    }

    fn free_bytes(&self) -> u64 {
        let space = rustix::fs::statvfs(self.data_dir()).expect("a mounted disk");
        space.f_bavail * space.f_frsize
    }

    fn filler(&self) -> PathBuf {
        self.data_dir().join("filler")
    }

    fn launcher(&self) -> Vec<String> {
        let pid = self.holder.id().to_string();
        ["nsenter", "--mount", "--target", &pid, "--"]
            .map(str::to_owned)
            .to_vec()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        executable::end(&mut self.holder);
    }
}
