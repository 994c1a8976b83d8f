//! The machine and the build that a report was measured on. Figures of different machines or builds
//! can't be compared without this.

use std::path::Path;
use std::{env, fs, thread};

use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub struct Machine {
    pub cores: usize,
    pub cpu: String,
    pub kernel: String,
    pub memory_mib: u64,
    /// The file system of the node's data. One in memory makes every sync free.
    pub file_system: String,
    /// The load average of the last minute, before the benchmark added its own.
    pub load_average: String,
    /// The compiler that built the generator and the echo.
    pub rustc: String,
    /// Whether they were built with optimisations.
    pub optimised: bool,
    /// The settings that the node takes from the environment. Numbers are listed with their value,
    /// others by name only.
    pub node_environment: Vec<String>,
}

impl Machine {
    /// Reads all values. A value that can't be read is "unknown".
    pub fn read(data_dir: &Path) -> Self {
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let mut node_environment: Vec<_> = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| name.starts_with("FLORIN__") || name.starts_with("KAFKA_"))
            .map(
                |(name, value)| match value.to_str().map(str::parse::<u64>) {
                    Some(Ok(number)) => format!("{name}={number}"),
                    _ => name,
                },
            )
            .collect();
        node_environment.sort();
        Self {
            cores: thread::available_parallelism().map_or(0, usize::from),
            cpu: field("/proc/cpuinfo", "model name"),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .map_or_else(|_| unknown(), |release| release.trim().to_owned()),
            memory_mib: field("/proc/meminfo", "MemTotal")
                .trim_end_matches(" kB")
                .parse()
                .map_or(0, |kib: u64| kib / 1024),
            file_system: file_system(&mounts, data_dir).map_or_else(unknown, str::to_owned),
            load_average: load.split(' ').next().unwrap_or_default().to_owned(),
            rustc: env!("BUILD_RUSTC").to_owned(),
            optimised: !cfg!(debug_assertions),
            node_environment,
        }
    }

    /// Returns the reasons why figures measured here may mislead.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.optimised {
            warnings.push("the generator and the echo are a debug build; use --release".to_owned());
        }
        if matches!(self.file_system.as_str(), "tmpfs" | "ramfs") {
            let kind = &self.file_system;
            warnings.push(format!(
                "the node's data is on {kind}: its syncs cost nothing here"
            ));
        }
        if self.load_average.parse().is_ok_and(|load: f64| load > 0.5) {
            let load = &self.load_average;
            warnings.push(format!(
                "something else ran: the load average was {load} before"
            ));
        }
        warnings
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

/// Returns the value after `name :` on the first such line in `file`.
fn field(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'))
        .map_or_else(unknown, |value| value.trim().to_owned())
}

/// Returns the type of the file system with the longest mount path above `path`; if several have
/// it, the last one.
fn file_system<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(mounted_at, _)| path.starts_with(mounted_at))
        .max_by_key(|(mounted_at, _)| mounted_at.len())
        .map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_mount_counts() {
        let mounts =
            "/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/vdb /tmp/disk xfs rw 0 0\n";
        let kind = |path| file_system(mounts, Path::new(path));
        assert_eq!(kind("/home/x"), Some("ext4"));
        assert_eq!(kind("/tmp/x"), Some("tmpfs"));
        assert_eq!(kind("/tmp/disk/x"), Some("xfs"));
        assert_eq!(kind("/tmpfile"), Some("ext4"));
    }
}
