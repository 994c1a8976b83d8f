//! The reasons that `/health` gives while a server is not well.

use serde_json::Value;

use crate::http::Client;
use crate::poll::eventually;

/// Returns all reasons.
pub fn reasons(client: &Client) -> Vec<Value> {
    let health = client.get("/health").json();
    health["reasons"].as_array().cloned().unwrap_or_default()
}

/// Returns the reason with this code, if there is one.
pub fn reason(client: &Client, code: &str) -> Option<Value> {
    find(client, |reason| reason["code"] == code)
}

/// Returns the reason with this code about this subject, if there is one.
pub fn reason_about(client: &Client, code: &str, subject: &Value) -> Option<Value> {
    find(client, |reason| {
        reason["code"] == code && reason["subject"] == *subject
    })
}

/// Waits for a reason with this code, and returns it.
///
/// # Panics
/// Panics if it does not come in time.
#[track_caller]
pub fn wait_for_reason(client: &Client, code: &str) -> Value {
    eventually(&format!("the reason {code}"), || reason(client, code))
}

/// Waits until no reason has this code.
///
/// # Panics
/// Panics if it does not go in time.
#[track_caller]
pub fn wait_for_no_reason(client: &Client, code: &str) {
    eventually(&format!("no reason {code}"), || {
        reason(client, code).is_none().then_some(())
    });
}

/// Waits until there is no reason at all.
///
/// # Panics
/// Panics if one stays.
#[track_caller]
pub fn wait_until_well(client: &Client) {
    eventually("all is well", || reasons(client).is_empty().then_some(()));
}

fn find(client: &Client, is_it: impl Fn(&Value) -> bool) -> Option<Value> {
    reasons(client).into_iter().find(is_it)
}
