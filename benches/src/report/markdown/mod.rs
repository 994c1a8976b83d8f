//! The results of runs as text for people: the sections that RESULTS.md and the page share. Every
//! figure comes from a run; the text around the figures is defined here.

mod sections;

use std::fmt::{self, Write as _};

pub use self::sections::{machine, sections};
use super::Report;

const INTRODUCTION: &str = "\
# Results

Written by a command from what runs measured; not by hand. To repeat it:

```text
cargo build --profile dist -p florin-gateway
cargo run --release -p florin-benches -- run --florin target/dist/florin --with all --json run.json --html run.html
cargo run --release -p florin-benches -- results --from run.json
```

`--from a.json,b.json` takes several runs; each is a part below, with its own command. `--html` draws
the same run as one page with charts over time and by percentile.

How to read it:

- The machine is shared and the load generator runs on the cores of what it measures, so **compare
  ratios, not rates**. The echo is one warp route that reads and answers the same bodies, and is
  measured in every round just before. A figure with brackets is the median of the rounds, with the
  lowest and the highest.
- A closed loop sends again once it was answered. At a set rate requests are due at fixed times and
  their latency counts from then, whatever the server does meanwhile; what found every connection
  busy for too long was not sent, and is counted.
- Every change has a key that never came before and is durable before its answer. After each load the
  journal held exactly as many records as changes were answered, and at the end `florin verify` read
  it all; otherwise there is a fault below.
";

/// A part of a report.
pub struct Section {
    pub kind: Kind,
    pub title: String,
    pub paragraphs: Vec<String>,
    pub table: Option<Table>,
}

/// The subject of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Ageing,
    Rounds,
    Comparisons,
    Paced,
    Sustained,
    Overload,
    Operating,
}

pub struct Table {
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Creates a table with these columns, or `None` if there are no rows.
    fn of(head: &[&str], rows: Vec<Vec<String>>) -> Option<Self> {
        let head = head.iter().map(|&word| word.to_owned()).collect();
        (!rows.is_empty()).then_some(Self { head, rows })
    }
}

/// Returns the text of RESULTS.md.
pub fn results(reports: &[Report]) -> String {
    let mut text = INTRODUCTION.to_owned();
    for report in reports {
        // Writing to a string can't fail.
        let _ = write(report, &mut text);
    }
    text
}

fn write(report: &Report, text: &mut String) -> fmt::Result {
    let date = report.date.split('T').next().unwrap_or_default();
    writeln!(text, "\n## Run of {date}\n\n{}\n", machine(report))?;
    writeln!(text, "```text\n{}\n```", report.command)?;
    for warning in report.machine.warnings() {
        writeln!(text, "\nWarning: {warning}.")?;
    }
    for fault in &report.faults {
        writeln!(text, "\n**Fault:** {fault}")?;
    }
    for section in sections(report) {
        writeln!(text, "\n### {}", section.title)?;
        for paragraph in &section.paragraphs {
            writeln!(text, "\n{paragraph}")?;
        }
        if let Some(table) = &section.table {
            writeln!(text, "\n{}", row(&table.head))?;
            writeln!(text, "|{}", "---|".repeat(table.head.len()))?;
            for cells in &table.rows {
                writeln!(text, "{}", row(cells))?;
            }
        }
    }
    Ok(())
}

fn row(cells: &[String]) -> String {
    let cells = cells.iter().map(|cell| cell.replace('|', "\\|"));
    format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
}

#[cfg(test)]
mod tests {
    use super::super::tests::full;
    use super::*;

    #[test]
    fn every_table_has_as_many_cells_in_each_row() {
        for section in sections(&full()) {
            let Some(table) = section.table else { continue };
            for row in &table.rows {
                assert_eq!(row.len(), table.head.len(), "{}", section.title);
            }
        }
    }

    #[test]
    fn the_file_names_command_machine_and_date_of_each_run_and_no_file_of_this_machine() {
        let reports = [full(), full()];
        let text = results(&reports);
        assert_eq!(text.matches("\n## Run of ").count(), 2);
        assert!(text.contains(&reports[0].command));
        assert!(text.contains(&reports[0].machine.kernel));
        assert!(!text.contains(env!("CARGO_MANIFEST_DIR")));
        assert!(!text.contains("Fault"));
        // The rate is half of the echo's in both rounds.
        assert!(text.contains("0.5000 (0.5000–0.5000)"));
        assert!(text.contains("812 ms with 10000 records"));
        assert!(text.contains("77 with 503"));
    }
}
