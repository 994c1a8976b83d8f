//! The command `results`: writes RESULTS.md from the JSON files of runs, so that no figure is typed
//! by hand.

use std::fs;

use crate::cli::ResultsOptions;
use crate::error::BenchError;
use crate::report::{self, Report};

/// Reads the reports of the runs and writes the file.
pub fn write(options: &ResultsOptions) -> Result<(), BenchError> {
    let mut reports = Vec::new();
    for file in &options.from {
        let json = fs::read(file).map_err(BenchError::io(file.display().to_string()))?;
        let report: Report =
            serde_json::from_slice(&json).map_err(|source| BenchError::Report {
                file: file.clone(),
                source,
            })?;
        reports.push(report);
    }
    let to = &options.to;
    fs::write(to, report::results(&reports)).map_err(BenchError::io(to.display().to_string()))
}
