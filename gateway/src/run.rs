//! What the executable does, and how it ends.

use std::io::Write as _;
use std::sync::Arc;

use florin_actors::backup::BackupError;
use florin_actors::export::ExportError;
use florin_actors::kafka::Halt;
use florin_actors::runtime::{Clock, Intercept, StartError, SystemClock};
use florin_actors::verify::VerifyError;
use florin_config::{ConfigError, Settings};
use florin_storage::{Disk, ViewError};

use crate::cli::Task;
use crate::codes::ProblemCode;
use crate::exit::Exit;
use crate::{backup, dlq, export, log, node, replay, restore, serve, verify};

/// Why a task ended otherwise than it should.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The settings.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// `--head` is none.
    #[error("--head must be 64 hexadecimal digits")]
    Head,
    /// The data directory.
    #[error("data directory {directory}: {source}")]
    Data {
        /// The directory, as it was given.
        directory: String,
        /// What is wrong with it.
        source: florin_storage::Error,
    },
    /// The node.
    #[error("data directory {directory}: {source}")]
    Start {
        /// The directory, as it was given.
        directory: String,
        /// What is wrong with it.
        source: StartError,
    },
    /// The verification.
    #[error("data directory {directory}: {source}")]
    Verify {
        /// The directory, as it was given.
        directory: String,
        /// What is wrong with it.
        source: VerifyError,
    },
    /// The export.
    #[error("data directory {directory}: {source}")]
    Export {
        /// The directory, as it was given.
        directory: String,
        /// What is wrong with it.
        source: ExportError,
    },
    /// A backup.
    #[error("backup {directory}: {source}")]
    Backup {
        /// The backup's directory.
        directory: String,
        /// Why there is none.
        source: BackupError,
    },
    /// A restore.
    #[error("restoring {from} to {to}: {source}")]
    Restore {
        /// The backup's directory.
        from: String,
        /// The data directory.
        to: String,
        /// What is wrong with one of them.
        source: BackupError,
    },
    /// The server that runs didn't make the backup.
    #[error("the server at {address} made no backup: {detail}")]
    Asked {
        /// Where it listens.
        address: std::net::SocketAddr,
        /// The code of its answer.
        code: String,
        /// What it said.
        detail: String,
    },
    /// The data directory is in use, and nobody answers who could make the backup.
    #[error(
        "{source}, and no server answers at {address} ({error}); its --host and --port say where it is"
    )]
    NobodyToAsk {
        /// Where it was looked for.
        address: std::net::SocketAddr,
        /// Who holds the data directory.
        source: florin_storage::Error,
        /// What the system said.
        error: std::io::Error,
    },
    /// Nobody answers who could be asked.
    #[error("no server answers at {address} ({source}); --host and --port say where it is")]
    Unanswered {
        /// Where it was looked for.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The server that runs refused.
    #[error("the server at {address} refuses: {detail}")]
    Refused {
        /// Where it listens.
        address: std::net::SocketAddr,
        /// What it said.
        detail: String,
    },
    /// The range of an export.
    #[error("--from {from} is past --to {to}")]
    Range {
        /// Where it was to start.
        from: u64,
        /// Where it was to end.
        to: u64,
    },
    /// The address to listen on.
    #[error("{address} can't be listened on: {source}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The journal failed while serving.
    #[error(
        "the journal failed, nothing can become durable any more: {0}; what was under way is unknown until the next start"
    )]
    Journal(String),
    /// The bridge to Kafka ended for good.
    #[error("events can't be published: {0}")]
    Events(#[from] Halt),
    /// Something of the system's.
    #[error("{what}: {source}")]
    System {
        /// What was asked of it.
        what: &'static str,
        /// What it said.
        source: std::io::Error,
    },
}

impl RunError {
    /// How the process ends by this.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Settings(_) | Self::Head | Self::Range { .. } => Exit::Misconfigured,
            Self::Journal(_) => Exit::JournalFailed,
            Self::Events(Halt::Damaged(_)) => Exit::DataDamaged,
            Self::Events(_) => Exit::EventsHalted,
            Self::Data { source, .. }
            | Self::Start {
                source: StartError::Storage(source),
                ..
            }
            | Self::Verify {
                source: VerifyError::Journal(source),
                ..
            }
            | Self::Start {
                source: StartError::Views(ViewError::Disk(source)),
                ..
            }
            | Self::Export {
                source: ExportError::Journal(source),
                ..
            } => of_storage(source),
            Self::Start {
                source: StartError::Views(_) | StartError::Damaged(_),
                ..
            } => Exit::DataDamaged,
            Self::Verify { source, .. } => match source {
                VerifyError::NoJournal => Exit::Failed,
                _ => Exit::DataDamaged,
            },
            Self::Export { source, .. } => match source {
                ExportError::NoJournal => Exit::Failed,
                _ => Exit::DataDamaged,
            },
            Self::Backup { source, .. } | Self::Restore { source, .. } => of_backup(source),
            Self::Asked { code, .. } if code == ProblemCode::JournalDamaged.name() => {
                Exit::DataDamaged
            }
            Self::Asked { .. } => Exit::Failed,
            Self::NobodyToAsk { .. } => Exit::DataInUse,
            Self::Start { .. }
            | Self::Listen { .. }
            | Self::System { .. }
            | Self::Unanswered { .. }
            | Self::Refused { .. } => Exit::Failed,
        }
    }
}

fn of_backup(error: &BackupError) -> Exit {
    match error {
        BackupError::Storage(error) => of_storage(error),
        BackupError::Record { .. } => Exit::DataDamaged,
        BackupError::NoJournal | BackupError::NoManifest | BackupError::Stopped => Exit::Failed,
    }
}

fn of_storage(error: &florin_storage::Error) -> Exit {
    use florin_storage::Error;
    match error {
        Error::Locked { .. } => Exit::DataInUse,
        error if error.is_damage() => Exit::DataDamaged,
        _ => Exit::Failed,
    }
}

/// Opens the disk that a node runs on.
pub trait OpenDisk: FnOnce(&Settings) -> Result<Arc<dyn Disk>, florin_storage::Error> {}

impl<F: FnOnce(&Settings) -> Result<Arc<dyn Disk>, florin_storage::Error>> OpenDisk for F {}

/// Does a task; what went wrong is one line on standard error.
pub fn run(task: Task) -> Exit {
    run_on(task, node::open_disk, Seams::default())
}

/// What tests of faults put in place of what the machine and the entities are.
#[derive(Debug, Clone)]
pub struct Seams {
    /// The machine's clocks.
    pub clock: Arc<dyn Clock>,
    /// What makes entities fail.
    pub intercept: Arc<dyn Intercept>,
}

impl Default for Seams {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            intercept: Arc::new(()),
        }
    }
}

/// Does a task on another disk than the data directory itself, and with other things of the machine,
/// for tests of faults.
pub fn run_on(task: Task, open_disk: impl OpenDisk, seams: Seams) -> Exit {
    match attempt(&task, open_disk, seams) {
        Ok(()) => Exit::Done,
        Err(error) => {
            // Standard error may be closed: there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "florin: {error}");
            error.exit()
        }
    }
}

fn attempt(task: &Task, open_disk: impl OpenDisk, seams: Seams) -> Result<(), RunError> {
    florin_storage::hush_contained_panics();
    let settings = Settings::load(&task.overrides(), std::env::vars_os())?;
    match task {
        Task::Serve(_) => {
            log::start(&settings.log);
            serve::run(&settings, open_disk, seams)
        }
        Task::Verify(verify) => verify::run(&settings, verify.head.as_deref()),
        Task::Export(task) => export::run(&settings, task),
        Task::Backup(task) => backup::run(&settings, task),
        Task::Restore(task) => restore::run(&settings, task),
        Task::Dlq(task) => dlq::run(&settings, task),
        Task::Replay(task) => replay::run(&settings, task),
        Task::Config(_) => tell(&settings.effective()),
    }
}

/// Writes to standard output.
pub fn tell(text: &str) -> Result<(), RunError> {
    let mut out = std::io::stdout().lock();
    let told = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    told.map_err(|source| RunError::System {
        what: "standard output",
        source,
    })
}
