//! Which server was loaded with which requests: what measurements are told apart and drawn together
//! by.

use serde::{Deserialize, Serialize};

use crate::scenario::Scenario;

/// What answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Server {
    Echo,
    Florin,
    /// The thin service over PostgreSQL.
    Postgres,
}

/// What was loaded with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    pub server: Server,
    pub scenario: Scenario,
}

impl Subject {
    /// Its name in tables.
    pub fn name(self) -> String {
        match self.server {
            Server::Echo => "echo".to_owned(),
            Server::Florin => self.scenario.name().to_owned(),
            Server::Postgres => format!("pg {}", self.scenario.name()),
        }
    }
}
