//! A Florin node under measurement: finds its executable, starts it on a free port, reads what it
//! recorded, stops it and verifies its journal.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs, thread};

use serde::{Deserialize, Serialize};

use crate::error::BenchError;
use crate::process::{Process, free_address};
use crate::{cpu, http, interrupt};

const READY_LIMIT: Duration = Duration::from_secs(120);
/// The longest time that the trial balance may be behind the answers.
const RECORDED_LIMIT: Duration = Duration::from_secs(10);
const VERIFY_LIMIT: Duration = Duration::from_secs(1800);
/// The longest wait for the work that is left over from a load.
const QUIET_LIMIT: Duration = Duration::from_secs(60);
/// A node is quiet if it uses at most this much CPU time within one `QUIET_WINDOW`.
const QUIET_CPU: Duration = Duration::from_millis(10);
const QUIET_WINDOW: Duration = Duration::from_millis(250);
const LOOK: Duration = Duration::from_millis(50);

/// Returns the executable to measure: the named one, or `florin` next to this executable, if it is
/// not older than its sources.
pub fn locate(named: Option<&Path>) -> Result<PathBuf, BenchError> {
    if let Some(path) = named {
        let path = absolute(path)?;
        return if path.is_file() {
            Ok(path)
        } else {
            Err(BenchError::NodeMissing(path))
        };
    }
    let own = env::current_exe().map_err(BenchError::io("find the own executable"))?;
    let node = own.with_file_name("florin");
    let built = modified(&node).ok_or_else(|| BenchError::NodeMissing(node.clone()))?;
    match newer_source(&node, built) {
        Some(than) => Err(BenchError::NodeStale { node, than }),
        None => Ok(node),
    }
}

/// Returns a source of the executable that changed after the build, from the list that cargo keeps
/// next to it.
fn newer_source(executable: &Path, built: SystemTime) -> Option<PathBuf> {
    let list = fs::read_to_string(executable.with_extension("d")).ok()?;
    sources(&list).find(|source| modified(source).is_some_and(|changed| changed > built))
}

/// Returns the paths after the colon in a makefile rule `target: a b c`. Spaces in paths are
/// escaped.
fn sources(list: &str) -> impl Iterator<Item = PathBuf> {
    let paths = list.split_once(": ").map_or("", |(_, paths)| paths);
    let paths = paths.trim().replace("\\ ", "\0");
    paths
        .split(' ')
        .filter(|path| !path.is_empty())
        .map(|path| PathBuf::from(path.replace('\0', " ")))
        .collect::<Vec<_>>()
        .into_iter()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|found| found.modified()).ok()
}

fn absolute(path: &Path) -> Result<PathBuf, BenchError> {
    std::path::absolute(path).map_err(BenchError::io(path.display().to_string()))
}

/// A running node.
pub struct Node {
    process: Process,
    address: SocketAddr,
    executable: PathBuf,
    data_dir: PathBuf,
    work_dir: PathBuf,
}

/// The part of `GET /ledger/trial-balance` that is read.
#[derive(Debug, Deserialize)]
pub struct TrialBalance {
    /// The sequence of the last record that the balance includes.
    pub as_of_sequence: u64,
    #[serde(default)]
    currencies: BTreeMap<String, Totals>,
}

#[derive(Debug, Deserialize)]
struct Totals {
    difference: String,
}

impl TrialBalance {
    /// Returns the first currency whose debits and credits differ.
    pub fn unbalanced(&self) -> Option<&str> {
        let mut currencies = self.currencies.iter();
        currencies
            .find(|(_, totals)| totals.difference != "0")
            .map(|(currency, _)| currency.as_str())
    }
}

/// The work that a node still did after a load had ended.
#[derive(Debug, Clone, Copy)]
pub struct LeftOver {
    /// The time until the node was quiet.
    pub time: Duration,
    pub cpu: Duration,
}

impl Node {
    /// Starts the node and waits until it is ready. Its output goes to `work_dir`, which is also
    /// its working directory, so that it finds no settings file there.
    pub fn start(executable: &Path, data_dir: &Path, work_dir: &Path) -> Result<Self, BenchError> {
        let (process, address) = serve(executable, data_dir, work_dir, "node.log")?;
        Ok(Self {
            process,
            address,
            executable: executable.to_owned(),
            data_dir: data_dir.to_owned(),
            work_dir: work_dir.to_owned(),
        })
    }

    /// Kills the node, as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts the node again on the same data, at another address, and waits until it is ready.
    pub fn start_again(&mut self) -> Result<(), BenchError> {
        let log = "node-again.log";
        let (process, address) = serve(&self.executable, &self.data_dir, &self.work_dir, log)?;
        self.process = process;
        self.address = address;
        Ok(())
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Waits until the work that a load left over is done, so that it doesn't slow down the next
    /// load.
    pub fn quiet(&self) -> LeftOver {
        let started = Instant::now();
        let used = || cpu::used_by(self.pid()).unwrap_or_default();
        let at_start = used();
        let mut before = at_start;
        loop {
            thread::sleep(QUIET_WINDOW);
            let now = used();
            let time = started.elapsed();
            if now - before <= QUIET_CPU || time > QUIET_LIMIT || interrupt::requested() {
                return LeftOver {
                    time: time.saturating_sub(QUIET_WINDOW),
                    cpu: before.saturating_sub(at_start),
                };
            }
            before = now;
        }
    }

    /// Returns the trial balance as soon as it includes the record `sequence`, or the last balance
    /// if that takes too long.
    pub fn trial_balance(&self, sequence: u64) -> Result<TrialBalance, BenchError> {
        let deadline = Instant::now() + RECORDED_LIMIT;
        loop {
            let waiting = Instant::now() < deadline && !interrupt::requested();
            let answer = http::get(self.address, "/ledger/trial-balance")?;
            match answer.status {
                200 => {
                    let balance = parse_trial_balance(&answer.body)?;
                    if balance.as_of_sequence >= sequence || !waiting {
                        return Ok(balance);
                    }
                }
                503 if waiting => {}
                status => {
                    return Err(BenchError::Status {
                        request: "GET /ledger/trial-balance".to_owned(),
                        status,
                        body: answer.text(),
                    });
                }
            }
            thread::sleep(LOOK);
        }
    }

    /// Stops the node with SIGTERM. Returns a description if it did not end properly.
    pub fn stop(&mut self) -> Option<String> {
        self.process.stop(true)
    }

    /// Runs `florin verify` on the node's `records` records, and returns its exit status and last
    /// output.
    pub fn verify(&self, records: u64) -> Result<Verified, BenchError> {
        let mut command = Command::new(&self.executable);
        command
            .arg("verify")
            .arg("--data-dir")
            .arg(&self.data_dir)
            .current_dir(&self.work_dir);
        let started = Instant::now();
        let mut process =
            Process::start("florin verify", command, self.work_dir.join("verify.log"))?;
        let status = process.wait_end(VERIFY_LIMIT);
        let seconds = started.elapsed().as_secs_f64();
        Ok(Verified {
            ok: status.is_some_and(|status| status.success()),
            exit: status.map_or_else(
                || format!("not ended after {VERIFY_LIMIT:?}"),
                |status| status.to_string(),
            ),
            seconds,
            records,
            records_per_second: records as f64 / seconds,
            output: process.last_output(),
        })
    }
}

/// The result of `florin verify`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Verified {
    pub ok: bool,
    pub exit: String,
    pub seconds: f64,
    pub records: u64,
    pub records_per_second: f64,
    pub output: String,
}

/// Starts a node on a free port and waits until it is ready.
fn serve(
    executable: &Path,
    data_dir: &Path,
    work_dir: &Path,
    log: &str,
) -> Result<(Process, SocketAddr), BenchError> {
    let address = free_address()?;
    let mut command = Command::new(executable);
    command
        .arg("serve")
        .args(["--port", &address.port().to_string()])
        .arg("--data-dir")
        .arg(data_dir)
        .current_dir(work_dir);
    let mut process = Process::start("the node", command, work_dir.join(log))?;
    process.wait_ready(READY_LIMIT, || match http::get(address, "/health/ready") {
        Ok(answer) if answer.status == 200 => Ok(()),
        Ok(answer) => Err(format!("{}: {}", answer.status, answer.text())),
        Err(error) => Err(error.to_string()),
    })?;
    Ok((process, address))
}

fn parse_trial_balance(body: &[u8]) -> Result<TrialBalance, BenchError> {
    serde_json::from_slice(body).map_err(|source| BenchError::Body {
        request: "GET /ledger/trial-balance".to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_split_at_spaces_that_are_not_escaped() {
        let list = "/t/florin: /a/main.rs /a\\ b/lib.rs /c.rs\n";
        let found: Vec<_> = sources(list).collect();
        assert_eq!(
            found,
            ["/a/main.rs", "/a b/lib.rs", "/c.rs"].map(PathBuf::from)
        );
        assert_eq!(sources("").count(), 0);
    }

    #[test]
    fn a_trial_balance_that_does_not_add_up_names_its_currency() {
        let body = br#"{"as_of_sequence":7,"currencies":{"EUR":{"debits":"1","credits":"1","difference":"0"},"USD":{"debits":"2","credits":"1","difference":"1"}},"more":1}"#;
        let balance = parse_trial_balance(body).unwrap();
        assert_eq!(balance.as_of_sequence, 7);
        assert_eq!(balance.unbalanced(), Some("USD"));
    }
}
