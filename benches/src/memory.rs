//! The memory of a process, from `/proc/PID/status`.

use std::fs;

/// Returns the resident memory of process `pid` in bytes, or `None` if the process is gone.
pub fn resident(pid: u32) -> Option<u64> {
    parse(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn parse(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_in_bytes() {
        assert_eq!(
            parse("VmSize:\t9 kB\nVmRSS:\t  1234 kB\nX:\t1\n"),
            Some(1_263_616)
        );
        assert_eq!(parse("VmSize:\t9 kB\n"), None);
        assert!(resident(std::process::id()).is_some_and(|bytes| bytes > 100_000));
    }
}
