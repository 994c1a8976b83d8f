//! Building `florin` as its users do, once per process, so that the suite runs on a fresh checkout
//! and never against a stale executable; and running it to its end.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::{poll, watchdog};

/// The `florin` executable of this checkout.
///
/// # Panics
/// When it can't be built.
pub fn florin() -> &'static Path {
    static FLORIN: OnceLock<PathBuf> = OnceLock::new();
    FLORIN.get_or_init(|| build("florin-gateway", "florin"))
}

/// What an executable that has ended left behind.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Finished {
    /// The exit code; `None` when a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Everything it wrote.
    pub fn output(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Runs `florin` with these arguments and variables to its end, in a folder of its own.
///
/// # Panics
/// When it doesn't end.
#[track_caller]
pub fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
    run_in(&watchdog::folder("run"), arguments, variables)
}

/// Runs `florin` as [`run`] does, in a folder that the caller made.
///
/// # Panics
/// When it doesn't end.
#[track_caller]
pub fn run_in(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
    run_launched(&[], folder, arguments, variables)
}

/// Runs `florin` as [`run_in`] does, by way of a command that becomes it, as `prlimit` does.
///
/// # Panics
/// When it doesn't end.
#[track_caller]
pub fn run_launched(
    launcher: &[String],
    folder: &Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Finished {
    let mut child = launched(launcher, florin(), folder)
        .args(arguments)
        .envs(variables.iter().copied())
        .spawn()
        .expect("florin starts");
    watchdog::watch(child.id());
    let stdout = collect(child.stdout.take().expect("piped"));
    let stderr = collect(child.stderr.take().expect("piped"));
    let status = poll::within(poll::PATIENCE, || child.try_wait().expect("its own child"));
    if status.is_none() {
        end(&mut child);
    }
    watchdog::forget(child.id());
    let (stdout, stderr) = (stdout.join().expect("reads"), stderr.join().expect("reads"));
    let status = status
        .unwrap_or_else(|| panic!("florin {arguments:?} did not end; it wrote:\n{stdout}{stderr}"));
    Finished {
        status,
        stdout,
        stderr,
    }
}

/// A command for `executable` that reads no settings of whoever runs the tests.
pub(crate) fn command(executable: &Path, folder: &Path) -> Command {
    let mut command = Command::new(executable);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text == "PORT" || text.starts_with("FLORIN__") || text.starts_with("KAFKA_") {
            command.env_remove(&name);
        }
    }
    command
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A command as [`command`] makes it, by way of one that becomes it.
pub(crate) fn launched(launcher: &[String], executable: &Path, folder: &Path) -> Command {
    match launcher.split_first() {
        None => command(executable, folder),
        Some((first, rest)) => {
            let mut command = command(Path::new(first), folder);
            command.args(rest).arg(executable);
            command
        }
    }
}

/// Ends a child at once.
pub(crate) fn end(child: &mut Child) {
    // Both fail only for a child that has ended already.
    let _ = child.kill();
    let _ = child.wait();
}

fn collect(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What can't be read any more is not there to be asserted.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn build(package: &str, name: &str) -> PathBuf {
    // Cargo names itself to the tests that it runs; run by hand, they take the one of the path.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--package", package, "--bin", name])
        .args(["--message-format", "json-render-diagnostics"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    if cfg!(feature = "tls") {
        command.args(["--features", "tls"]);
    }
    let built = command.output().expect("cargo runs");
    assert!(
        built.status.success(),
        "{name} does not build:\n{}",
        String::from_utf8_lossy(&built.stderr)
    );
    String::from_utf8_lossy(&built.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .unwrap_or_else(|| panic!("cargo built no executable {name}"))
}

/// How long a stop may take: the bound that `server.shutdown_seconds_max` documents.
pub const STOP_BOUND: Duration = Duration::from_secs(30);
