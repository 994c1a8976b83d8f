//! Compares several executables of a node. They run side by side and are loaded alternately, about
//! a second each, so that other activity of the machine affects all of them equally. Differences
//! between two executables are computed from pairs of their slices.

use std::path::Path;

use crate::cli::CompareOptions;
use crate::error::BenchError;
use crate::report::{Measurement, Spread};
use crate::run::raise_descriptor_limit;
use crate::session::{Load, Session, stop_if_interrupted};
use crate::work_dir::WorkDir;
use crate::{interrupt, node, phases};

/// The results of the slices of one executable.
#[derive(Debug, Default)]
struct Shown {
    per_second: Vec<f64>,
    cpu_us: Vec<f64>,
    to_echo: Vec<f64>,
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
}

/// Measures every slice and prints each executable's figures in relation to the first one's.
/// Returns true if there was no fault.
pub fn compare(options: &CompareOptions) -> Result<bool, BenchError> {
    interrupt::listen()?;
    raise_descriptor_limit();
    let runs: Vec<_> = (options.florin.iter())
        .map(|florin| options.run(florin.clone()))
        .collect();
    let mut work_dirs = Vec::new();
    let mut sessions = Vec::new();
    for run in &runs {
        let executable = node::locate(run.florin.as_deref())?;
        let work_dir = WorkDir::create(None)?;
        sessions.push(Session::start(run, &executable, &work_dir)?);
        work_dirs.push(work_dir);
    }
    let measured = measure(options, &sessions);
    let mut faults = Vec::new();
    for session in sessions {
        let (more, verified) = session.finish();
        faults.extend(more);
        let verified = verified?;
        if !verified.ok {
            faults.push(format!(
                "florin verify: {}:\n{}",
                verified.exit, verified.output
            ));
        }
    }
    faults.iter().for_each(|fault| eprintln!("{fault}"));
    let shown = measured?;
    let first = &shown[0];
    println!("medians of {} slices (lowest to highest)", options.slices);
    for (florin, shown) in options.florin.iter().zip(&shown) {
        println!("{}", shown.line(florin, first));
    }
    Ok(faults.is_empty())
}

fn measure(options: &CompareOptions, sessions: &[Session<'_>]) -> Result<Vec<Shown>, BenchError> {
    for session in sessions {
        phases::age(session)?;
    }
    let measured = sessions[0].options.measured();
    let load = match options.rate {
        Some(rate) => phases::at_rate(rate.into(), phases::CONNECTIONS, measured),
        None => Load::closed(options.connections, measured),
    };
    let mut shown: Vec<Shown> = sessions.iter().map(|_| Shown::default()).collect();
    for slice in 1..=options.slices {
        let echo = sessions[0].measure_echo(slice, &load)?;
        // Each executable is first as often as last.
        let mut turns: Vec<usize> = (0..sessions.len()).collect();
        turns.rotate_left(slice as usize % sessions.len());
        for turn in turns {
            stop_if_interrupted()?;
            let (measurement, checked) =
                sessions[turn].measure_node(options.scenario, slice, &load)?;
            checked?;
            shown[turn].take(&measurement, &echo);
        }
    }
    Ok(shown)
}

impl Shown {
    /// Formats the results of `florin` in relation to those of the first one.
    fn line(&self, florin: &Path, first: &Self) -> String {
        format!(
            "{:<24}  {} /s  {} us of CPU a request  {} of the echo  {} of the first one's rate  {} of its CPU  p50 {} ms  p99 {} ms, {} of its",
            florin.display(),
            spread(&self.per_second, 0),
            spread(&self.cpu_us, 1),
            spread(&self.to_echo, 3),
            spread(&in_pairs(&self.per_second, &first.per_second), 3),
            spread(&in_pairs(&self.cpu_us, &first.cpu_us), 3),
            spread(&self.p50_ms, 2),
            spread(&self.p99_ms, 2),
            spread(&in_pairs(&self.p99_ms, &first.p99_ms), 2),
        )
    }

    fn take(&mut self, of_node: &Measurement, of_echo: &Measurement) {
        let rate = of_node.requests_per_second;
        self.per_second.push(rate);
        self.cpu_us.push(of_node.server_cpu_us_per_request);
        self.to_echo.push(rate / of_echo.requests_per_second);
        self.p50_ms.push(of_node.latency_us.p50 as f64 / 1_000.0);
        self.p99_ms.push(of_node.latency_us.p99 as f64 / 1_000.0);
    }
}

fn in_pairs(these: &[f64], those: &[f64]) -> Vec<f64> {
    these
        .iter()
        .zip(those)
        .map(|(this, that)| this / that)
        .collect()
}

fn spread(values: &[f64], decimals: usize) -> String {
    Spread::of(values.iter().copied()).map_or_else(String::new, |spread| {
        format!(
            "{:.decimals$} ({:.decimals$} to {:.decimals$})",
            spread.median, spread.min, spread.max
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_compared_slice_by_slice_and_told_by_their_paths() {
        let shown = |per_second: [f64; 3], p99_ms: [f64; 3]| Shown {
            per_second: per_second.to_vec(),
            cpu_us: vec![20.0; 3],
            to_echo: vec![0.5; 3],
            p50_ms: vec![1.0; 3],
            p99_ms: p99_ms.to_vec(),
        };
        // The machine was three times as fast in the last slice as in the first, but the ratio is
        // the same in each pair.
        let first = shown([100.0, 200.0, 300.0], [8.0, 4.0, 2.0]);
        let second = shown([110.0, 220.0, 330.0], [4.0, 2.0, 1.0]);
        let line = second.line(Path::new("after/florin"), &first);
        assert!(line.starts_with("after/florin"), "{line}");
        let told = [
            "220 (110 to 330) /s",
            "1.100 (1.100 to 1.100) of the first one's rate",
            "1.000 (1.000 to 1.000) of its CPU",
            "p99 2.00 (1.00 to 4.00) ms, 0.50 (0.50 to 0.50) of its",
        ];
        for told in told {
            assert!(line.contains(told), "{told} is not in {line}");
        }
    }
}
