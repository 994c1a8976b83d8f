//! The command line.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand};
use florin_actors::messages::OperationId;
use florin_config::Overrides;

/// A wallet and payments core. Alone it serves.
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

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Serve HTTP (the default)
    Serve(Serve),
    /// Check the hash chain, the balances and that no money came from nowhere
    Verify(Verify),
    /// Print the journal as JSON lines, one a record
    Export(Export),
    /// Copy the journal to an empty directory, also while the server runs
    Backup(Backup),
    /// Make a data directory from a backup
    Restore(Restore),
    /// Look at messages that could not be handled, and try them again, by the server that runs
    Dlq(Dlq),
    /// Have the running server publish events of the journal again
    Replay(Box<Replay>),
    /// Print the settings in effect
    Config(Serve),
}

/// Flags that set settings.
#[derive(Debug, Default, Args)]
pub struct Serve {
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS")]
    host: Option<String>,
    /// The port to listen on; 0 takes a free one
    #[arg(long, value_name = "PORT")]
    port: Option<String>,
    /// The services of this process, with commas between: core, card
    #[arg(long, value_name = "NAMES")]
    services: Option<String>,
    /// Kafka's brokers, with commas between; without them events travel inside the process
    #[arg(long, value_name = "HOST:PORT")]
    kafka_brokers: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Flags of `florin verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// The head that the hash chain must have had, in hexadecimal
    #[arg(long, value_name = "HASH")]
    pub head: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Flags of `florin export`.
#[derive(Debug, Args)]
pub struct Export {
    /// The first record
    #[arg(long, value_name = "SEQUENCE", default_value_t = 1, value_parser = sequence())]
    pub from: u64,
    /// The last record; without it, the journal's last
    #[arg(long, value_name = "SEQUENCE", default_value_t = u64::MAX, hide_default_value = true, value_parser = sequence())]
    pub to: u64,
    /// Print personal values too, as holders' names
    #[arg(long)]
    pub personal: bool,
    #[command(flatten)]
    common: Common,
}

/// Flags of `florin backup`.
#[derive(Debug, Args)]
pub struct Backup {
    /// The directory to copy to: empty, or to be made
    #[arg(long, value_name = "FOLDER")]
    pub to: PathBuf,
    #[command(flatten)]
    serve: Serve,
}

/// Flags of `florin restore`.
#[derive(Debug, Args)]
pub struct Restore {
    /// The backup
    #[arg(long, value_name = "FOLDER")]
    pub from: PathBuf,
    #[command(flatten)]
    common: Common,
}

/// `florin dlq`.
#[derive(Debug, Args)]
pub struct Dlq {
    /// What to do
    #[command(subcommand)]
    pub task: DlqTask,
}

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub enum DlqTask {
    /// List those that wait, one a line
    List {
        /// Only those of this topic
        #[arg(long, value_name = "TOPIC")]
        topic: Option<String>,
        #[command(flatten)]
        #[allow(missing_docs, reason = "flags")]
        serve: Serve,
    },
    /// Show one as it came
    Show {
        /// Its id, as `deposit-requests.dlq:0:17`
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        #[allow(missing_docs, reason = "flags")]
        serve: Serve,
    },
    /// Hand some to their consumers again
    Redrive {
        /// Their ids
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

/// Flags of `florin replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// The first record
    #[arg(long, value_name = "SEQUENCE", value_parser = sequence())]
    pub from: Option<u64>,
    /// The last record; without it, the last that is durable
    #[arg(long, value_name = "SEQUENCE", value_parser = sequence())]
    pub to: Option<u64>,
    /// Records made then or later, as 2026-01-31T00:00:00Z
    #[arg(long, value_name = "TIME")]
    pub from_time: Option<String>,
    /// Records made before
    #[arg(long, value_name = "TIME")]
    pub to_time: Option<String>,
    /// Events of this type, by any of its names; may come again
    #[arg(long = "type", value_name = "NAME")]
    pub types: Vec<String>,
    /// Only to this topic; may come again
    #[arg(long = "topic", value_name = "NAME")]
    pub topics: Vec<String>,
    /// Events of this key
    #[arg(long, value_name = "ID")]
    pub key: Option<String>,
    /// Events of what belongs to this
    #[arg(long, value_name = "ID")]
    pub correlation_id: Option<String>,
    /// Only count
    #[arg(long)]
    pub dry_run: bool,
    /// Don't wait for its end
    #[arg(long)]
    pub no_wait: bool,
    /// Stop this replay
    #[arg(long, value_name = "ID", conflicts_with_all = ["resume", "show"])]
    pub stop: Option<OperationId>,
    /// Go on with this replay
    #[arg(long, value_name = "ID", conflicts_with = "show")]
    pub resume: Option<OperationId>,
    /// Show how far this replay is
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
    /// The folder of journal and views
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// A settings file in place of florin.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How a log line looks: text or json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// The least severe level that is logged: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

impl Arguments {
    /// What to do; without a subcommand, serve.
    pub fn task(self) -> Task {
        self.task.unwrap_or(Task::Serve(self.serve))
    }
}

impl Task {
    /// The settings that the command line gives.
    pub fn overrides(&self) -> Overrides {
        let (serve, common) = match self {
            Self::Serve(serve) | Self::Config(serve) | Self::Backup(Backup { serve, .. }) => {
                (Some(serve), &serve.common)
            }
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
