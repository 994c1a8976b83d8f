//! `florin backup`: the running server makes the backup. If no server runs, this process makes it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use florin_actors::backup::{BackupError, backup};
use florin_actors::kafka::PUBLISHED_FILE;
use florin_config::Settings;
use florin_storage::Error;
use serde_json::json;

use super::arguments::Backup;
use super::ask::ask;
use crate::api::admin::backup::BackupBody;
use crate::node::{self, carry_mark, open_empty};
use crate::process::{RunError, tell};

/// Backs up the data directory.
///
/// # Errors
/// Returns an error if the backup can't be made.
pub fn run(settings: &Settings, task: &Backup) -> Result<(), RunError> {
    let to = std::path::absolute(&task.to).map_err(|source| RunError::System {
        what: "--to",
        source,
    })?;
    let failed = |source| RunError::Backup {
        directory: to.display().to_string(),
        source,
    };
    let unmarked = |source| RunError::System {
        what: PUBLISHED_FILE,
        source,
    };
    let body = match node::open_existing(settings) {
        Ok(None) => return Err(failed(BackupError::NoJournal)),
        Ok(Some(disk)) => {
            let empty = open_empty(&to).map_err(|error| failed(error.into()))?;
            let manifest = backup(&disk, &empty, settings.disk.free_bytes_min).map_err(failed)?;
            carry_mark(&settings.server.data_dir, &to).map_err(unmarked)?;
            BackupBody::new(to.display().to_string(), &manifest)
        }
        Err(locked @ Error::Locked { .. }) => ask_server(settings, &to, locked)?,
        Err(source) => {
            return Err(RunError::Data {
                directory: settings.server.data_dir.display().to_string(),
                source,
            });
        }
    };
    tell(&told(&body))
}

/// Asks the server that holds the lock of the data directory to make the backup.
fn ask_server(settings: &Settings, to: &Path, locked: Error) -> Result<BackupBody, RunError> {
    let address = SocketAddr::new(settings.server.host, settings.server.port);
    let data_dir = settings.server.data_dir.canonicalize();
    let data_dir = data_dir.and_then(|path| text(&path));
    let asked = data_dir.and_then(|data_dir| {
        let body = json!({"directory": text(to)?, "data_dir": data_dir});
        ask(address, "/admin/backup", &body)
    });
    let (status, answer) = asked.map_err(|error| RunError::NobodyToAsk {
        address,
        source: locked,
        error,
    })?;
    let refused = |code: &str, detail: String| RunError::Asked {
        address,
        code: code.to_owned(),
        detail,
    };
    if status == 200 {
        return serde_json::from_value(answer).map_err(|error| refused("", error.to_string()));
    }
    let field = |name: &str| answer[name].as_str().unwrap_or_default();
    let detail = match field("detail") {
        "" => format!("it answered with {status}"),
        detail => detail.to_owned(),
    };
    Err(refused(field("code"), detail))
}

fn text(path: &Path) -> std::io::Result<String> {
    PathBuf::from(path)
        .into_os_string()
        .into_string()
        .map_err(|_| std::io::Error::new(std::io::ErrorKind::InvalidInput, "a path is not UTF-8"))
}

fn told(made: &BackupBody) -> String {
    format!(
        "The backup is complete.\ndirectory   {}\nrecords     {}\nsegments    {}\nbytes       {}\nhead        {}\n",
        made.directory, made.sequence, made.segments, made.bytes, made.head,
    )
}
