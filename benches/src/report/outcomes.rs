//! The results of the phases that are not plain measurements: ageing, overload and restart.

use serde::{Deserialize, Serialize};

use super::measurement::Measurement;

/// The result of ageing the node.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ageing {
    pub transfers: u64,
    pub seconds: f64,
    /// The number of refusals because of overload, after which the node was given time.
    pub refused: u64,
    /// The transfers per second of each part. A part is a million transfers, except for the last.
    /// They show whether the node slows down with age.
    pub parts_per_second: Vec<f64>,
}

/// The result of an overload.
#[derive(Debug, Serialize, Deserialize)]
pub struct Overload {
    pub measurement: Measurement,
    /// The rate of successful requests as a share of the maximum.
    pub goodput_to_maximum: f64,
    /// The time of a single transfer before the load, the median of ten.
    pub single_ms_before: f64,
    /// The time from the end of the load until ten consecutive single transfers were about as fast
    /// again; none if that took more than a minute.
    pub normal_after_ms: Option<f64>,
    pub rss_bytes_before: u64,
    pub rss_bytes_after: u64,
}

/// The result of a restart after SIGKILL.
#[derive(Debug, Serialize, Deserialize)]
pub struct Restart {
    /// The number of records in the journal.
    pub records: u64,
    /// The time from the start of the executable to a 200 from `/health/ready`.
    pub ready_ms: f64,
    /// Requests that were answered under the load before the kill.
    pub answered: u64,
    /// Requests that were in flight at the kill; each may be a record.
    pub unknown: u64,
    /// The records in the journal that this load created.
    pub found: u64,
}

impl Restart {
    /// Returns a description of the fault, if there is one.
    pub fn fault(&self) -> Option<String> {
        let fits = (self.answered..=self.answered + self.unknown).contains(&self.found);
        (!fits).then(|| {
            format!(
                "after SIGKILL: {} requests had been answered and {} were in flight, but {} records are in the journal",
                self.answered, self.unknown, self.found
            )
        })
    }
}
