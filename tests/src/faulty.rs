//! A disk that a test can hold up or break while the process runs: by files in a folder of
//! switches, so that the test decides when, and no timing does.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use florin_actors::messages::{EntityId, Timestamp};
use florin_actors::runtime::{Clock, Intercept, SystemClock};
use florin_storage::{Disk, DiskFile, OpenHow};

/// The file that says by how many seconds the clock is ahead.
const AHEAD: &str = "clock";

/// Names the folder of switches to the process.
pub const SWITCHES: &str = "FAULTY_SWITCHES";

/// What can be switched.
#[derive(Debug, Clone, Copy)]
pub enum Switch {
    /// Syncs of the journal's files wait until it is off again.
    HoldJournal,
    /// Syncs of the journal's files fail, and so does every one after.
    FailJournal,
    /// Writes of the views' files wait until it is off again: nothing is projected past them.
    HoldViews,
    /// There is no room on the disk, as far as it says.
    NoRoom,
    /// There is room on the disk, as far as it says.
    MuchRoom,
}

impl Switch {
    const fn name(self) -> &'static str {
        match self {
            Self::HoldJournal => "hold-journal",
            Self::FailJournal => "fail-journal",
            Self::HoldViews => "hold-views",
            Self::NoRoom => "no-room",
            Self::MuchRoom => "much-room",
        }
    }

    /// Switches it on.
    ///
    /// # Panics
    /// When the folder can't be written.
    pub fn on(self, switches: &Path) {
        fs::write(switches.join(self.name()), "").expect("a folder of switches");
    }

    /// Switches it off.
    ///
    /// # Panics
    /// When it isn't on.
    pub fn off(self, switches: &Path) {
        fs::remove_file(switches.join(self.name())).expect("it is on");
    }
}

/// A disk whose faults are switched.
#[derive(Debug)]
pub struct FaultyDisk {
    inner: Arc<dyn Disk>,
    switches: Switches,
}

#[derive(Debug, Clone)]
struct Switches(PathBuf);

#[derive(Debug)]
struct FaultyFile {
    inner: Box<dyn DiskFile>,
    of_journal: bool,
    switches: Switches,
}

impl FaultyDisk {
    /// A disk like `inner`, as long as nothing is switched on in that folder.
    pub fn new(inner: Arc<dyn Disk>, switches: PathBuf) -> Self {
        Self {
            inner,
            switches: Switches(switches),
        }
    }
}

impl Switches {
    fn is_on(&self, switch: Switch) -> bool {
        self.0.join(switch.name()).exists()
    }

    fn pass(&self, switch: Switch) {
        while self.is_on(switch) {
            thread::park_timeout(Duration::from_millis(1));
        }
    }

    fn sync_journal(&self) -> io::Result<()> {
        self.pass(Switch::HoldJournal);
        if self.is_on(Switch::FailJournal) {
            return Err(io::Error::other("the disk is broken, as the test asked"));
        }
        Ok(())
    }
}

/// Entities that fail while a file named `panic-ID` is among the switches.
#[derive(Debug)]
pub struct FaultyEntities(Switches);

impl FaultyEntities {
    /// Entities that are as they should be, as long as nothing is switched on in that folder.
    pub fn new(switches: PathBuf) -> Self {
        Self(Switches(switches))
    }

    fn call(&self, entity: EntityId) {
        let switch = self.0.0.join(fault_of(&entity.to_string()));
        assert!(!switch.exists(), "the test asked for it");
    }
}

impl Intercept for FaultyEntities {
    fn decide(&self, entity: EntityId) {
        self.call(entity);
    }

    fn evolve(&self, entity: EntityId) {
        self.call(entity);
    }
}

/// The machine's clocks, the time of day ahead of it by what [`set_clock`] says.
#[derive(Debug)]
pub struct FaultyClock(Switches);

impl FaultyClock {
    /// A clock that is right, as long as it isn't set in that folder.
    pub fn new(switches: PathBuf) -> Self {
        Self(Switches(switches))
    }
}

impl Clock for FaultyClock {
    fn now(&self) -> Timestamp {
        let ahead = fs::read_to_string(self.0.0.join(AHEAD));
        let ahead = ahead.map_or(0, |text| text.parse().expect("a number of seconds"));
        Timestamp::from_micros(SystemClock.now().as_micros() + ahead * 1_000_000)
    }

    fn nanos(&self) -> u64 {
        SystemClock.nanos()
    }
}

/// Sets the time of day ahead of the machine's by so many seconds, or behind it.
///
/// # Panics
/// When the folder can't be written.
pub fn set_clock(switches: &Path, ahead_seconds: i64) {
    let new = switches.join("clock.new");
    fs::write(&new, ahead_seconds.to_string()).expect("a folder of switches");
    // The process reads the old one or the new one.
    fs::rename(new, switches.join(AHEAD)).expect("a folder of switches");
}

/// Makes the code of the entity `id` panic until [`heal`].
///
/// # Panics
/// When the folder can't be written.
pub fn infect(switches: &Path, id: &str) {
    fs::write(switches.join(fault_of(id)), "").expect("a folder of switches");
}

/// Lets the entity `id` be as it should again.
///
/// # Panics
/// When it isn't infected.
pub fn heal(switches: &Path, id: &str) {
    fs::remove_file(switches.join(fault_of(id))).expect("it is infected");
}

fn fault_of(id: &str) -> String {
    format!("panic-{id}")
}

impl Disk for FaultyDisk {
    fn open(&self, name: &str, how: OpenHow) -> io::Result<Box<dyn DiskFile>> {
        let inner = self.inner.open(name, how)?;
        let of_journal = name.starts_with("journal/");
        Ok(Box::new(FaultyFile {
            inner,
            of_journal,
            switches: self.switches.clone(),
        }))
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        self.inner.exists(name)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.inner.list(folder)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        if self.switches.is_on(Switch::NoRoom) {
            return Ok(0);
        }
        if self.switches.is_on(Switch::MuchRoom) {
            return Ok(u64::MAX);
        }
        self.inner.free_bytes()
    }

    fn forget_cached(&self, name: &str) -> io::Result<()> {
        self.inner.forget_cached(name)
    }
}

impl DiskFile for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn allocated_bytes(&self) -> io::Result<u64> {
        self.inner.allocated_bytes()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read_at(offset, out)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if !self.of_journal {
            self.switches.pass(Switch::HoldViews);
        }
        self.inner.write_at(offset, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        if self.of_journal {
            self.switches.sync_journal()?;
        }
        self.inner.sync()
    }
}
