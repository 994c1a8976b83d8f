//! Ensures that nothing outlives the tests. A shell waits for the end of a pipe that only this
//! process holds. However the tests end, the shell then kills the remaining servers by their
//! process ids and removes their data.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

const SCRIPT: &str = r#"
trap '' INT TERM HUP
pids=
while read -r what pid; do
    case $what in
    watch) pids="$pids $pid" ;;
    forget)
        kept=
        for one in $pids; do [ "$one" = "$pid" ] || kept="$kept $one"; done
        pids=$kept
        ;;
    esac
done
for one in $pids; do kill -9 "$one"; done
rm -rf "$1"
"#;

struct Watchdog {
    pipe: Mutex<ChildStdin>,
    root: PathBuf,
}

fn watchdog() -> &'static Watchdog {
    static WATCHDOG: OnceLock<Watchdog> = OnceLock::new();
    WATCHDOG.get_or_init(|| {
        let root = tempfile::Builder::new()
            .prefix("florin-tests-")
            .tempdir()
            .expect("a temporary folder")
            .keep();
        #[expect(
            clippy::zombie_processes,
            reason = "it outlives this process, by design"
        )]
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "watchdog"])
            .arg(&root)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let pipe = Mutex::new(shell.stdin.take().expect("piped"));
        Watchdog { pipe, root }
    })
}

fn tell(what: &str, pid: u32) {
    let mut pipe = watchdog()
        .pipe
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    writeln!(pipe, "{what} {pid}").expect("the watchdog listens");
}

/// Has a process killed when the tests end, if it still runs.
pub(crate) fn watch(pid: u32) {
    tell("watch", pid);
}

/// Removes a process that has ended from the watchdog's list.
pub(crate) fn forget(pid: u32) {
    tell("forget", pid);
}

/// Creates a folder that is removed when the tests end, or earlier.
pub(crate) fn folder(name: &str) -> PathBuf {
    tempfile::Builder::new()
        .prefix(name)
        .tempdir_in(Path::new(&watchdog().root))
        .expect("a temporary folder")
        .keep()
}
