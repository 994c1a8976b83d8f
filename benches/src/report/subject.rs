//! The subject of a measurement: a server and a scenario. Measurements are distinguished and
//! summarised by it.

use serde::{Deserialize, Serialize};

use crate::scenario::Scenario;

/// The server that answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Server {
    Echo,
    Florin,
    /// The thin service over PostgreSQL.
    Postgres,
}

/// The server that was loaded, and the scenario of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    pub server: Server,
    pub scenario: Scenario,
}

impl Subject {
    /// Returns the subject's name in tables.
    pub fn name(self) -> String {
        match self.server {
            Server::Echo => "echo".to_owned(),
            Server::Florin => self.scenario.name().to_owned(),
            Server::Postgres => format!("pg {}", self.scenario.name()),
        }
    }
}
