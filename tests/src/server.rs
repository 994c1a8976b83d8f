//! A running `florin` process with its own data folder. It is killed when its value is dropped, by
//! its process id, and its output is shown if the test fails.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::described;
use crate::executable;
use crate::http::{Client, Request};
use crate::poll;
use crate::watchdog;

/// The number of last log lines that are shown when a test fails.
const LINES_SHOWN: usize = 100;

/// A `florin` process, and a [`Client`] of it.
#[derive(Debug)]
pub struct Server {
    executable: PathBuf,
    /// The command with its arguments that starts the executable and replaces itself with it.
    launcher: Vec<String>,
    folder: PathBuf,
    variables: Vec<(String, String)>,
    process: Process,
    client: Client,
}

#[derive(Debug)]
struct Process {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts `florin` with its defaults on a free port, and waits until it is ready.
    ///
    /// # Panics
    /// Panics if it doesn't get ready.
    #[track_caller]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts `florin` with these settings, named `section.key`.
    ///
    /// # Panics
    /// Panics if it doesn't get ready.
    #[track_caller]
    pub fn with(settings: &[(&str, &str)]) -> Self {
        Self::of(executable::florin(), Self::variables(settings))
    }

    /// Returns the variables that set these settings, named `section.key`.
    pub fn variables(settings: &[(&str, &str)]) -> Vec<(String, String)> {
        let variable = |name: &str| format!("FLORIN__{}", name.replace('.', "__").to_uppercase());
        let set = |(name, value): &(&str, &str)| (variable(name), (*value).to_owned());
        settings.iter().map(set).collect()
    }

    /// Starts `florin` on a copy of this data folder.
    ///
    /// # Errors
    /// Returns the log if `florin` ended before it was ready.
    ///
    /// # Panics
    /// Panics if it neither ends nor gets ready.
    #[track_caller]
    pub fn on(data_dir: &Path) -> Result<Self, String> {
        let folder = watchdog::folder("server");
        copy_folder(data_dir, &folder.join("data"));
        let executable = executable::florin().to_owned();
        let mut process = Process::start(&executable, &[], &folder, &[]);
        let client = process.try_ready()?;
        Ok(Self {
            executable,
            launcher: Vec::new(),
            folder,
            variables: Vec::new(),
            process,
            client,
        })
    }

    /// Starts `florin` with these variables on a copy of this data folder.
    ///
    /// # Panics
    /// Panics if it doesn't get ready.
    #[track_caller]
    pub fn copied(data_dir: &Path, variables: Vec<(String, String)>) -> Self {
        let folder = watchdog::folder("server");
        copy_folder(data_dir, &folder.join("data"));
        Self::launched(executable::florin(), &[], folder, variables)
    }

    /// Starts another executable with the interface of `florin`, with these variables.
    ///
    /// # Panics
    /// Panics if it doesn't get ready.
    #[track_caller]
    pub fn of(executable: &Path, variables: Vec<(String, String)>) -> Self {
        Self::launched(executable, &[], watchdog::folder("server"), variables)
    }

    /// Starts an executable with the interface of `florin` through a command that replaces itself
    /// with it, such as `prlimit`, in a folder that the caller made.
    ///
    /// # Panics
    /// Panics if it doesn't get ready.
    #[track_caller]
    pub fn launched(
        executable: &Path,
        launcher: &[String],
        folder: PathBuf,
        variables: Vec<(String, String)>,
    ) -> Self {
        let mut process = Process::start(executable, launcher, &folder, &variables);
        let client = process.ready();
        Self {
            executable: executable.to_owned(),
            launcher: launcher.to_vec(),
            folder,
            variables,
            process,
            client,
        }
    }

    /// Starts the server again on the same data after its end, and waits until it is ready.
    ///
    /// # Panics
    /// Panics if it doesn't get ready.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.begin();
        self.client = self.process.ready();
    }

    /// Starts the server again on the same data after its end, without waiting.
    ///
    /// # Panics
    /// Panics if it still runs.
    #[track_caller]
    pub fn begin(&mut self) {
        assert!(self.process.ended().is_some(), "it still runs");
        self.process = Process::start(
            &self.executable,
            &self.launcher,
            &self.folder,
            &self.variables,
        );
    }

    /// Starts the server and kills it after this many thread yields: somewhere during its start.
    ///
    /// # Panics
    /// Panics if it was still running.
    #[track_caller]
    pub fn false_start(&mut self, looks: u32) {
        self.begin();
        for _ in 0..looks {
            thread::yield_now();
        }
        self.kill();
    }

    /// Sets a variable for this and every later start.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Kills the server, as `kill -9` does.
    #[track_caller]
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.ended();
    }

    /// Kills the server and starts it again on the same data.
    #[track_caller]
    pub fn crash(&mut self) {
        self.kill();
        self.start_again();
    }

    /// Asks the server to stop, and waits until it has stopped.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended()
    }

    /// Stops the server cleanly and starts it again on the same data.
    #[track_caller]
    pub fn restart(&mut self) {
        assert_eq!(self.stop().code(), Some(0), "{}", self.log());
        self.start_again();
    }

    /// Stops the server, and checks with `florin verify` that its data is sound.
    #[track_caller]
    pub fn verified(&mut self) {
        assert_eq!(self.stop().code(), Some(0), "{}", self.log());
        let data_dir = self.data_dir();
        let data_dir = data_dir.to_str().expect("a path of text");
        let verified = executable::run(&["verify", "--data-dir", data_dir], &[]);
        assert_eq!(verified.code(), Some(0), "{}", verified.output());
    }

    /// Sends a signal to the process.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill_process(self.process.pid(), signal).expect("its own child");
    }

    /// Returns a function that sends a signal from another thread.
    pub fn signaller(&self) -> impl Fn(Signal) + Send + use<> {
        let pid = self.process.pid();
        move |signal| kill_process(pid, signal).expect("its own child")
    }

    /// Waits until the process has ended.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        poll::eventually("the server ends", || self.process.ended())
    }

    /// Returns the exit status if the process has ended.
    pub fn exit(&mut self) -> Option<ExitStatus> {
        self.process.ended()
    }

    /// Waits at most this long for the end of the process.
    pub fn ended_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        poll::within(limit, || self.process.ended())
    }

    /// Returns the client of the current process.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the folder in which the process was started.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns its data folder.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Returns the resident memory of the process, in bytes.
    ///
    /// # Panics
    /// Panics if it has ended.
    #[track_caller]
    pub fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid().as_raw_nonzero());
        let status = fs::read_to_string(path).expect("a running process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line
            .expect("a resident size")
            .trim()
            .trim_end_matches(" kB");
        kilobytes.parse::<u64>().expect("a number") << 10
    }

    /// Returns the id of the current process.
    pub fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// Returns the output since the last start.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Waits until the log contains this text. Background work writes its lines at its own pace.
    pub fn logs(&self, text: &str) {
        poll::eventually(text, || self.log().contains(text).then_some(()));
    }
}

impl Deref for Server {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Process {
    fn start(
        executable: &Path,
        launcher: &[String],
        folder: &Path,
        variables: &[(String, String)],
    ) -> Self {
        let mut child = executable::launched(launcher, executable, folder)
            .args(["serve", "--port", "0", "--data-dir"])
            .arg(folder.join("data"))
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .spawn()
            .expect("the executable starts");
        watchdog::watch(child.id());
        let log = Arc::default();
        let readers = vec![
            follow(child.stdout.take().expect("piped"), &log),
            follow(child.stderr.take().expect("piped"), &log),
        ];
        Self {
            child,
            log,
            readers,
        }
    }

    /// Waits until the server is ready.
    #[track_caller]
    fn ready(&mut self) -> Client {
        match self.try_ready() {
            Ok(client) => client,
            Err(log) => panic!("it ended before it was ready:\n{log}"),
        }
    }

    /// Waits until the server has logged its address and is ready, or returns the log if it ended.
    #[track_caller]
    fn try_ready(&mut self) -> Result<Client, String> {
        let ready = poll::within(poll::PATIENCE, || {
            if self.ended().is_some() {
                return Some(Err(self.log()));
            }
            let client = Client::new(address(&self.log())?);
            let answer = client.try_send(&Request::get("/health/ready")).ok()?;
            (answer.status == 200).then_some(Ok(client))
        });
        let ready = ready.unwrap_or_else(|| panic!("it never got ready:\n{}", self.log()));
        if let Ok(client) = &ready {
            described::learn(&mut client.connect());
        }
        ready
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().expect("its own child")?;
        watchdog::forget(self.child.id());
        for reader in self.readers.drain(..) {
            // A reader that panicked has no more lines.
            let _ = reader.join();
        }
        Some(status)
    }

    fn log(&self) -> String {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            show(&self.log());
        }
        executable::end(&mut self.child);
        watchdog::forget(self.child.id());
    }
}

fn follow(pipe: impl Read + Send + 'static, log: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let log = Arc::clone(log);
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            log.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
        }
    })
}

/// Copies a folder with everything in it.
///
/// # Panics
/// Panics if it can't be copied.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a new folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("a copy");
        }
    }
}

/// Returns the first loopback address with a port in a log.
fn address(log: &str) -> Option<SocketAddr> {
    log.match_indices("127.0.0.1:").find_map(|(at, host)| {
        let rest = &log[at + host.len()..];
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let port: u16 = rest[..digits].parse().ok()?;
        (port != 0).then(|| SocketAddr::from(([127, 0, 0, 1], port)))
    })
}

fn show(log: &str) {
    let lines: Vec<&str> = log.lines().collect();
    let mut text = String::from("---- what the server wrote last\n");
    for line in &lines[lines.len().saturating_sub(LINES_SHOWN)..] {
        // Writing to a String can't fail.
        let _ = writeln!(text, "{line}");
    }
    eprint!("{text}");
}

/// A server that the tests of a file share. It ends with the tests' process.
#[derive(Debug, Default)]
pub struct Shared {
    settings: &'static [(&'static str, &'static str)],
    server: OnceLock<Server>,
    turns: RwLock<()>,
}

impl Shared {
    /// Creates a shared server that starts at its first use.
    pub const fn new() -> Self {
        Self::with(&[])
    }

    /// Creates a shared server with these settings, named `section.key`.
    pub const fn with(settings: &'static [(&'static str, &'static str)]) -> Self {
        Self {
            settings,
            server: OnceLock::new(),
            turns: RwLock::new(()),
        }
    }

    /// Returns the server for use at the same time as other tests.
    #[track_caller]
    pub fn server(&self) -> Lease<'_> {
        let turn = self.turns.read().unwrap_or_else(PoisonError::into_inner);
        Lease {
            server: self.server.get_or_init(|| Server::with(self.settings)),
            _turn: Turn::Shared(turn),
        }
    }

    /// Returns the server for exclusive use.
    #[track_caller]
    pub fn alone(&self) -> Lease<'_> {
        let turn = self.turns.write().unwrap_or_else(PoisonError::into_inner);
        Lease {
            server: self.server.get_or_init(|| Server::with(self.settings)),
            _turn: Turn::Alone(turn),
        }
    }
}

/// A shared server while a test uses it.
#[derive(Debug)]
pub struct Lease<'a> {
    server: &'a Server,
    _turn: Turn<'a>,
}

#[derive(Debug)]
enum Turn<'a> {
    Shared(#[allow(dead_code, reason = "held, not read")] RwLockReadGuard<'a, ()>),
    Alone(#[allow(dead_code, reason = "held, not read")] RwLockWriteGuard<'a, ()>),
}

impl Deref for Lease<'_> {
    type Target = Server;

    fn deref(&self) -> &Server {
        self.server
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            show(&self.server.log());
        }
    }
}
