//! `florin replay`: makes the running server replay events, and follows the replay to its end.

use std::net::SocketAddr;
use std::time::Duration;

use florin_config::Settings;
use serde_json::{Value, json};

use super::arguments::Replay;
use super::ask::{ask, get};
use crate::process::{RunError, tell};

/// The interval at which the server is asked for the progress.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Starts, stops, resumes or shows a replay. A replay that was started or resumed is followed to
/// its end, except with `--no-wait`.
///
/// # Errors
/// Returns an error if no server answers, if the server refuses, or if the replay fails.
pub fn run(settings: &Settings, task: &Replay) -> Result<(), RunError> {
    let server = Asked(SocketAddr::new(settings.server.host, settings.server.port));
    let replay = match (&task.stop, &task.resume, &task.show) {
        (Some(id), ..) => server.post(&format!("/admin/replay/{id}/stop"), &json!({}))?,
        (_, Some(id), _) => server.post(&format!("/admin/replay/{id}/resume"), &json!({}))?,
        (.., Some(id)) => server.get(&format!("/admin/replay/{id}"))?,
        _ => server.post("/admin/replay", &order(task))?,
    };
    let ended = if task.stop.is_some() || task.show.is_some() || task.no_wait {
        replay
    } else {
        server.follow(replay)?
    };
    tell(&told(&ended))?;
    match ended["state"].as_str() {
        Some("failed") => Err(server.refused(&ended["reason"])),
        _ => Ok(()),
    }
}

/// Returns the request for a new replay, with only the fields that were given.
fn order(task: &Replay) -> Value {
    let mut order = json!({});
    let mut set = |field: &str, value: Option<Value>| {
        if let Some(value) = value {
            order[field] = value;
        }
    };
    let some = |all: &[String]| (!all.is_empty()).then(|| json!(all));
    set("from", task.from.map(Value::from));
    set("to", task.to.map(Value::from));
    set("from_time", task.from_time.clone().map(Value::from));
    set("to_time", task.to_time.clone().map(Value::from));
    set("types", some(&task.types));
    set("topics", some(&task.topics));
    set("key", task.key.clone().map(Value::from));
    set(
        "correlation_id",
        task.correlation_id.clone().map(Value::from),
    );
    set("dry_run", task.dry_run.then_some(Value::from(true)));
    order
}

/// The server that is asked.
struct Asked(SocketAddr);

impl Asked {
    fn post(&self, path: &str, body: &Value) -> Result<Value, RunError> {
        self.answer(ask(self.0, path, body))
    }

    fn get(&self, path: &str) -> Result<Value, RunError> {
        self.answer(get(self.0, path))
    }

    fn answer(&self, answer: std::io::Result<(u16, Value)>) -> Result<Value, RunError> {
        let (status, body) = answer.map_err(|source| RunError::Unanswered {
            address: self.0,
            source,
        })?;
        if (200..300).contains(&status) {
            return Ok(body);
        }
        Err(self.refused(&body["detail"]))
    }

    fn refused(&self, detail: &Value) -> RunError {
        RunError::Refused {
            address: self.0,
            detail: detail.as_str().unwrap_or("it gave no reason").to_owned(),
        }
    }

    /// Waits until the replay is no longer running.
    fn follow(&self, mut replay: Value) -> Result<Value, RunError> {
        let path = format!(
            "/admin/replay/{}",
            replay["id"].as_str().unwrap_or_default()
        );
        while replay["state"] == "running" {
            std::thread::sleep(LOOK_EVERY);
            replay = self.get(&path)?;
        }
        Ok(replay)
    }
}

fn told(replay: &Value) -> String {
    let text = |field: &str| match &replay[field] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut told = format!(
        "replay      {}\nstate       {}\nevents      {}\n",
        text("id"),
        text("state"),
        text("events"),
    );
    if replay["dry_run"] == true {
        told.push_str("dry run     nothing was published\n");
    }
    for (topic, messages) in replay["topics"].as_object().into_iter().flatten() {
        told.push_str(&format!("{messages:>11} {topic}\n"));
    }
    told
}
