//! The CPU time of a process and of the machine, from `/proc/PID/stat` and `/proc/stat`, in ticks
//! of usually 10 ms. A process includes all its threads, in user and kernel mode, but not its
//! children.

use std::fs;
use std::time::Duration;

/// Returns the CPU time that process `pid` has used since it started, or `None` if it is gone.
pub fn used_by(pid: u32) -> Option<Duration> {
    let ticks = parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    Some(of_ticks(ticks))
}

/// Returns the CPU time of process `pid` and of its running children.
pub fn used_by_family(pid: u32) -> Duration {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ticks = processes.filter_map(|process| {
        let other: u32 = process.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(process.path().join("stat")).ok()?;
        (other == pid || parent(&stat)? == pid).then(|| parse(&stat))?
    });
    of_ticks(ticks.sum())
}

/// The CPU time of the whole machine since it was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MachineTimes {
    /// The time in processes and in the kernel for them, without interrupts.
    pub busy: Duration,
    /// The time taken by the machine's host.
    pub stolen: Duration,
}

/// Returns the machine's CPU time, or zero if it can't be read.
pub fn of_machine() -> MachineTimes {
    fs::read_to_string("/proc/stat")
        .ok()
        .and_then(|stat| parse_machine(&stat))
        .unwrap_or_default()
}

/// Parses the first line: user, nice, system, idle, iowait, irq, softirq, steal; see proc(5).
fn parse_machine(stat: &str) -> Option<MachineTimes> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = fields
        .split_ascii_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    Some(MachineTimes {
        busy: of_ticks(ticks.get(..3)?.iter().sum()),
        stolen: of_ticks(*ticks.get(7)?),
    })
}

fn of_ticks(ticks: u64) -> Duration {
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_micros(ticks.saturating_mul(1_000_000) / per_second)
}

/// Returns the parent's pid, field 4 of proc(5).
fn parent(stat: &str) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Returns utime + stime, fields 14 and 15 of proc(5). The name before them may contain spaces and
/// brackets, so counting starts after the last bracket.
fn parse(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let kernel: u64 = fields.next()?.parse().ok()?;
    Some(user + kernel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_found_behind_a_name_with_brackets() {
        let stat = "42 (a b) c) S 1 42 42 0 -1 4194304 100 0 0 0 17 5 900 800 20 0 3 0 1";
        assert_eq!(parse(stat), Some(22));
        assert_eq!(parent(stat), Some(1));
    }

    #[test]
    fn the_machine_is_busy_with_processes_and_their_kernel_work() {
        let times = parse_machine("cpu  10 20 30 4000 5 6 7 80 0 0\ncpu0 1 1 1\n").unwrap();
        assert_eq!(times.busy, of_ticks(60));
        assert_eq!(times.stolen, of_ticks(80));
        assert_eq!(parse_machine("intr 1 2 3"), None);
    }

    #[test]
    fn this_process_has_a_cpu_time() {
        assert!(used_by(std::process::id()).is_some());
        assert!(used_by(u32::MAX).is_none());
        assert!(used_by_family(std::process::id()) <= of_machine().busy);
        assert_eq!(used_by_family(u32::MAX), Duration::ZERO);
    }
}
