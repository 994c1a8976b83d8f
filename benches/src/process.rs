//! A server under measurement, as a child process. It is always ended when its guard is dropped:
//! SIGTERM to its own pid, a bounded wait, SIGKILL.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::BenchError;
use crate::interrupt;

/// The longest wait for an end after SIGTERM. A node drains for up to 30 s.
const STOP_LIMIT: Duration = Duration::from_secs(40);
const LOOK: Duration = Duration::from_millis(5);
/// The number of lines of a child's output that an error shows.
const OUTPUT_LINES: usize = 12;

pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts the process with its output going to the file `log`. It gets its own process group,
    /// so that Ctrl-C on a terminal reaches it only as the SIGTERM from here.
    pub fn start(
        name: &'static str,
        mut command: Command,
        log: PathBuf,
    ) -> Result<Self, BenchError> {
        let output = File::create(&log).map_err(BenchError::io(log.display().to_string()))?;
        let errors = output
            .try_clone()
            .map_err(BenchError::io(log.display().to_string()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(BenchError::io(format!("start {name}")))?;
        Ok(Self {
            name,
            child,
            log,
            ended: None,
        })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Calls `probe` until it succeeds. Returns an error if the process ends or the limit passes.
    pub fn wait_ready(
        &mut self,
        limit: Duration,
        probe: impl Fn() -> Result<(), String>,
    ) -> Result<(), BenchError> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.poll_end() {
                return Err(BenchError::EndedEarly {
                    name: self.name,
                    status: status.to_string(),
                    output: self.last_output(),
                });
            }
            let Err(last) = probe() else { return Ok(()) };
            if interrupt::requested() {
                return Err(BenchError::Interrupted);
            }
            if Instant::now() >= deadline {
                return Err(BenchError::NotReady {
                    name: self.name,
                    limit,
                    last,
                    output: self.last_output(),
                });
            }
            thread::sleep(LOOK);
        }
    }

    /// Ends the process, and returns a description if it did not end properly. With `clean`, it
    /// must end with exit code 0; otherwise it may also end by the signal.
    pub fn stop(&mut self, clean: bool) -> Option<String> {
        if let Some(status) = self.poll_end() {
            return Some(format!(
                "{} had ended by itself ({status}):\n{}",
                self.name,
                self.last_output()
            ));
        }
        self.signal(Signal::TERM);
        let Some(status) = self.wait_end(STOP_LIMIT) else {
            self.kill();
            return Some(format!(
                "{} did not end within {STOP_LIMIT:?} of SIGTERM and was killed",
                self.name
            ));
        };
        (clean && !status.success()).then(|| {
            format!(
                "{} ended with {status} after SIGTERM:\n{}",
                self.name,
                self.last_output()
            )
        })
    }

    /// Ends the process immediately, with SIGKILL.
    pub fn kill(&mut self) {
        if self.poll_end().is_none() {
            let _ = self.child.kill();
            self.ended = self.child.wait().ok();
        }
    }

    /// Waits for the process to end by itself. Returns `None` if the limit passed.
    pub fn wait_end(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.poll_end() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            thread::sleep(LOOK);
        }
    }

    /// Returns the last lines that the process wrote.
    pub fn last_output(&self) -> String {
        let output = fs::read(&self.log).unwrap_or_default();
        let output = String::from_utf8_lossy(&output);
        let lines: Vec<_> = output.lines().collect();
        lines[lines.len().saturating_sub(OUTPUT_LINES)..].join("\n")
    }

    fn poll_end(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // The process may have ended since; then there is nothing to signal. Its pid is not
            // reused before it is waited for, which only this guard does.
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.poll_end().is_none() {
            let _ = self.stop(false);
        }
    }
}

/// Returns a port of 127.0.0.1 that was free a moment ago.
pub fn free_address() -> Result<SocketAddr, BenchError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(BenchError::io("find a free port"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(name: &'static str, script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let log =
            std::env::temp_dir().join(format!("florin-benches-{}-{name}", std::process::id()));
        Process::start(name, command, log).unwrap()
    }

    impl Process {
        fn forget_log(&self) {
            let _ = fs::remove_file(&self.log);
        }
    }

    fn gone(pid: u32) -> bool {
        !std::path::Path::new(&format!("/proc/{pid}")).exists()
    }

    #[test]
    fn a_process_is_ended_when_its_guard_goes() {
        let process = shell("dropped", "exec sleep 60");
        let pid = process.pid();
        assert!(!gone(pid));
        process.forget_log();
        drop(process);
        assert!(gone(pid));
    }

    #[test]
    fn one_that_ends_before_it_is_ready_is_reported_with_its_output() {
        let mut process = shell("early", "echo no such setting; exit 3");
        let error = process
            .wait_ready(Duration::from_secs(10), || Err("refused".to_owned()))
            .unwrap_err()
            .to_string();
        process.forget_log();
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.contains("no such setting"), "{error}");
    }

    #[test]
    fn ending_by_the_signal_is_clean_only_where_it_may() {
        let mut signalled = shell("signalled", "exec sleep 60");
        assert_eq!(signalled.stop(false), None);
        signalled.forget_log();
        let mut unclean = shell("unclean", "exec sleep 60");
        let complaint = unclean.stop(true).unwrap();
        unclean.forget_log();
        assert!(complaint.contains("signal: 15"), "{complaint}");
    }
}
