//! The reasons why a task of the executable fails, and the exit code of each.

use florin_actors::backup::BackupError;
use florin_actors::export::ExportError;
use florin_actors::kafka::Halt;
use florin_actors::runtime::StartError;
use florin_actors::verify::VerifyError;
use florin_config::ConfigError;
use florin_storage::ViewError;
use florin_storage::threads::ThreadName;

use super::exit::Exit;
use crate::http::ProblemCode;

/// The reason why a task failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The settings are wrong.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// `--head` is not a hash.
    #[error("--head must be 64 hexadecimal digits")]
    Head,
    /// The data directory can't be opened.
    #[error("data directory {directory}: {source}")]
    Data {
        /// The directory, as it was given.
        directory: String,
        /// The reason.
        source: florin_storage::Error,
    },
    /// The node can't start.
    #[error("data directory {directory}: {source}")]
    Start {
        /// The directory, as it was given.
        directory: String,
        /// The reason.
        source: StartError,
    },
    /// The verification failed.
    #[error("data directory {directory}: {source}")]
    Verify {
        /// The directory, as it was given.
        directory: String,
        /// The reason.
        source: VerifyError,
    },
    /// The journal is intact, but its views are damaged.
    #[error(
        "data directory {directory}: the journal is intact, but the views are damaged ({reason}); the next start rebuilds them"
    )]
    Views {
        /// The directory, as it was given.
        directory: String,
        /// The damage.
        reason: String,
    },
    /// The export failed.
    #[error("data directory {directory}: {source}")]
    Export {
        /// The directory, as it was given.
        directory: String,
        /// The reason.
        source: ExportError,
    },
    /// The backup failed.
    #[error("backup {directory}: {source}")]
    Backup {
        /// The directory of the backup.
        directory: String,
        /// The reason.
        source: BackupError,
    },
    /// The restore failed.
    #[error("restoring {from} to {to}: {source}")]
    Restore {
        /// The directory of the backup.
        from: String,
        /// The data directory.
        to: String,
        /// The reason, about one of the two directories.
        source: BackupError,
    },
    /// The running server refused or failed to make the backup.
    #[error("the server at {address} made no backup: {detail}")]
    Asked {
        /// The address of the server.
        address: std::net::SocketAddr,
        /// The code of the server's problem.
        code: String,
        /// The detail of the server's problem.
        detail: String,
    },
    /// The data directory is in use, and no server answers that could make the backup.
    #[error(
        "{source}, and no server answers at {address} ({error}); give its address with --host and --port"
    )]
    NobodyToAsk {
        /// The address of the server, according to the settings.
        address: std::net::SocketAddr,
        /// The storage error that says that the data directory is locked.
        source: florin_storage::Error,
        /// The reason why there is no answer.
        error: std::io::Error,
    },
    /// No server answers.
    #[error("no server answers at {address} ({source}); give its address with --host and --port")]
    Unanswered {
        /// The address of the server, according to the settings.
        address: std::net::SocketAddr,
        /// The reason why there is no answer.
        source: std::io::Error,
    },
    /// The running server refused.
    #[error("the server at {address} refused the request: {detail}")]
    Refused {
        /// The address of the server.
        address: std::net::SocketAddr,
        /// The detail of the server's problem.
        detail: String,
    },
    /// The running server does not accept commands.
    #[error("the server at {address} is not ready: {detail}")]
    NotReady {
        /// The address of the server.
        address: std::net::SocketAddr,
        /// The detail of the server's problem.
        detail: String,
    },
    /// The range of an export ends before it starts.
    #[error("--from {from} is greater than --to {to}")]
    Range {
        /// The first sequence of the range.
        from: u64,
        /// The last sequence of the range.
        to: u64,
    },
    /// The server can't listen on the address.
    #[error("the server can't listen on {address}: {source}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// The system's error.
        source: std::io::Error,
    },
    /// The journal failed while the server was running.
    #[error(
        "the journal failed, so nothing can become durable any more: {0}; the outcomes of the commands in flight are unknown until the next start"
    )]
    Journal(String),
    /// A thread that the process needs ended unexpectedly.
    #[error("the thread {thread} ended unexpectedly: {reason}; start the process again")]
    Thread {
        /// The thread's name.
        thread: ThreadName,
        /// The fault in a sentence.
        reason: String,
    },
    /// The limit of file descriptors is too low.
    #[error(
        "the process may have {limit} file descriptors and needs at least {needed}: raise the limit (ulimit -n)"
    )]
    Descriptors {
        /// The limit of the process.
        limit: u64,
        /// The least number that a server starts with.
        needed: u64,
    },
    /// The bridge to Kafka has stopped for good.
    #[error("events can't be published: {0}")]
    Events(#[from] Halt),
    /// A request to the operating system failed.
    #[error("{what}: {source}")]
    System {
        /// The object of the request, such as a file or a thread.
        what: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
}

impl RunError {
    /// Returns the exit code of the process for this error.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Settings(_) | Self::Head | Self::Range { .. } => Exit::Misconfigured,
            Self::Journal(_) => Exit::JournalFailed,
            Self::Events(Halt::Damaged(_)) => Exit::DataDamaged,
            Self::Events(_) => Exit::EventsHalted,
            Self::Views { .. } => Exit::ViewsDamaged,
            Self::Thread { .. } => Exit::ThreadEnded,
            Self::Data { source, .. } => of_storage(source),
            Self::Start { source, .. } => of_start(source),
            Self::Verify { source, .. } => of_verify(source),
            Self::Export { source, .. } => of_export(source),
            Self::Backup { source, .. } | Self::Restore { source, .. } => of_backup(source),
            Self::Asked { code, .. } if code == ProblemCode::JournalDamaged.name() => {
                Exit::DataDamaged
            }
            Self::Asked { .. } => Exit::Failed,
            Self::NobodyToAsk { .. } => Exit::DataInUse,
            Self::Listen { .. }
            | Self::System { .. }
            | Self::Descriptors { .. }
            | Self::Unanswered { .. }
            | Self::Refused { .. }
            | Self::NotReady { .. } => Exit::Failed,
        }
    }
}

fn of_start(error: &StartError) -> Exit {
    match error {
        StartError::Storage(error) | StartError::Views(ViewError::Disk(error)) => of_storage(error),
        StartError::Views(_) | StartError::Damaged(_) => Exit::DataDamaged,
        StartError::Thread(_) => Exit::ThreadEnded,
        StartError::Index(_) | StartError::NoThread(_) => Exit::Failed,
    }
}

fn of_verify(error: &VerifyError) -> Exit {
    match error {
        VerifyError::Journal(error) | VerifyError::Views(ViewError::Disk(error)) => {
            of_storage(error)
        }
        VerifyError::Views(_) | VerifyError::Record { .. } | VerifyError::Disagreement(_) => {
            Exit::DataDamaged
        }
        VerifyError::NoJournal | VerifyError::Thread(_) => Exit::Failed,
    }
}

fn of_export(error: &ExportError) -> Exit {
    match error {
        ExportError::Journal(error) => of_storage(error),
        ExportError::Record { .. } => Exit::DataDamaged,
        ExportError::NoJournal => Exit::Failed,
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
    if matches!(error, Error::Locked { .. }) {
        Exit::DataInUse
    } else if error.is_damage() {
        Exit::DataDamaged
    } else {
        Exit::Failed
    }
}
