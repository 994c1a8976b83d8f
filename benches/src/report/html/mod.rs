//! The report as one page of tables and charts. It loads nothing from elsewhere, so it opens
//! offline.

mod chart;
mod charts;
mod scale;

use std::fmt::{self, Write as _};

use self::chart::escape;
use super::{Report, markdown};

const STYLE: &str = "body{font:15px/1.45 sans-serif;max-width:1180px;margin:2em auto;padding:0 1em;color:#222}\
h1{font-size:1.5em}h2{font-size:1.2em;margin-top:2em}\
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:13px}\
th,td{border:1px solid #ccc;padding:4px 8px;text-align:right;white-space:nowrap}th{white-space:normal}\
th:first-child,td:first-child{text-align:left}th{background:#f3f3f3}\
svg{display:block;margin:1em 0;max-width:100%;height:auto;background:#fff}\
svg text{font:12px sans-serif;fill:#222}svg .title{font-size:14px;font-weight:bold}svg .axis{font-size:13px}\
svg .grid{stroke:#ddd;stroke-width:1}code{background:#f3f3f3;padding:1px 4px}.fault{color:#a00}";

/// Returns the whole page.
pub fn page(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string can't fail.
    let _ = write(report, &mut text);
    text
}

fn write(report: &Report, text: &mut String) -> fmt::Result {
    writeln!(
        text,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Florin: a load measured</title><style>{STYLE}</style></head><body>\n<h1>Florin: a load measured</h1>"
    )?;
    writeln!(
        text,
        "<p>{}</p><p>Again: <code>{}</code></p>",
        escape(&markdown::machine(report)),
        escape(&report.command)
    )?;
    for warning in report.machine.warnings() {
        writeln!(text, "<p>Warning: {}</p>", escape(&warning))?;
    }
    for fault in &report.faults {
        writeln!(text, "<p class=\"fault\">Fault: {}</p>", escape(fault))?;
    }
    for section in markdown::sections(report) {
        writeln!(text, "<h2>{}</h2>", escape(&section.title))?;
        for paragraph in &section.paragraphs {
            writeln!(text, "<p>{}</p>", escape(paragraph))?;
        }
        if let Some(table) = &section.table {
            write_table(text, table)?;
        }
        for chart in charts::of(section.kind, report) {
            text.push_str(&chart.svg());
        }
    }
    writeln!(text, "</body></html>")
}

fn write_table(text: &mut String, table: &markdown::Table) -> fmt::Result {
    let row = |cells: &[String], cell: &str| {
        let cells = cells
            .iter()
            .map(|text| format!("<{cell}>{}</{cell}>", escape(text)));
        format!("<tr>{}</tr>", cells.collect::<String>())
    };
    writeln!(
        text,
        "<div class=\"scroll\"><table>{}",
        row(&table.head, "th")
    )?;
    for cells in &table.rows {
        writeln!(text, "{}", row(cells, "td"))?;
    }
    writeln!(text, "</table></div>")
}

#[cfg(test)]
mod tests {
    use super::super::tests::full;
    use super::*;

    #[test]
    fn the_page_is_well_formed_and_loads_nothing() {
        let page = page(&full());
        chart::tests::assert_well_formed(&page);
        for loading in [
            "http:", "https:", "<script", "src=", "href=", "url(", "@import",
        ] {
            assert!(!page.contains(loading), "{loading}");
        }
        assert!(!page.contains("NaN"));
        assert!(page.matches("<svg").count() >= 8);
    }

    #[test]
    fn a_report_of_nothing_is_a_page_too() {
        let mut report = full();
        report.measurements.clear();
        report.overload = None;
        report.sustained = None;
        report.summarise();
        chart::tests::assert_well_formed(&page(&report));
    }
}
