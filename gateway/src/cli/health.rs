//! `florin health`: checks whether the running server is ready, for scripts and containers.

use std::net::SocketAddr;
use std::time::Duration;

use florin_config::Settings;
use serde_json::Value;

use super::ask::get_within;
use crate::process::{RunError, tell};

/// The longest time to connect to the server, and the longest time that a read of its answer may
/// take. A server that does not answer health checks is not healthy.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Asks the server whether it is ready, and prints the reasons if it is not.
///
/// # Errors
/// Returns an error if no server answers in time, or if the server does not accept commands.
pub fn run(settings: &Settings) -> Result<(), RunError> {
    let address = SocketAddr::new(settings.server.host, settings.server.port);
    let ask = |path| {
        get_within(address, path, ANSWER_MAX)
            .map_err(|source| RunError::Unanswered { address, source })
    };
    let (status, answer) = ask("/health/ready")?;
    if status == 200 {
        return tell("ready\n");
    }
    let (_, health) = ask("/health")?;
    for reason in health["reasons"].as_array().into_iter().flatten() {
        let text = |name: &str| reason[name].as_str().unwrap_or_default();
        tell(&format!("{}: {}\n", text("code"), text("detail")))?;
    }
    Err(RunError::NotReady {
        address,
        detail: detail_of(status, &answer),
    })
}

fn detail_of(status: u16, answer: &Value) -> String {
    match answer["detail"].as_str() {
        Some(detail) => detail.to_owned(),
        None => format!("it answered with {status}"),
    }
}
