//! `florin dlq`: lists, shows and redrives dead letters, through the running server.

use std::net::SocketAddr;

use florin_config::{Settings, printable_json};
use serde_json::Value;

use super::arguments::{Dlq, DlqTask};
use super::ask::{ask, get};
use crate::process::{RunError, tell};

/// Lists, shows or redrives dead letters.
///
/// # Errors
/// Returns an error if no server answers, or if the server refuses.
pub fn run(settings: &Settings, task: &Dlq) -> Result<(), RunError> {
    let address = SocketAddr::new(settings.server.host, settings.server.port);
    match &task.task {
        DlqTask::List { topic, .. } => list(address, topic.as_deref()),
        DlqTask::Show { id, .. } => {
            let letter = answered(address, &format!("/admin/dlq/{}", escaped(id)), false)?;
            let pretty = serde_json::to_string_pretty(&letter).unwrap_or_default();
            tell(&format!("{}\n", printable_json(&pretty)))
        }
        DlqTask::Redrive { ids, .. } => {
            for id in ids {
                let path = format!("/admin/dlq/{}/redrive", escaped(id));
                let redriven = answered(address, &path, true)?;
                let error = redriven["error"].as_str();
                let status = redriven["status"].as_str().unwrap_or_default();
                let why = error.map(|error| format!(": {error}")).unwrap_or_default();
                tell(&format!("{id}  {status}{why}\n"))?;
            }
            Ok(())
        }
    }
}

fn list(address: SocketAddr, topic: Option<&str>) -> Result<(), RunError> {
    let filter = topic.map(|topic| format!("&topic={}", escaped(topic)));
    let filter = filter.unwrap_or_default();
    let mut cursor = String::new();
    loop {
        let page = answered(
            address,
            &format!("/admin/dlq?limit=100{filter}{cursor}"),
            false,
        )?;
        for letter in page["data"].as_array().into_iter().flatten() {
            let text = |name: &str| letter[name].as_str().unwrap_or_default();
            tell(&format!(
                "{}  {}  {}  attempts {}  redrives {}  {}\n",
                text("id"),
                text("failed_at"),
                text("reason"),
                letter["attempts"],
                letter["redrives"],
                text("error")
            ))?;
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(()),
        }
    }
}

fn answered(address: SocketAddr, path: &str, posts: bool) -> Result<Value, RunError> {
    let asked = if posts {
        ask(address, path, &Value::Null)
    } else {
        get(address, path)
    };
    let (status, answer) = asked.map_err(|source| RunError::Unanswered { address, source })?;
    if status == 200 {
        return Ok(answer);
    }
    let field = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    Err(RunError::Refused {
        address,
        detail: match field("detail") {
            detail if detail.is_empty() => format!("it answered with {status}"),
            detail => detail,
        },
    })
}

/// Escapes an id or a topic for a URL. Only bytes that occur in a topic's name or an id stay
/// unescaped.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._:".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}
