//! Runs pgbench with one function call per transaction: PostgreSQL without HTTP in front of it.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cluster::{Cluster, finish};
use crate::error::BenchError;

const SCRIPT: &str = include_str!("pgbench.sql");

/// The result of one run of pgbench.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PgBench {
    pub round: u32,
    pub clients: u16,
    pub transfers: u64,
    pub transfers_per_second: f64,
    pub latency_average_ms: f64,
    pub failed: u64,
}

/// Runs pgbench for `seconds` with `clients` connections.
pub fn run(
    cluster: &Cluster,
    work_dir: &Path,
    round: u32,
    clients: u16,
    accounts: u32,
    seconds: u64,
) -> Result<PgBench, BenchError> {
    let script = work_dir.join("pgbench.sql");
    fs::write(&script, SCRIPT).map_err(BenchError::io(script.display().to_string()))?;
    let mut command = cluster.client("pgbench");
    command
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=2"])
        .args(["--client", &clients.to_string()])
        .args(["--time", &seconds.to_string()])
        .args(["--define", &format!("accounts={accounts}")])
        .arg("--file")
        .arg(&script);
    let output = finish("pgbench", command)?;
    parse(&output, round, clients).ok_or(BenchError::Program {
        name: "pgbench",
        status: "an answer that can't be read".to_owned(),
        output,
    })
}

fn parse(output: &str, round: u32, clients: u16) -> Option<PgBench> {
    let value = |name: &str| {
        let rest = output.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split_ascii_whitespace().next()
    };
    Some(PgBench {
        round,
        clients,
        transfers: value("number of transactions actually processed:")?
            .parse()
            .ok()?,
        transfers_per_second: value("tps =")?.parse().ok()?,
        latency_average_ms: value("latency average =")?.parse().ok()?,
        failed: value("number of failed transactions:")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_summary_is_read() {
        let output = "pgbench (15.18)\ntransaction type: pgbench.sql\nscaling factor: 1\nquery mode: prepared\nnumber of clients: 16\nnumber of threads: 2\nduration: 3 s\nnumber of transactions actually processed: 16543\nnumber of failed transactions: 2 (0.012%)\nlatency average = 2.901 ms\ninitial connection time = 21.334 ms\ntps = 5515.214911 (without initial connection time)\n";
        let found = parse(output, 2, 16).unwrap();
        assert_eq!((found.round, found.clients), (2, 16));
        assert_eq!((found.transfers, found.failed), (16_543, 2));
        assert!((found.transfers_per_second - 5515.214911).abs() < 1e-6);
        assert!((found.latency_average_ms - 2.901).abs() < 1e-9);
        assert_eq!(parse("pgbench: error", 1, 1), None);
    }
}
