//! The report as text for a terminal.

use std::fmt::Write as _;

use super::Report;
use super::maths::Spread;
use super::measurement::Measurement;

/// Cores taken by others up to which a run counts as undisturbed.
const OTHER_CORES_MAX: f64 = 0.1;

/// One measurement on one line, as it comes.
pub fn progress(measurement: &Measurement) -> String {
    let ratio = measurement
        .ratio_to_echo
        .map_or_else(String::new, |ratio| format!("  {ratio:.3} of the echo"));
    format!(
        "round {}  {:<16} c={:<4} {:>8.0}/s{ratio}  {} errors  others {:.2} cores",
        measurement.round,
        measurement.scenario,
        measurement.connections,
        measurement.requests_per_second,
        measurement.errors(),
        measurement.other_cpu_cores + measurement.stolen_cores
    )
}

/// The summary, the machine and the faults.
pub fn table(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string can't fail.
    let _ = write(report, &mut text);
    text
}

fn write(report: &Report, text: &mut String) -> std::fmt::Result {
    let machine = &report.machine;
    writeln!(
        text,
        "\n{}: {} cores ({}), Linux {}, {}, {}; {} accounts, {} rounds of {} s",
        report.date,
        machine.cores,
        machine.cpu,
        machine.kernel,
        machine.file_system,
        machine.rustc,
        report.options.accounts,
        report.options.rounds,
        report.options.seconds
    )?;
    writeln!(
        text,
        "\n{:<16} {:>5} {:>26} {:>21} {:>8} {:>8} {:>8} {:>8} {:>8} {:>7} {:>7}",
        "scenario",
        "conns",
        "requests/s (min–max)",
        "of echo (min–max)",
        "p50 ms",
        "p99 ms",
        "CPU µs",
        "after µs",
        "gen. µs",
        "others",
        "errors"
    )?;
    for row in &report.summary {
        let rate = spread(row.requests_per_second, 0);
        let ratio = row
            .ratio_to_echo
            .map_or_else(|| "1".to_owned(), |ratio| spread(ratio, 3));
        writeln!(
            text,
            "{:<16} {:>5} {rate:>26} {ratio:>21} {:>8.2} {:>8.2} {:>8.1} {:>8.1} {:>8.1} {:>7.2} {:>7}",
            row.scenario,
            row.connections,
            row.p50_ms,
            row.p99_ms,
            row.server_cpu_us_per_request,
            row.left_over_cpu_us_per_request,
            row.generator_cpu_us_per_request,
            row.other_cpu_cores_max + row.stolen_cores_max,
            row.errors
        )?;
    }
    writeln!(
        text,
        "CPU µs: the server's, a request. after µs: what it still used once the load was over.\n\
         gen. µs: the generator's. others: cores taken by other processes and the host, in the worst round."
    )?;
    for hot in &report.hot_to_uniform {
        let ratio = spread(hot.ratio, 3);
        writeln!(text, "hot / uniform at {}: {ratio}", hot.connections)?;
    }
    if let Some(verify) = &report.verify {
        writeln!(
            text,
            "florin verify: {} in {:.1} s",
            verify.exit, verify.seconds
        )?;
    }
    for warning in machine.warnings().into_iter().chain(disturbed(report)) {
        writeln!(text, "warning: {warning}")?;
    }
    for fault in &report.faults {
        writeln!(text, "FAULT: {fault}")?;
    }
    Ok(())
}

/// Says so when something else took a share of the machine that moves the figures.
fn disturbed(report: &Report) -> Option<String> {
    let worst = report
        .measurements
        .iter()
        .map(|measurement| measurement.other_cpu_cores + measurement.stolen_cores)
        .fold(0.0, f64::max);
    (worst > OTHER_CORES_MAX).then(|| {
        format!("other processes and the host took up to {worst:.2} cores while measuring: run it on a quiet machine")
    })
}

fn spread(spread: Spread, digits: usize) -> String {
    format!(
        "{:.digits$} ({:.digits$}–{:.digits$})",
        spread.median, spread.min, spread.max
    )
}
