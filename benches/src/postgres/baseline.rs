//! The PostgreSQL part of each round: start the server, load the thin service with the same
//! requests as the node, run pgbench, stop the server. It is stopped so that its checkpoints don't
//! slow the node down.

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::cluster::{self, Cluster, finish};
use super::pgbench;
use crate::error::BenchError;
use crate::http;
use crate::load;
use crate::process::{Process, free_address};
use crate::report::{Measurement, Recorded, Report, Server, Subject};
use crate::requests::AccountId;
use crate::scenario::Scenario;
use crate::session::{Load, Session, stop_if_interrupted};

const SCHEMA: &str = include_str!("schema.sql");
/// The balance of each account in minor units, as on the node's accounts.
const OPENING_BALANCE: u64 = 100_000_000_000;
const SERVICE_READY_LIMIT: Duration = Duration::from_secs(10);
const PGBENCH_CLIENTS: [u16; 2] = [16, 64];

/// The scenarios that the service supports: it makes transfers only.
const SCENARIOS: [Scenario; 3] = [
    Scenario::TransferUniform,
    Scenario::TransferZipf,
    Scenario::TransferHot,
];

pub struct Baseline {
    cluster: Cluster,
    accounts: Arc<[AccountId]>,
    version: String,
    work_dir: PathBuf,
}

impl Baseline {
    /// Creates the database with `count` accounts. Returns the reason as text if PostgreSQL is not
    /// available.
    pub fn prepare(count: u32, work_dir: &Path) -> Result<Result<Self, String>, BenchError> {
        let Some(programs) = cluster::locate() else {
            return Ok(Err(
                "PostgreSQL is not installed here (Debian: the package postgresql), so it was not measured."
                    .to_owned(),
            ));
        };
        eprintln!("making a PostgreSQL database with {count} accounts");
        let mut cluster = Cluster::create(programs, work_dir)?;
        cluster.start()?;
        let schema = work_dir.join("schema.sql");
        std::fs::write(&schema, SCHEMA).map_err(BenchError::io(schema.display().to_string()))?;
        let mut psql = cluster.client("psql");
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"])
            .arg(&schema);
        finish("psql", psql)?;
        cluster.query(&format!(
            "INSERT INTO accounts (id, balance) SELECT account(n), {OPENING_BALANCE} FROM generate_series(1, {count}) n"
        ))?;
        cluster.query("VACUUM ANALYZE")?;
        let version = cluster.query("SHOW server_version")?;
        if let Some(fault) = cluster.stop() {
            return Err(BenchError::Opening(fault));
        }
        Ok(Ok(Self {
            cluster,
            accounts: (1..=count).map(account_id).collect(),
            version,
            work_dir: work_dir.to_owned(),
        }))
    }

    pub fn version(&self) -> &str {
        &self.version
    }

    /// Measures one round: the service with every number of connections and every transfer
    /// scenario, and pgbench.
    pub fn measure(
        &mut self,
        session: &Session<'_>,
        round: u32,
        report: &mut Report,
    ) -> Result<(), BenchError> {
        self.cluster.start()?;
        let measured = self.measure_started(session, round, report);
        report.faults.extend(self.cluster.stop());
        measured
    }

    fn measure_started(
        &self,
        session: &Session<'_>,
        round: u32,
        report: &mut Report,
    ) -> Result<(), BenchError> {
        let options = session.options;
        let (mut service, address) = self.start_service()?;
        for &connections in &options.connections {
            let load = Load::closed(connections, options.measured());
            let asked = &options.scenarios;
            for &scenario in SCENARIOS.iter().filter(|one| asked.contains(one)) {
                let plan = load::Plan {
                    backing: self.cluster.pid(),
                    ..session.plan(address, service.pid(), &load)
                };
                report.add(self.measure_service(&plan, scenario, round, options.threads)?);
                stop_if_interrupted()?;
            }
        }
        report.faults.extend(service.stop(false));
        for clients in PGBENCH_CLIENTS {
            let (accounts, seconds) = (options.accounts, options.seconds);
            let found = pgbench::run(
                &self.cluster,
                &self.work_dir,
                round,
                clients,
                accounts,
                seconds,
            )?;
            report.add_pgbench(found);
            stop_if_interrupted()?;
        }
        Ok(())
    }

    fn measure_service(
        &self,
        plan: &load::Plan,
        scenario: Scenario,
        round: u32,
        threads: u16,
    ) -> Result<Measurement, BenchError> {
        let before = self.transfers()?;
        let scripts = scenario.scripts(plan.address, &self.accounts, threads, None);
        let driven = load::drive(plan, scripts)?;
        let subject = Subject {
            server: Server::Postgres,
            scenario,
        };
        let mut measurement = Measurement::of(subject, round, plan, &driven);
        measurement.recorded = Some(Recorded {
            answered: driven.tally.recorded,
            unknown: driven.tally.maybe_recorded,
            records: self.transfers()?.saturating_sub(before),
            unbalanced_currency: (self
                .cluster
                .query("SELECT coalesce(sum(amount), 0) FROM postings")?
                != "0")
                .then(|| "its only currency".to_owned()),
        });
        Ok(measurement)
    }

    fn transfers(&self) -> Result<u64, BenchError> {
        let count = self.cluster.query("SELECT count(*) FROM transfers")?;
        count
            .parse()
            .map_err(|_| BenchError::Opening(format!("{count:?} is no number of transfers")))
    }

    fn start_service(&self) -> Result<(Process, SocketAddr), BenchError> {
        let own = env::current_exe().map_err(BenchError::io("find the own executable"))?;
        let address = free_address()?;
        let mut command = Command::new(own);
        command
            .arg("postgres-service")
            .args(["--port", &address.port().to_string()])
            .args(["--database", &self.cluster.connection()]);
        let log = self.work_dir.join("postgres-service.log");
        let mut service = Process::start("the service over PostgreSQL", command, log)?;
        service.wait_ready(SERVICE_READY_LIMIT, || {
            match http::get(address, "/health/ready") {
                Ok(answer) if answer.status == 200 => Ok(()),
                Ok(answer) => Err(answer.text()),
                Err(error) => Err(error.to_string()),
            }
        })?;
        Ok((service, address))
    }
}

/// Returns the id that the schema gives to the `number`th account.
fn account_id(number: u32) -> AccountId {
    let mut id = AccountId::from([b'0'; 36]);
    Uuid::from_u128(number.into())
        .hyphenated()
        .encode_lower(&mut id);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_the_schema() {
        let id = account_id(0x12ab);
        assert_eq!(&id, b"00000000-0000-0000-0000-0000000012ab");
    }
}
