//! The charts of each section of the page.

use super::super::maths::Spread;
use super::super::measurement::Measurement;
use super::super::subject::Subject;
use super::super::{Report, markdown::Kind};
use super::chart::{Chart, Line};
use crate::load::Second;

/// Returns the charts of a section.
pub fn of(kind: Kind, report: &Report) -> Vec<Chart> {
    match kind {
        Kind::Rounds => rounds(report),
        Kind::Paced => paced(report),
        Kind::Sustained => report
            .sustained
            .iter()
            .flat_map(|one| watched(&one.measurement))
            .collect(),
        Kind::Overload => report
            .overload
            .iter()
            .flat_map(|one| watched(&one.measurement))
            .collect(),
        Kind::Ageing | Kind::Comparisons | Kind::Operating => Vec::new(),
    }
}

fn rounds(report: &Report) -> Vec<Chart> {
    let mut connections: Vec<usize> = closed(report).map(|one| one.connections).collect();
    connections.sort_unstable();
    connections.dedup();
    let mut charts = Vec::new();
    for connections in connections {
        let of: Vec<_> = closed(report)
            .filter(|one| one.connections == connections)
            .collect();
        let at = format!("{connections} connections");
        charts.push(Chart::over_time(
            &format!("Throughput over time, the rounds one after the other: {at}"),
            "answers/s",
            joined(&of, |second| second.answered as f64),
        ));
        charts.push(
            Chart::over_time(
                &format!("p99 of each second, the rounds one after the other: {at}"),
                "p99, ms",
                joined(&of, |second| second.p99_us as f64 / 1e3),
            )
            .log(),
        );
        charts.push(Chart::by_percentile(
            &format!("Latency by percentile, median of the rounds: {at}"),
            curves(&of),
        ));
    }
    charts
}

fn closed(report: &Report) -> impl Iterator<Item = &Measurement> {
    let all = report.measurements.iter();
    all.filter(|one| one.offered_per_second.is_none())
}

fn paced(report: &Report) -> Vec<Chart> {
    let all = report.measurements.iter();
    let mut rates: Vec<f64> = all.filter_map(|one| one.offered_per_second).collect();
    rates.sort_by(f64::total_cmp);
    rates.dedup();
    let charts = rates.into_iter().map(|rate| {
        let of = report.measurements.iter();
        let of: Vec<_> = of
            .filter(|one| one.offered_per_second == Some(rate))
            .collect();
        let title = format!("Latency by percentile at {rate:.0} requests/s, median of the rounds");
        Chart::by_percentile(&title, curves(&of))
    });
    charts.collect()
}

/// Returns one line per subject, with its rounds one after the other.
fn joined(measurements: &[&Measurement], value: impl Fn(&Second) -> f64) -> Vec<Line> {
    let lines = subjects(measurements).into_iter().map(|subject| {
        let rounds = measurements.iter().filter(|one| one.subject == subject);
        let seconds = rounds.flat_map(|one| &one.series);
        Line {
            name: subject.name(),
            points: numbered(seconds.map(&value)),
        }
    });
    lines.collect()
}

/// Returns one line per subject: the median of its rounds at each quantile.
fn curves(measurements: &[&Measurement]) -> Vec<Line> {
    let lines = subjects(measurements).into_iter().map(|subject| {
        let rounds: Vec<_> = measurements
            .iter()
            .filter(|one| one.subject == subject)
            .collect();
        let quantiles = rounds.iter().flat_map(|one| &one.curve_us);
        let mut quantiles: Vec<f64> = quantiles.map(|point| point.0).collect();
        quantiles.sort_by(f64::total_cmp);
        quantiles.dedup();
        let points = quantiles.into_iter().filter_map(|quantile| {
            let curves = rounds.iter().flat_map(|one| &one.curve_us);
            let here = curves.filter(|point| point.0 == quantile);
            let latencies = here.map(|point| point.1 as f64 / 1e3);
            Some((quantile, Spread::of(latencies)?.median))
        });
        Line {
            name: subject.name(),
            points: points.collect(),
        }
    });
    lines.collect()
}

fn subjects(measurements: &[&Measurement]) -> Vec<Subject> {
    let mut subjects = Vec::new();
    for measurement in measurements {
        if !subjects.contains(&measurement.subject) {
            subjects.push(measurement.subject);
        }
    }
    subjects
}

/// Returns the charts of a load that was watched.
fn watched(measurement: &Measurement) -> Vec<Chart> {
    let line = |name: &str, value: fn(&Second) -> f64| Line {
        name: name.to_owned(),
        points: numbered(measurement.series.iter().map(value)),
    };
    let mut rates = vec![line("answered", |second| second.answered as f64)];
    if measurement.refused() > 0 {
        rates.push(line("refused", |second| second.refused as f64));
    }
    if let Some(rate) = measurement.offered_per_second {
        rates.push(Line {
            name: "due".to_owned(),
            points: numbered(measurement.series.iter().map(|_| rate)),
        });
    }
    let latencies = vec![
        line("p50", |second| second.p50_us as f64 / 1e3),
        line("p99", |second| second.p99_us as f64 / 1e3),
        line("slowest", |second| second.max_us as f64 / 1e3),
    ];
    let mut charts = vec![
        Chart::over_time("Requests over time", "requests/s", rates),
        Chart::over_time(
            "Latency of each second, from when a request was due",
            "latency, ms",
            latencies,
        )
        .log(),
    ];
    let samples = measurement
        .watched
        .iter()
        .flat_map(|watched| &watched.samples);
    let memory = samples
        .clone()
        .map(|sample| (sample.at, sample.rss_bytes as f64 / f64::from(1 << 20)));
    charts.push(one_line(
        "Resident memory of the node",
        "memory, MiB",
        memory.collect(),
    ));
    let lag = samples.filter_map(|sample| Some((sample.at, sample.view_lag_records? as f64)));
    charts.push(one_line(
        "How far the views are behind the journal",
        "records",
        lag.collect(),
    ));
    charts
}

fn one_line(title: &str, y: &str, points: Vec<(f64, f64)>) -> Chart {
    let name = "node".to_owned();
    Chart::over_time(title, y, vec![Line { name, points }])
}

/// Returns points that are one second apart.
fn numbered(values: impl Iterator<Item = f64>) -> Vec<(f64, f64)> {
    let numbered = values.enumerate();
    numbered
        .map(|(second, value)| (second as f64, value))
        .collect()
}
