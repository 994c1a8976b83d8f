//! One running `florin`, with a data folder of its own. It ends with its value, by its own process
//! id; what it wrote is shown when the test fails.

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

use crate::executable;
use crate::http::{Client, Request};
use crate::poll;
use crate::watchdog;

/// How many of the last lines are shown when a test fails.
const LINES_SHOWN: usize = 100;

/// A `florin` process; a [`Client`] of it besides.
#[derive(Debug)]
pub struct Server {
    executable: PathBuf,
    /// What starts the executable, and becomes it: a command and its arguments.
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
    /// When it doesn't get ready.
    #[track_caller]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts `florin` with these settings, named `section.key`.
    ///
    /// # Panics
    /// When it doesn't get ready.
    #[track_caller]
    pub fn with(settings: &[(&str, &str)]) -> Self {
        Self::of(executable::florin(), Self::variables(settings))
    }

    /// The variables that set these settings, named `section.key`.
    pub fn variables(settings: &[(&str, &str)]) -> Vec<(String, String)> {
        let variable = |name: &str| format!("FLORIN__{}", name.replace('.', "__").to_uppercase());
        let set = |(name, value): &(&str, &str)| (variable(name), (*value).to_owned());
        settings.iter().map(set).collect()
    }

    /// Starts `florin` on a copy of this data folder.
    ///
    /// # Errors
    /// What it wrote when it ended before it was ready.
    ///
    /// # Panics
    /// When it does neither.
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
    /// When it doesn't get ready.
    #[track_caller]
    pub fn copied(data_dir: &Path, variables: Vec<(String, String)>) -> Self {
        let folder = watchdog::folder("server");
        copy_folder(data_dir, &folder.join("data"));
        Self::launched(executable::florin(), &[], folder, variables)
    }

    /// Starts an executable that is used like `florin`, with these variables.
    ///
    /// # Panics
    /// When it doesn't get ready.
    #[track_caller]
    pub fn of(executable: &Path, variables: Vec<(String, String)>) -> Self {
        Self::launched(executable, &[], watchdog::folder("server"), variables)
    }

    /// Starts an executable that is used like `florin` by way of a command that becomes it, as
    /// `prlimit` does, in a folder that the caller made.
    ///
    /// # Panics
    /// When it doesn't get ready.
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

    /// Starts it anew on the same data, after it has ended.
    ///
    /// # Panics
    /// When it doesn't get ready.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.begin();
        self.client = self.process.ready();
    }

    /// Starts it anew on the same data, after it has ended, without waiting for anything.
    ///
    /// # Panics
    /// When it still runs.
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

    /// Starts it and ends it at once, so many looks later: somewhere in its start.
    ///
    /// # Panics
    /// When it still ran.
    #[track_caller]
    pub fn false_start(&mut self, looks: u32) {
        self.begin();
        for _ in 0..looks {
            thread::yield_now();
        }
        self.kill();
    }

    /// Starts it anew with further variables, for this and every later start.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Ends it at once, as `kill -9` does.
    #[track_caller]
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.ended();
    }

    /// Ends it at once and starts it on the same data.
    #[track_caller]
    pub fn crash(&mut self) {
        self.kill();
        self.start_again();
    }

    /// Asks it to stop, and waits until it has.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended()
    }

    /// Stops it and starts it on the same data.
    #[track_caller]
    pub fn restart(&mut self) {
        assert_eq!(self.stop().code(), Some(0), "{}", self.log());
        self.start_again();
    }

    /// Stops it, and has `florin verify` find nothing wrong with what it leaves.
    #[track_caller]
    pub fn verified(&mut self) {
        assert_eq!(self.stop().code(), Some(0), "{}", self.log());
        let data_dir = self.data_dir();
        let data_dir = data_dir.to_str().expect("a path of text");
        let verified = executable::run(&["verify", "--data-dir", data_dir], &[]);
        assert_eq!(verified.code(), Some(0), "{}", verified.output());
    }

    /// Sends a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill_process(self.process.pid(), signal).expect("its own child");
    }

    /// What sends a signal from another thread.
    pub fn signaller(&self) -> impl Fn(Signal) + Send + use<> {
        let pid = self.process.pid();
        move |signal| kill_process(pid, signal).expect("its own child")
    }

    /// Waits until it has ended by itself.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        poll::eventually("the server ends", || self.process.ended())
    }

    /// How it ended, if it did.
    pub fn exit(&mut self) -> Option<ExitStatus> {
        self.process.ended()
    }

    /// Waits so long for its end.
    pub fn ended_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        poll::within(limit, || self.process.ended())
    }

    /// The client of the present process.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The folder it was started in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its data folder.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The bytes of memory that the process has.
    ///
    /// # Panics
    /// When it has ended.
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

    /// The id of the present process.
    pub fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// All it has written since it was last started.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Waits until the log has this: what is written beside requests comes when it comes.
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

    /// Waits until it is ready.
    #[track_caller]
    fn ready(&mut self) -> Client {
        match self.try_ready() {
            Ok(client) => client,
            Err(log) => panic!("it ended before it was ready:\n{log}"),
        }
    }

    /// Waits until it says where it listens and that it is ready; or what it wrote until its end.
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
        ready.unwrap_or_else(|| panic!("it never got ready:\n{}", self.log()))
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().expect("its own child")?;
        watchdog::forget(self.child.id());
        for reader in self.readers.drain(..) {
            // A reader that panicked has nothing more to say.
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

/// Copies a folder with all that is in it.
///
/// # Panics
/// When it can't.
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

/// The first loopback address with a port that a log names.
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
    /// One that starts when it is first used.
    pub const fn new() -> Self {
        Self::with(&[])
    }

    /// One with these settings, named `section.key`.
    pub const fn with(settings: &'static [(&'static str, &'static str)]) -> Self {
        Self {
            settings,
            server: OnceLock::new(),
            turns: RwLock::new(()),
        }
    }

    /// The server, together with others.
    #[track_caller]
    pub fn server(&self) -> Lease<'_> {
        let turn = self.turns.read().unwrap_or_else(PoisonError::into_inner);
        Lease {
            server: self.server.get_or_init(|| Server::with(self.settings)),
            _turn: Turn::Shared(turn),
        }
    }

    /// The server while nobody else uses it.
    #[track_caller]
    pub fn alone(&self) -> Lease<'_> {
        let turn = self.turns.write().unwrap_or_else(PoisonError::into_inner);
        Lease {
            server: self.server.get_or_init(|| Server::with(self.settings)),
            _turn: Turn::Alone(turn),
        }
    }
}

/// A shared server in use by one test.
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
