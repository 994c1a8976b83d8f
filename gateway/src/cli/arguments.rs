//! The command line.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand};
use florin_actors::messages::OperationId;
use florin_config::Overrides;

/// A wallet and payments core. Without a subcommand it serves HTTP.
#[derive(Debug, Parser)]
#[command(
    name = "florin",
    version,
    about,
    args_conflicts_with_subcommands = true
)]
pub struct Arguments {
    #[command(subcommand)]
    task: Option<Task>,
    #[command(flatten)]
    serve: Serve,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Serve HTTP (the default)
    Serve(Serve),
    /// Check the hash chain and the balances, and that the postings of each currency sum to zero
    Verify(Verify),
    /// Print the journal as JSON lines, one line per record
    Export(Export),
    /// Copy the journal to an empty directory; works also while the server runs
    Backup(Backup),
    /// Create a data directory from a backup
    Restore(Restore),
    /// List, show or retry messages that could not be handled; the running server does it
    Dlq(Dlq),
    /// Make the running server publish events of the journal again
    Replay(Box<Replay>),
    /// Check the settings as at a start, and print the effective settings
    Config(Serve),
    /// Ask the running server whether it is ready: exit code 0 if it is, otherwise 1 and the
    /// reasons
    Health(Serve),
}

/// The flags that set settings of the server.
#[derive(Debug, Default, Args)]
pub struct Serve {
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS")]
    host: Option<String>,
    /// The port to listen on; 0 takes a free port
    #[arg(long, value_name = "PORT")]
    port: Option<String>,
    /// The services of this process, separated by commas: core, card
    #[arg(long, value_name = "NAMES")]
    services: Option<String>,
    /// The Kafka brokers, separated by commas; without brokers, events stay inside the process
    #[arg(long, value_name = "HOST:PORT")]
    kafka_brokers: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// The flags of `florin verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// A head of the hash chain noted earlier, in hexadecimal; the chain must contain it
    #[arg(long, value_name = "HASH")]
    pub head: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// The flags of `florin export`.
#[derive(Debug, Args)]
pub struct Export {
    /// The sequence of the first record
    #[arg(long, value_name = "SEQUENCE", default_value_t = 1, value_parser = sequence())]
    pub from: u64,
    /// The sequence of the last record; by default the last record of the journal
    #[arg(long, value_name = "SEQUENCE", default_value_t = u64::MAX, hide_default_value = true, value_parser = sequence())]
    pub to: u64,
    /// Also print personal data, such as holders' names
    #[arg(long)]
    pub personal: bool,
    #[command(flatten)]
    common: Common,
}

/// The flags of `florin backup`.
#[derive(Debug, Args)]
pub struct Backup {
    /// The directory to copy to; it must be empty or not exist yet
    #[arg(long, value_name = "FOLDER")]
    pub to: PathBuf,
    #[command(flatten)]
    serve: Serve,
}

/// The flags of `florin restore`.
#[derive(Debug, Args)]
pub struct Restore {
    /// The directory of the backup
    #[arg(long, value_name = "FOLDER")]
    pub from: PathBuf,
    #[command(flatten)]
    common: Common,
}

/// The arguments of `florin dlq`.
#[derive(Debug, Args)]
pub struct Dlq {
    /// The subcommand
    #[command(subcommand)]
    pub task: DlqTask,
}

/// The subcommands of `florin dlq`.
#[derive(Debug, Subcommand)]
pub enum DlqTask {
    /// List the waiting dead letters, one per line
    List {
        /// List only dead letters of this topic
        #[arg(long, value_name = "TOPIC")]
        topic: Option<String>,
        #[command(flatten)]
        #[allow(missing_docs, reason = "flags")]
        serve: Serve,
    },
    /// Show one dead letter with its value and headers
    Show {
        /// The id of the dead letter, such as `deposit-requests.dlq:0:17`
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        #[allow(missing_docs, reason = "flags")]
        serve: Serve,
    },
    /// Send dead letters to their consumers again
    Redrive {
        /// The ids of the dead letters
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
        #[command(flatten)]
        #[allow(missing_docs, reason = "flags")]
        serve: Serve,
    },
}

impl Dlq {
    const fn serve(&self) -> &Serve {
        match &self.task {
            DlqTask::List { serve, .. }
            | DlqTask::Show { serve, .. }
            | DlqTask::Redrive { serve, .. } => serve,
        }
    }
}

/// The flags of `florin replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// The sequence of the first record
    #[arg(long, value_name = "SEQUENCE", value_parser = sequence())]
    pub from: Option<u64>,
    /// The sequence of the last record; by default the last durable record
    #[arg(long, value_name = "SEQUENCE", value_parser = sequence())]
    pub to: Option<u64>,
    /// Only records made at this time or later, such as 2026-01-31T00:00:00Z
    #[arg(long, value_name = "TIME")]
    pub from_time: Option<String>,
    /// Only records made before this time
    #[arg(long, value_name = "TIME")]
    pub to_time: Option<String>,
    /// Only events of this type, given by any of its names; can be repeated
    #[arg(long = "type", value_name = "NAME")]
    pub types: Vec<String>,
    /// Publish only to this topic; can be repeated
    #[arg(long = "topic", value_name = "NAME")]
    pub topics: Vec<String>,
    /// Only events with this key: the id of an entity
    #[arg(long, value_name = "ID")]
    pub key: Option<String>,
    /// Only events of commands with this correlation id
    #[arg(long, value_name = "ID")]
    pub correlation_id: Option<String>,
    /// Only count the events; publish nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Don't wait for the end of the replay
    #[arg(long)]
    pub no_wait: bool,
    /// Stop the replay with this id
    #[arg(long, value_name = "ID", conflicts_with_all = ["resume", "show"])]
    pub stop: Option<OperationId>,
    /// Resume the replay with this id
    #[arg(long, value_name = "ID", conflicts_with = "show")]
    pub resume: Option<OperationId>,
    /// Show the progress of the replay with this id
    #[arg(long, value_name = "ID")]
    pub show: Option<OperationId>,
    #[command(flatten)]
    serve: Serve,
}

fn sequence() -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(1..)
}

#[derive(Debug, Default, Args)]
struct Common {
    /// The folder of the journal and the views
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// The settings file to use instead of florin.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The format of a log line: text or json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// The least severe level that is logged: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

impl Arguments {
    /// Returns the subcommand that was given, or `serve` if there is none.
    pub fn task(self) -> Task {
        self.task.unwrap_or(Task::Serve(self.serve))
    }
}

impl Task {
    /// Returns the settings that the command line gives.
    pub fn overrides(&self) -> Overrides {
        let (serve, common) = match self {
            Self::Serve(serve)
            | Self::Config(serve)
            | Self::Health(serve)
            | Self::Backup(Backup { serve, .. }) => (Some(serve), &serve.common),
            Self::Replay(replay) => (Some(&replay.serve), &replay.serve.common),
            Self::Dlq(dlq) => (Some(dlq.serve()), &dlq.serve().common),
            Self::Verify(verify) => (None, &verify.common),
            Self::Export(export) => (None, &export.common),
            Self::Restore(restore) => (None, &restore.common),
        };
        Overrides {
            config_file: common.config.clone(),
            host: serve.and_then(|serve| serve.host.clone()),
            port: serve.and_then(|serve| serve.port.clone()),
            data_dir: common.data_dir.clone(),
            services: serve.and_then(|serve| serve.services.clone()),
            kafka_brokers: serve.and_then(|serve| serve.kafka_brokers.clone()),
            log_format: common.log_format.clone(),
            log_level: common.log_level.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn alone_it_serves() {
        let parse = |words: &[&str]| Arguments::try_parse_from(words).map(Arguments::task);
        assert!(matches!(parse(&["florin"]), Ok(Task::Serve(_))));
        let task = parse(&["florin", "--port", "0"]).unwrap();
        assert_eq!(task.overrides().port.as_deref(), Some("0"));
        let task = parse(&["florin", "verify", "--data-dir", "x", "--head", "ab"]).unwrap();
        assert_eq!(task.overrides().data_dir, Some("x".into()));
        assert!(parse(&["florin", "sevre"]).is_err());
    }
}
