//! Builds `florin` as its users do, once per process, so that the suite works on a fresh checkout
//! and never tests a stale executable; and runs it to completion.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::{poll, watchdog};

/// Returns the path of the `florin` executable of this checkout.
///
/// # Panics
/// Panics if it can't be built.
pub fn florin() -> &'static Path {
    static FLORIN: OnceLock<PathBuf> = OnceLock::new();
    FLORIN.get_or_init(|| build("florin"))
}

/// The result of an executable that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Finished {
    /// Returns the exit code, or `None` if a signal ended the process.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Returns the whole output: standard output, then standard error.
    pub fn output(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Runs `florin` to completion with these arguments and variables, in a new folder.
///
/// # Panics
/// Panics if it doesn't end.
#[track_caller]
pub fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
    run_in(&watchdog::folder("run"), arguments, variables)
}

/// Runs `florin` like [`run`], in a folder that the caller made.
///
/// # Panics
/// Panics if it doesn't end.
#[track_caller]
pub fn run_in(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
    run_launched(&[], folder, arguments, variables)
}

/// Runs `florin` like [`run_in`], through a command that replaces itself with it, such as
/// `prlimit`.
///
/// # Panics
/// Panics if it doesn't end.
#[track_caller]
pub fn run_launched(
    launcher: &[String],
    folder: &Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Finished {
    let mut command = launched(launcher, florin(), folder);
    command.args(arguments).envs(variables.iter().copied());
    run_to_end(command, arguments)
}

/// Runs another executable with the interface of `florin` to completion, in a folder that the
/// caller made.
///
/// # Panics
/// Panics if it doesn't end.
#[track_caller]
pub fn run_other(
    executable: &Path,
    folder: &Path,
    arguments: &[&str],
    variables: &[(String, String)],
) -> Finished {
    let mut command = command(executable, folder);
    let variables = variables.iter().map(|(name, value)| (name, value));
    command.args(arguments).envs(variables);
    run_to_end(command, arguments)
}

#[track_caller]
fn run_to_end(mut command: Command, arguments: &[&str]) -> Finished {
    let mut child = command.spawn().expect("florin starts");
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

/// Creates a command for `executable` without the settings in the caller's environment.
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

/// Creates a command like [`command`], through a launcher that replaces itself with the executable.
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

/// Kills a child process and waits for its end.
pub(crate) fn end(child: &mut Child) {
    // Both fail only for a child that has ended already.
    let _ = child.kill();
    let _ = child.wait();
}

fn collect(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // Output that can't be read any more can't be asserted either.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Builds an executable. All packages are named, as in `cargo test --workspace`: Cargo then builds
/// every crate with the features of the tests, so nearly nothing is left to build.
fn build(name: &str) -> PathBuf {
    // Cargo sets `CARGO` for the tests that it runs. A test that is started by hand uses `cargo`
    // from the path.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--workspace", "--bin", name])
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

/// The longest time of a stop, as documented for `server.shutdown_seconds_max`.
pub const STOP_BOUND: Duration = Duration::from_secs(30);
