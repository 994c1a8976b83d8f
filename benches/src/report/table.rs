//! The report as text for a terminal.

use std::fmt::{self, Write as _};

use super::Report;
use super::maths::Spread;
use super::measurement::Measurement;
use crate::postgres::PgBench;

/// The largest use of cores by others with which a run counts as undisturbed.
const OTHER_CORES_MAX: f64 = 0.1;

/// Formats one measurement as one line of progress.
pub fn progress(measurement: &Measurement) -> String {
    let ratio = measurement
        .ratio_to_echo
        .map_or_else(String::new, |ratio| format!("  {ratio:.3} of the echo"));
    let offered = measurement
        .offered_per_second
        .map_or_else(String::new, |rate| format!(" of {rate:.0}/s due"));
    let unsent = match measurement.unsent {
        0 => String::new(),
        unsent => format!("  {unsent} not sent"),
    };
    format!(
        "round {}  {:<19} c={:<4} {:>8.0}/s{offered}{ratio}  p99 {:.2} ms  {} errors{unsent}  others {:.2} cores",
        measurement.round,
        measurement.subject.name(),
        measurement.connections,
        measurement.requests_per_second,
        measurement.latency_us.p99 as f64 / 1e3,
        measurement.errors(),
        measurement.other_cpu_cores + measurement.stolen_cores
    )
}

pub fn pgbench_progress(found: &PgBench) -> String {
    format!(
        "round {}  {:<19} c={:<4} {:>8.0}/s  average {:.2} ms",
        found.round, "pgbench", found.clients, found.transfers_per_second, found.latency_average_ms
    )
}

/// Returns the summary, the machine and the faults as text.
pub fn table(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string can't fail.
    let _ = write(report, &mut text);
    text
}

fn write(report: &Report, text: &mut String) -> fmt::Result {
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
    rows(report, text)?;
    for comparison in &report.comparisons {
        let ratio = spread(comparison.ratio, 3);
        let (what, to, at) = (&comparison.what, &comparison.to, &comparison.at);
        writeln!(text, "{what} / {to} at {at}: {ratio}")?;
    }
    extras(report, text)?;
    if let Some(verify) = &report.verify {
        writeln!(
            text,
            "florin verify: {} in {:.1} s, {:.0} records/s",
            verify.exit, verify.seconds, verify.records_per_second
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

fn rows(report: &Report, text: &mut String) -> fmt::Result {
    writeln!(
        text,
        "\n{:<19} {:>5} {:>8} {:>26} {:>21} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>7} {:>7} {:>7}",
        "scenario",
        "conns",
        "due/s",
        "requests/s (min–max)",
        "of echo (min–max)",
        "p50 ms",
        "p99 ms",
        "CPU µs",
        "after µs",
        "gen. µs",
        "B/record",
        "others",
        "errors",
        "unsent"
    )?;
    for row in &report.summary {
        let rate = spread(row.requests_per_second, 0);
        let ratio = row
            .ratio_to_echo
            .map_or_else(|| "-".to_owned(), |ratio| spread(ratio, 3));
        let whole =
            |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |one| format!("{one:.0}"));
        writeln!(
            text,
            "{:<19} {:>5} {:>8} {rate:>26} {ratio:>21} {:>8.2} {:>8.2} {:>8.1} {:>8.1} {:>8.1} {:>8} {:>7.2} {:>7} {:>7}",
            row.subject.name(),
            row.connections,
            whole(row.offered_per_second),
            row.p50_ms,
            row.p99_ms,
            row.server_cpu_us_per_request,
            row.left_over_cpu_us_per_request,
            row.generator_cpu_us_per_request,
            whole(row.disk_written.map(|written| written.median)),
            row.other_cpu_cores_max + row.stolen_cores_max,
            row.errors,
            row.unsent
        )?;
    }
    writeln!(
        text,
        "due/s: the set rate; latency then counts from when a request was due. CPU µs: the server's, a request.\n\
         after µs: what it still used once the load was over. gen. µs: the generator's. B/record: written to the disk.\n\
         others: cores taken by other processes and the host, in the worst round. unsent: due, but every connection was busy."
    )
}

fn extras(report: &Report, text: &mut String) -> fmt::Result {
    if let Some(ageing) = &report.ageing {
        writeln!(
            text,
            "aged by {} transfers in {:.1} s, {:.0}/s",
            ageing.transfers,
            ageing.seconds,
            ageing.transfers as f64 / ageing.seconds
        )?;
    }
    if let Some(why) = report
        .postgres
        .as_ref()
        .and_then(|one| one.skipped.as_ref())
    {
        writeln!(text, "{why}")?;
    }
    if let Some(drift) = report.sustained.as_ref().and_then(|one| one.drift.as_ref()) {
        let (first, last) = (&drift.first, &drift.last);
        writeln!(
            text,
            "sustained, first third → last: {:.0} → {:.0}/s ({:.3}), p50 {:.2} → {:.2} ms, p99 {:.2} → {:.2} ms, memory {:.0} → {:.0} MiB, view lag up to {} → {} records",
            first.requests_per_second,
            last.requests_per_second,
            drift.throughput,
            first.p50_ms,
            last.p50_ms,
            first.p99_ms,
            last.p99_ms,
            first.rss_mib,
            last.rss_mib,
            first.view_lag_records,
            last.view_lag_records
        )?;
    }
    if let Some(overload) = &report.overload {
        let measurement = &overload.measurement;
        let normal = overload.normal_after_ms.map_or_else(
            || "not within a minute".to_owned(),
            |ms| format!("after {ms:.0} ms"),
        );
        let live = measurement.watched.as_ref();
        let live = live.and_then(|watched| Spread::of(watched.live_ms.iter().copied()));
        writeln!(
            text,
            "overload: {:.3} of the maximum went well; {} refused (p99 {:.2} ms, {} with Retry-After), {} not sent; /health/live median {:.2} ms, at most {:.2}; normal {normal}",
            overload.goodput_to_maximum,
            measurement.refused(),
            measurement.refusal_us.p99 as f64 / 1e3,
            measurement.with_retry_after,
            measurement.unsent,
            live.map_or(0.0, |live| live.median),
            live.map_or(0.0, |live| live.max),
        )?;
    }
    if let Some(restart) = &report.restart {
        writeln!(
            text,
            "ready {:.0} ms after SIGKILL with {} records",
            restart.ready_ms, restart.records
        )?;
    }
    Ok(())
}

/// Returns a warning if other programs used so much of the machine that the figures are affected.
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
