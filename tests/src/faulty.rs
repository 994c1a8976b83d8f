//! A disk that a test can block or break while the process runs. Files in a folder of switches
//! control it, so that the test decides when a fault occurs, not the timing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use florin_actors::messages::{EntityId, Timestamp};
use florin_actors::runtime::{Clock, Intercept, SystemClock};
use florin_actors::upkeep::ThreadFaults;
use florin_storage::threads::ThreadName;
use florin_storage::{Disk, DiskFile, OpenHow};

/// The name of the file with the seconds by which the clock is ahead.
const AHEAD: &str = "clock";

/// The variable with the path of the folder of switches.
pub const SWITCHES: &str = "FAULTY_SWITCHES";

/// A fault that a test can switch on.
#[derive(Debug, Clone, Copy)]
pub enum Switch {
    /// Syncs of the journal's files block until it is switched off.
    HoldJournal,
    /// Every sync of the journal's files fails while it is on.
    FailJournal,
    /// Writes of the views' files block until it is switched off, so the projection stops there.
    HoldViews,
    /// The disk reports no free space.
    NoRoom,
    /// The disk reports unlimited free space.
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

    /// Switches the fault on.
    ///
    /// # Panics
    /// Panics if the folder can't be written.
    pub fn on(self, switches: &Path) {
        fs::write(switches.join(self.name()), "").expect("a folder of switches");
    }

    /// Switches the fault off.
    ///
    /// # Panics
    /// Panics if it isn't on.
    pub fn off(self, switches: &Path) {
        fs::remove_file(switches.join(self.name())).expect("it is on");
    }
}

/// A disk whose faults can be switched.
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
    /// The switch file of this file: its syncs fail while the switch exists.
    fault: PathBuf,
    switches: Switches,
}

impl FaultyDisk {
    /// Creates a disk that behaves like `inner` until a fault is switched on in that folder.
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

/// Entities that panic while a file named `panic-ID` is among the switches.
#[derive(Debug)]
pub struct FaultyEntities(Switches);

impl FaultyEntities {
    /// Creates entities that work correctly until a fault is switched on in that folder.
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

/// The machine's clocks, with the time of day ahead by the seconds that [`set_clock`] wrote.
#[derive(Debug)]
pub struct FaultyClock(Switches);

impl FaultyClock {
    /// Creates a clock that is right until it is set in that folder.
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

/// Threads that panic while a file named `thread-NAME` is among the switches, and that can't be
/// started while a file named `no-thread-NAME` is.
#[derive(Debug)]
pub struct FaultyThreads(Switches);

impl FaultyThreads {
    /// Creates threads that work correctly until a fault is switched on in that folder.
    pub fn new(switches: PathBuf) -> Self {
        Self(Switches(switches))
    }
}

impl ThreadFaults for FaultyThreads {
    fn starting(&self, thread: ThreadName) -> io::Result<()> {
        if self
            .0
            .0
            .join(format!("no-{}", thread_fault(thread)))
            .exists()
        {
            return Err(io::Error::other("the test gives no thread"));
        }
        Ok(())
    }

    fn pulse(&self, thread: ThreadName) {
        let switch = self.0.0.join(thread_fault(thread));
        assert!(!switch.exists(), "the test asked for it");
    }
}

fn thread_fault(thread: ThreadName) -> String {
    format!("thread-{thread}")
}

/// Makes every thread of that name panic until [`mend_thread`].
///
/// # Panics
/// Panics if the folder can't be written.
pub fn break_thread(switches: &Path, thread: ThreadName) {
    fs::write(switches.join(thread_fault(thread)), "").expect("a folder of switches");
}

/// Lets threads of that name work correctly again.
///
/// # Panics
/// Panics if they were not made to panic.
pub fn mend_thread(switches: &Path, thread: ThreadName) {
    fs::remove_file(switches.join(thread_fault(thread))).expect("it panics");
}

/// Makes every start of a thread of that name fail.
///
/// # Panics
/// Panics if the folder can't be written.
pub fn refuse_thread(switches: &Path, thread: ThreadName) {
    let name = format!("no-{}", thread_fault(thread));
    fs::write(switches.join(name), "").expect("a folder of switches");
}

/// Makes every sync of the file `name` of the data folder fail until [`mend_file`].
///
/// # Panics
/// Panics if the folder can't be written.
pub fn break_file(switches: &Path, name: &str) {
    fs::write(switches.join(file_fault(name)), "").expect("a folder of switches");
}

/// Lets syncs of the file `name` succeed again.
///
/// # Panics
/// Panics if it was not made to fail.
pub fn mend_file(switches: &Path, name: &str) {
    fs::remove_file(switches.join(file_fault(name))).expect("it fails");
}

fn file_fault(name: &str) -> String {
    format!("fail-{}", name.replace('/', "-"))
}

/// Sets the time of day ahead of the machine's by this many seconds; a negative number sets it
/// behind.
///
/// # Panics
/// Panics if the folder can't be written.
pub fn set_clock(switches: &Path, ahead_seconds: i64) {
    let new = switches.join("clock.new");
    fs::write(&new, ahead_seconds.to_string()).expect("a folder of switches");
    // The rename is atomic, so the process reads either the old or the new value.
    fs::rename(new, switches.join(AHEAD)).expect("a folder of switches");
}

/// Makes the code of the entity `id` panic until [`heal`].
///
/// # Panics
/// Panics if the folder can't be written.
pub fn infect(switches: &Path, id: &str) {
    fs::write(switches.join(fault_of(id)), "").expect("a folder of switches");
}

/// Lets the entity `id` work correctly again.
///
/// # Panics
/// Panics if it isn't infected.
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
            // A view is written under a temporary name and renamed, so `.tmp` is no part of the
            // switch's name.
            fault: self
                .switches
                .0
                .join(file_fault(name.trim_end_matches(".tmp"))),
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
        if self.fault.exists() {
            return Err(io::Error::other(
                "the disk is broken here, as the test asked",
            ));
        }
        self.inner.sync()
    }
}
