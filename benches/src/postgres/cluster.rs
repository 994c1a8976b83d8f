//! A private PostgreSQL server. Its programs are looked up among Debian's packages, and its files
//! are in the run's own folder. It listens on a free port of 127.0.0.1 and is as durable as Florin
//! (`fsync` and `synchronous_commit` on).

use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use rustix::process::geteuid;

use crate::error::BenchError;
use crate::process::{Process, free_address};

const DEBIAN_VERSIONS: &str = "/usr/lib/postgresql";
const USER: &str = "florin";
const READY_LIMIT: Duration = Duration::from_secs(60);
/// Settings that a user would choose for a machine with a few cores and about 8 GiB or more.
const SETTINGS: [(&str, &str); 12] = [
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("shared_buffers", "1GB"),
    ("effective_cache_size", "4GB"),
    ("wal_buffers", "64MB"),
    ("max_wal_size", "8GB"),
    ("checkpoint_timeout", "15min"),
    ("max_connections", "200"),
    ("listen_addresses", "127.0.0.1"),
    ("unix_socket_directories", ""),
    ("logging_collector", "off"),
];

/// Returns the folder of PostgreSQL's executables, of the newest version that has a server.
pub fn locate() -> Option<PathBuf> {
    let debian = fs::read_dir(DEBIAN_VERSIONS).into_iter().flatten();
    let versions = debian.flatten().filter_map(|version| {
        let number: u32 = version.file_name().to_str()?.parse().ok()?;
        Some((number, version.path().join("bin")))
    });
    let mut found: Vec<_> = versions.filter(|(_, folder)| complete(folder)).collect();
    found.sort();
    let newest = found.pop().map(|(_, folder)| folder);
    newest.or_else(|| {
        let path = env::var_os("PATH")?;
        env::split_paths(&path).find(|folder| complete(folder))
    })
}

/// Returns whether the folder has all needed programs.
fn complete(folder: &Path) -> bool {
    let needed = ["initdb", "postgres", "psql", "pgbench"];
    needed.iter().all(|name| folder.join(name).is_file())
}

/// The user that runs the server. PostgreSQL refuses to run as root.
#[derive(Debug, Clone, Copy)]
struct Owner {
    user: u32,
    group: u32,
}

impl Owner {
    /// Returns the user to switch to if this process is root. The packages create the user
    /// `postgres`.
    fn to_become() -> Option<Self> {
        if !geteuid().is_root() {
            return None;
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        Self::named(&users, "postgres").or_else(|| Self::named(&users, "nobody"))
    }

    /// Finds a user in the format `name:password:uid:gid` of passwd(5).
    fn named(users: &str, name: &str) -> Option<Self> {
        users.lines().find_map(|line| {
            let mut fields = line
                .strip_prefix(name)?
                .strip_prefix(':')?
                .split(':')
                .skip(1);
            Some(Self {
                user: fields.next()?.parse().ok()?,
                group: fields.next()?.parse().ok()?,
            })
        })
    }
}

/// The files of a server, and its process while it runs.
pub struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    owner: Option<Owner>,
    address: SocketAddr,
    process: Option<Process>,
}

impl Cluster {
    /// Creates a cluster under `work_dir`, without starting it.
    pub fn create(programs: PathBuf, work_dir: &Path) -> Result<Self, BenchError> {
        let folder = work_dir.join("postgres");
        let name = || folder.display().to_string();
        fs::create_dir_all(&folder).map_err(BenchError::io(name()))?;
        let owner = Owner::to_become();
        if let Some(Owner { user, group }) = owner {
            chown(&folder, Some(user), Some(group)).map_err(BenchError::io(name()))?;
        }
        let cluster = Self {
            programs,
            folder,
            owner,
            address: free_address()?,
            process: None,
        };
        let mut initdb = cluster.as_owner("initdb");
        initdb
            .args(["--auth=trust", "--encoding=UTF8", "--locale=C"])
            .args(["--username", USER])
            .arg("--pgdata")
            .arg(cluster.data());
        finish("initdb", initdb)?;
        Ok(cluster)
    }

    /// Starts the server and waits until it accepts connections.
    pub fn start(&mut self) -> Result<(), BenchError> {
        let mut command = self.as_owner("postgres");
        command.arg("-D").arg(self.data());
        command.args(["-p", &self.address.port().to_string()]);
        for (name, value) in SETTINGS {
            command.args(["-c", &format!("{name}={value}")]);
        }
        let log = self.folder.with_file_name("postgres.log");
        let mut process = Process::start("PostgreSQL", command, log)?;
        process.wait_ready(READY_LIMIT, || {
            TcpStream::connect(self.address).map_err(|error| error.to_string())?;
            self.query("SELECT 1")
                .map(drop)
                .map_err(|error| error.to_string())
        })?;
        self.process = Some(process);
        Ok(())
    }

    /// Returns the server's main process, whose children do the work, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Stops the server. Returns a description if it did not end properly.
    pub fn stop(&mut self) -> Option<String> {
        self.process.take()?.stop(true)
    }

    /// Returns the output of one statement, without headers and alignment.
    pub fn query(&self, statement: &str) -> Result<String, BenchError> {
        let mut psql = self.client("psql");
        psql.args([
            "-X",
            "-A",
            "-t",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            statement,
        ]);
        finish("psql", psql)
    }

    /// Returns a command for a client program, with the server's address.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command
            .args(["-h", &self.address.ip().to_string()])
            .args(["-p", &self.address.port().to_string()])
            .args(["-U", USER])
            .env("PGDATABASE", "postgres");
        command
    }

    /// Returns the server's address in the form that client libraries accept.
    pub fn connection(&self) -> String {
        let (host, port) = (self.address.ip(), self.address.port());
        format!("host={host} port={port} user={USER} dbname=postgres")
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn as_owner(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(&self.folder);
        if let Some(Owner { user, group }) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }
}

/// Runs a program to its end and returns its output.
pub fn finish(name: &'static str, mut command: Command) -> Result<String, BenchError> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(BenchError::io(format!("run {name}")))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(BenchError::Program {
            name,
            status: output.status.to_string(),
            output: text(&output.stderr),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_the_whole_name() {
        let users = "root:x:0:0:root:/root:/bin/sh\npostgres2:x:9:9::/:/x\npostgres:x:107:115:,,,:/var/lib/postgresql:/bin/bash\n";
        let owner = Owner::named(users, "postgres").unwrap();
        assert_eq!((owner.user, owner.group), (107, 115));
        assert!(Owner::named(users, "postgr").is_none());
    }

    #[test]
    fn a_program_that_fails_is_reported_with_what_it_said() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such role >&2; exit 2"]);
        let error = finish("psql", command).unwrap_err().to_string();
        assert!(
            error.contains("psql") && error.contains("no such role"),
            "{error}"
        );
    }
}
