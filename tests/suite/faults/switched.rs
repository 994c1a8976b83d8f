//! A server on a disk that a test can block and break, and the requests to it.

use std::path::{Path, PathBuf};

use florin_tests::faulty::SWITCHES;
use florin_tests::http::{Connection, Request};
use florin_tests::poll::eventually;
use florin_tests::server::Server;
use serde_json::json;
use tempfile::TempDir;

/// The exit code of a journal that can't be written.
pub const JOURNAL_FAILED: i32 = 3;

/// A server on a disk with switches.
pub struct Faulty {
    pub server: Server,
    switches: TempDir,
}

impl Faulty {
    #[track_caller]
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let switches = tempfile::tempdir().unwrap();
        let variables = variables(settings, switches.path());
        Self {
            server: Server::of(&executable(), variables),
            switches,
        }
    }

    pub fn switches(&self) -> &Path {
        self.switches.path()
    }
}

/// Returns the path of the executable whose disk has switches.
pub fn executable() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_florin-faulty"))
}

/// Returns the variables that it is started with: these settings, and the folder of its switches.
pub fn variables(settings: &[(&str, &str)], switches: &Path) -> Vec<(String, String)> {
    let mut variables = Server::variables(settings);
    let switches = switches.to_str().unwrap().to_owned();
    variables.push((SWITCHES.to_owned(), switches));
    variables
}

/// Sends a request without waiting for its answer.
pub fn begin(server: &Server, request: &Request) -> Connection {
    let mut connection = server.connect();
    connection.write(&request.bytes()).unwrap();
    connection
}

/// Waits until at least this many commands are in flight.
#[track_caller]
pub fn under_way(server: &Server, count: i64) {
    eventually("the commands are under way", || {
        let health = server.get("/health").ok();
        (health["commands_in_flight"].as_i64().unwrap() >= count).then_some(())
    });
}

pub fn deposit(id: &str, amount: i64) -> Request {
    Request::post(
        &format!("/accounts/{id}/deposit"),
        &json!({"amount": amount}),
    )
}

pub fn withdraw(id: &str, amount: i64) -> Request {
    Request::post(
        &format!("/accounts/{id}/withdraw"),
        &json!({"amount": amount}),
    )
}

/// Returns a deposit with a long record. A few hundred of them fill a small segment.
pub fn long_deposit(id: &str) -> Request {
    let metadata = json!({"note": "a".repeat(3_500)});
    let body = json!({"amount": 1, "metadata": metadata});
    Request::post(&format!("/accounts/{id}/deposit"), &body)
}
