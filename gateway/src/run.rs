//! The tasks of the executable, and how they end.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use florin_actors::upkeep::Upkeep;
use florin_config::{Settings, printable};
use florin_storage::threads::{ThreadName, reason_of};

use crate::cli::{Task, backup, dlq, export, health, replay, restore, verify};
use crate::process::{Exit, OpenDisk, RunError, Seams, tell};
use crate::{log, node, serve};

/// The environment variable of the setting `log.format`.
const LOG_FORMAT: &str = "FLORIN__LOG__FORMAT";

/// Runs a task. If it fails, the error is one line on standard error.
pub fn run(task: Task) -> Exit {
    run_on(task, node::open_disk, Seams::default())
}

/// Runs a task with another disk than the data directory itself and with other seams, for tests of
/// faults.
pub fn run_on(task: Task, open_disk: impl OpenDisk, seams: Seams) -> Exit {
    let overrides = task.overrides();
    let given = std::env::var_os(LOG_FORMAT);
    let mut format = log::format_without_settings(&overrides, given.as_deref());
    let attempt = || {
        florin_storage::hush_contained_panics();
        let settings = Settings::load(&overrides, std::env::vars_os())?;
        format = settings.log.format;
        attempt(&task, &settings, open_disk, seams)
    };
    let attempted = catch_unwind(AssertUnwindSafe(attempt)).unwrap_or_else(|panic| {
        Err(RunError::Thread {
            thread: ThreadName::Ledger,
            reason: reason_of(panic.as_ref()),
        })
    });
    match attempted {
        Ok(()) => {
            log::flush();
            Exit::Done
        }
        Err(error) => {
            let exit = error.exit();
            log::fatal(format, &printable(&error.to_string()), exit as u8);
            exit
        }
    }
}

fn attempt(
    task: &Task,
    settings: &Settings,
    open_disk: impl OpenDisk,
    seams: Seams,
) -> Result<(), RunError> {
    match task {
        Task::Serve(_) => {
            let (upkeep, ends) = Upkeep::watched(Arc::clone(&seams.threads));
            log::start(&settings.log, &upkeep.spawner).map_err(|source| RunError::System {
                what: "a thread for the log",
                source,
            })?;
            florin_storage::log_panics();
            serve::run(settings, open_disk, seams, upkeep, ends)
        }
        Task::Verify(verify) => verify::run(settings, verify.head.as_deref()),
        Task::Export(task) => export::run(settings, task),
        Task::Backup(task) => backup::run(settings, task),
        Task::Restore(task) => restore::run(settings, task),
        Task::Dlq(task) => dlq::run(settings, task),
        Task::Replay(task) => replay::run(settings, task),
        Task::Config(_) => {
            serve::check(settings)?;
            for warning in settings.warnings() {
                // Standard error may be closed. Then the warning can't be reported anywhere.
                let _ = writeln!(std::io::stderr(), "florin: warning: {}", printable(warning));
            }
            tell(&settings.effective())
        }
        Task::Health(_) => health::run(settings),
    }
}
