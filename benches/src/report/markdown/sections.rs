//! Builds the sections of one run from its figures.

use super::super::Report;
use super::super::drift::Third;
use super::super::maths::Spread;
use super::super::summary::Row;
use super::{Kind, Section, Table};
use crate::scenario::Scenario;

/// Describes where and when a run was made.
pub fn machine(report: &Report) -> String {
    let machine = &report.machine;
    let settings = match machine.node_environment.join(", ") {
        none if none.is_empty() => "the node's default settings".to_owned(),
        settings => format!("the node's settings but for {settings}"),
    };
    format!(
        "{}: {} cores ({}), {} MiB, Linux {}, {}, {}; {} accounts, {} rounds of {} s, {settings}.",
        report.date,
        machine.cores,
        machine.cpu,
        machine.memory_mib,
        machine.kernel,
        machine.file_system,
        machine.rustc,
        report.options.accounts,
        report.options.rounds,
        report.options.seconds
    )
}

/// Returns the sections of a run, in the order in which they were measured.
pub fn sections(report: &Report) -> Vec<Section> {
    let sections = [
        ageing(report),
        rounds(report),
        comparisons(report),
        paced(report),
        sustained(report),
        overload(report),
        operating(report),
    ];
    sections.into_iter().flatten().collect()
}

fn ageing(report: &Report) -> Option<Section> {
    let ageing = report.ageing.as_ref()?;
    let parts: Vec<_> = ageing
        .parts_per_second
        .iter()
        .map(|rate| format!("{rate:.0}"))
        .collect();
    Some(Section {
        kind: Kind::Ageing,
        title: "Ageing before the first round".to_owned(),
        paragraphs: vec![format!(
            "{} transfers in {:.0} s; {} were refused as too much at the time and made later. Transfers a second of each million: {}.",
            ageing.transfers,
            ageing.seconds,
            ageing.refused,
            parts.join(", ")
        )],
        table: None,
    })
}

fn rounds(report: &Report) -> Option<Section> {
    let rows = report.summary.iter();
    let rows = rows
        .filter(|row| row.offered_per_second.is_none())
        .map(|row| {
            vec![
                row.subject.name(),
                row.connections.to_string(),
                optional(row.ratio_to_echo, 4),
                format!("{:.0}", row.requests_per_second.median),
                format!("{:.2}", row.p50_ms),
                format!("{:.2}", row.p99_ms),
                format!("{:.1}", row.server_cpu_us_per_request),
                optional(row.disk_held, 0),
                optional(row.disk_written, 0),
                row.refused.to_string(),
                format!("{:.2}", row.other_cpu_cores_max + row.stolen_cores_max),
            ]
        });
    let head = [
        "scenario",
        "connections",
        "of the echo's requests/s",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "server CPU µs",
        "bytes held a record",
        "bytes written a record",
        "refused",
        "cores others took",
    ];
    let mut paragraphs = Vec::new();
    if has(report, Scenario::ReadBalance) {
        paragraphs.push("Reads are held against the same echo, which answers a POST.".to_owned());
    }
    if has(report, Scenario::PendingPost) {
        paragraphs.push(
            "Of pending-post every second request holds and the other posts what is held."
                .to_owned(),
        );
    }
    if has(report, Scenario::AsyncDeposit) {
        paragraphs.push(
            "A request of async-deposit makes two records: answered once the first is durable, executed by the second.".to_owned(),
        );
    }
    if has(report, Scenario::WalletLimits) {
        paragraphs.push(
            "The wallets of wallet-limits have all limits there are, above what is moved."
                .to_owned(),
        );
    }
    Some(Section {
        kind: Kind::Rounds,
        title: "One request at a time on each connection, beside the echo".to_owned(),
        paragraphs,
        table: Some(Table::of(&head, rows.collect())?),
    })
}

fn comparisons(report: &Report) -> Option<Section> {
    let rows = report.comparisons.iter().map(|comparison| {
        vec![
            comparison.what.clone(),
            comparison.to.clone(),
            comparison.at.clone(),
            spread(comparison.ratio, 2),
        ]
    });
    let mut paragraphs = Vec::new();
    if let Some(postgres) = &report.postgres {
        paragraphs.extend(postgres.skipped.clone());
        if let Some(version) = &postgres.version {
            paragraphs.push(format!(
                "\"pg\" is PostgreSQL {version} behind a thin HTTP service (axum, a pool of connections, one function call a transfer) that took the same requests; pgbench makes the same call without HTTP. Double entry, a unique idempotency key, synchronous commit; no index of an account's postings. In each round its server is started for its own part only."
            ));
        }
    }
    let table = Table::of(&["requests/s of", "against", "at", "ratio"], rows.collect());
    (table.is_some() || !paragraphs.is_empty()).then_some(Section {
        kind: Kind::Comparisons,
        title: "Against each other".to_owned(),
        paragraphs,
        table,
    })
}

fn paced(report: &Report) -> Option<Section> {
    let rows: Vec<&Row> = report
        .summary
        .iter()
        .filter(|row| row.offered_per_second.is_some())
        .collect();
    let rows = rows.iter().map(|row| {
        vec![
            row.subject.name(),
            format!("{:.0}", row.offered_per_second.unwrap_or_default()),
            format!("{:.0}", row.requests_per_second.median),
            format!("{:.2}", row.p50_ms),
            format!("{:.2}", row.p99_ms),
            format!("{:.2}", row.p999_ms),
            optional(row.p99_to_echo, 1),
            row.refused.to_string(),
            row.unsent.to_string(),
        ]
    });
    let head = [
        "scenario",
        "due/s",
        "answered/s",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "p99, times the echo's",
        "refused",
        "not sent",
    ];
    Some(Section {
        kind: Kind::Paced,
        title: "At a set rate, beside the echo at the same rate".to_owned(),
        paragraphs: Vec::new(),
        table: Some(Table::of(&head, rows.collect())?),
    })
}

fn sustained(report: &Report) -> Option<Section> {
    let sustained = report.sustained.as_ref()?;
    let measurement = &sustained.measurement;
    let mut paragraphs = vec![format!(
        "{} for {:.0} s at {:.0} requests/s over {} connections, {} % of the maximum of the rounds: {} answered, {} refused, {} not sent.",
        measurement.subject.name(),
        measurement.seconds,
        measurement.offered_per_second.unwrap_or_default(),
        measurement.connections,
        report.options.sustained_percent,
        measurement.answered,
        measurement.refused(),
        measurement.unsent
    )];
    if let Some(disk) = measurement.disk {
        paragraphs.push(format!(
            "A record took {:.0} bytes of the disk and {:.0} bytes were written for it, views included.",
            disk.held, disk.written
        ));
    }
    let table = sustained.drift.as_ref().and_then(|drift| {
        paragraphs.push(format!(
            "Throughput of the last third: {:.3} of the first's.",
            drift.throughput
        ));
        let third = |name: &str, third: &Third| {
            vec![
                name.to_owned(),
                format!("{:.0}", third.requests_per_second),
                format!("{:.2}", third.p50_ms),
                format!("{:.2}", third.p99_ms),
                format!("{:.2}", third.max_ms),
                format!("{:.0}", third.rss_mib),
                third.view_lag_records.to_string(),
            ]
        };
        let head = [
            "third",
            "answered/s",
            "p50 ms",
            "p99 ms",
            "slowest ms",
            "memory MiB",
            "view lag up to, records",
        ];
        let rows = vec![third("first", &drift.first), third("last", &drift.last)];
        Table::of(&head, rows)
    });
    Some(Section {
        kind: Kind::Sustained,
        title: "Sustained".to_owned(),
        paragraphs,
        table,
    })
}

fn overload(report: &Report) -> Option<Section> {
    let overload = report.overload.as_ref()?;
    let measurement = &overload.measurement;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let mut rows = vec![
        pair(
            "goodput, as a share of the maximum",
            format!("{:.3}", overload.goodput_to_maximum),
        ),
        pair(
            "answered, p50 and p99 ms from their write",
            latency(measurement.service_us.p50, measurement.service_us.p99),
        ),
        pair("refused", by_status(report)),
        pair(
            "refused, p50 and p99 ms from their write",
            latency(measurement.refusal_us.p50, measurement.refusal_us.p99),
        ),
        pair(
            "refusals with Retry-After",
            format!(
                "{} of {}",
                measurement.with_retry_after,
                measurement.refused()
            ),
        ),
        pair(
            "broken connections, and requests never answered",
            format!(
                "{} and {}",
                measurement.transport_errors, measurement.unanswered
            ),
        ),
        pair(
            "due, but not sent: every connection was busy",
            measurement.unsent.to_string(),
        ),
    ];
    if let Some(watched) = &measurement.watched {
        let live = Spread::of(watched.live_ms.iter().copied());
        let live = live.map_or_else(
            || "no answer".to_owned(),
            |live| format!("{:.2} and {:.2}", live.median, live.max),
        );
        rows.push(pair("/health/live, median and slowest ms", live));
        rows.push(pair(
            "/health/live without an answer",
            watched.live_failed.to_string(),
        ));
        let most = watched.samples.iter().map(|sample| sample.rss_bytes).max();
        rows.push(pair(
            "memory before, most and after, MiB",
            format!(
                "{:.0}, {:.0}, {:.0}",
                mib(overload.rss_bytes_before),
                mib(most.unwrap_or_default()),
                mib(overload.rss_bytes_after)
            ),
        ));
    }
    let normal = overload
        .normal_after_ms
        .map_or_else(|| "not within a minute".to_owned(), |ms| format!("{ms:.0}"));
    rows.push(pair("until normal after its end, ms", normal));
    Some(Section {
        kind: Kind::Overload,
        title: "Overload".to_owned(),
        paragraphs: vec![format!(
            "{} for {:.0} s at {:.0} requests/s, three times the maximum of the rounds, with at most {} in flight. Normal again is when ten single transfers in a row took no more than three times what one took before ({:.2} ms), or 5 ms.",
            measurement.subject.name(),
            measurement.seconds,
            measurement.offered_per_second.unwrap_or_default(),
            measurement.connections,
            overload.single_ms_before
        )],
        table: Table::of(&["what", "measured"], rows),
    })
}

fn by_status(report: &Report) -> String {
    let statuses = report
        .overload
        .iter()
        .flat_map(|one| &one.measurement.other_statuses);
    let counts: Vec<_> = statuses
        .map(|(status, count)| format!("{count} with {status}"))
        .collect();
    if counts.is_empty() {
        "none".to_owned()
    } else {
        counts.join(", ")
    }
}

fn operating(report: &Report) -> Option<Section> {
    let mut rows = Vec::new();
    if let Some(restart) = &report.restart {
        rows.push(pair(
            "ready after SIGKILL under load, ms",
            format!(
                "{:.0} ms with {} records",
                restart.ready_ms, restart.records
            ),
        ));
        rows.push(pair(
            "answered before it and found after it",
            format!(
                "{} answered, {} in flight, {} found",
                restart.answered, restart.unknown, restart.found
            ),
        ));
    }
    if let Some(verify) = &report.verify {
        rows.push(pair(
            "florin verify, records/s",
            format!(
                "{:.0} ({} records in {:.1} s, {})",
                verify.records_per_second, verify.records, verify.seconds, verify.exit
            ),
        ));
    }
    Some(Section {
        kind: Kind::Operating,
        title: "Restart and verification".to_owned(),
        paragraphs: Vec::new(),
        table: Some(Table::of(&["what", "measured"], rows)?),
    })
}

fn has(report: &Report, scenario: Scenario) -> bool {
    report
        .summary
        .iter()
        .any(|row| row.subject.scenario == scenario)
}

fn pair(name: &str, value: String) -> Vec<String> {
    vec![name.to_owned(), value]
}

fn latency(p50: u64, p99: u64) -> String {
    format!("{:.2} and {:.2}", p50 as f64 / 1e3, p99 as f64 / 1e3)
}

fn optional(value: Option<Spread>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| spread(value, digits))
}

fn spread(spread: Spread, digits: usize) -> String {
    format!(
        "{:.digits$} ({:.digits$}–{:.digits$})",
        spread.median, spread.min, spread.max
    )
}
