//! A line chart as inline SVG, with title, axes with units, marks and a legend. It loads nothing
//! from elsewhere.
//!
//! The crate `plotters` 0.3 was tried with its SVG backend only: three crates with 20,000 lines. The
//! same chart took 75 lines instead of 190. But the axes stay Florin's own (`scale.rs`), because it
//! has no axis of nines, and its legend covers the lines; a legend above the plot, in as many rows
//! as it needs, has to be drawn by hand there too.

use std::fmt::{self, Write as _};

use super::scale::Scale;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 330.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 40.0;
const BOTTOM: f64 = 56.0;
/// The space above the plot without the legend, whose rows need more.
const TOP: f64 = 44.0;
const LEGEND_ROW: f64 = 20.0;
/// The approximate width of one letter in the legend.
const LETTER: f64 = 7.2;
/// Colours that most people can tell apart (M. Okabe, K. Ito).
const COLOURS: [&str; 8] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#444444", "#e69f00",
];
/// The dash patterns: the second one is used when the colours are used up, and for lines of another
/// kind.
const DASHES: [&str; 2] = ["none", "6 4"];

/// A line of a chart. Its points are ordered from left to right.
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

pub struct Chart {
    pub title: String,
    /// The labels of the axes, with units.
    pub x: String,
    pub y: String,
    pub x_scale: Scale,
    pub y_scale: Scale,
    pub lines: Vec<Line>,
}

impl Chart {
    /// Creates a chart over seconds, with both axes from zero.
    pub fn over_time(title: &str, y: &str, lines: Vec<Line>) -> Self {
        let values = lines.iter().flat_map(|line| &line.points);
        Self {
            title: title.to_owned(),
            x: "time, s".to_owned(),
            y: y.to_owned(),
            x_scale: Scale::linear(values.clone().map(|point| point.0)),
            y_scale: Scale::linear(values.map(|point| point.1)),
            lines,
        }
    }

    /// Returns the same chart with a logarithmic vertical axis.
    pub fn log(mut self) -> Self {
        let values = self.lines.iter().flat_map(|line| &line.points);
        self.y_scale = Scale::log(values.map(|point| point.1));
        self
    }

    /// Creates a chart of latencies in milliseconds by quantile.
    pub fn by_percentile(title: &str, lines: Vec<Line>) -> Self {
        let values = lines.iter().flat_map(|line| &line.points);
        Self {
            title: title.to_owned(),
            x: "percentile of answers".to_owned(),
            y: "latency, ms".to_owned(),
            x_scale: Scale::nines(values.clone().map(|point| point.0)),
            y_scale: Scale::log(values.map(|point| point.1)),
            lines,
        }
    }

    /// Returns the chart as an SVG element of a page.
    pub fn svg(&self) -> String {
        let mut text = String::new();
        // Writing to a string can't fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        let legend = Legend::lay(&self.lines);
        let frame = Frame {
            top: TOP + legend.rows as f64 * LEGEND_ROW,
        };
        let height = HEIGHT + legend.rows as f64 * LEGEND_ROW;
        writeln!(
            text,
            r#"<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-label="{0}"><text x="{LEFT}" y="20" class="title">{0}</text>"#,
            escape(&self.title)
        )?;
        legend.write(text)?;
        self.write_axes(text, &frame)?;
        for (number, line) in self.lines.iter().enumerate() {
            let mut path = String::new();
            for (at, &(x, y)) in line.points.iter().enumerate() {
                let command = if at == 0 { 'M' } else { 'L' };
                let (x, y) = (frame.x(self.x_scale, x), frame.y(self.y_scale, y));
                write!(path, "{command}{x:.1} {y:.1}")?;
            }
            let (colour, dash) = style(number);
            writeln!(
                text,
                r#"<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.8" stroke-dasharray="{dash}"/>"#
            )?;
        }
        writeln!(text, "</svg>")
    }

    fn write_axes(&self, text: &mut String, frame: &Frame) -> fmt::Result {
        let (bottom, right) = (frame.bottom(), WIDTH - RIGHT);
        for (value, label) in self.y_scale.marks() {
            let y = frame.y(self.y_scale, value);
            writeln!(
                text,
                r#"<line x1="{LEFT}" x2="{right}" y1="{y:.1}" y2="{y:.1}" class="grid"/><text x="{:.1}" y="{:.1}" text-anchor="end">{label}</text>"#,
                LEFT - 8.0,
                y + 4.0
            )?;
        }
        for (value, label) in self.x_scale.marks() {
            let x = frame.x(self.x_scale, value);
            writeln!(
                text,
                r#"<line x1="{x:.1}" x2="{x:.1}" y1="{:.1}" y2="{bottom:.1}" class="grid"/><text x="{x:.1}" y="{:.1}" text-anchor="middle">{label}</text>"#,
                frame.top,
                bottom + 18.0
            )?;
        }
        let (middle_x, middle_y) = (f64::midpoint(LEFT, right), f64::midpoint(frame.top, bottom));
        writeln!(
            text,
            r#"<text x="{middle_x:.1}" y="{:.1}" text-anchor="middle" class="axis">{}</text><text x="18" y="{middle_y:.1}" text-anchor="middle" transform="rotate(-90 18 {middle_y:.1})" class="axis">{}</text>"#,
            bottom + 42.0,
            escape(&self.x),
            escape(&self.y)
        )
    }
}

/// The part of a chart in which the lines are drawn.
struct Frame {
    top: f64,
}

impl Frame {
    fn bottom(&self) -> f64 {
        self.top + HEIGHT - TOP - BOTTOM
    }

    fn x(&self, scale: Scale, value: f64) -> f64 {
        LEFT + scale.place(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, scale: Scale, value: f64) -> f64 {
        self.bottom() - scale.place(value) * (self.bottom() - self.top)
    }
}

/// The names of the lines with their positions.
struct Legend<'a> {
    entries: Vec<(f64, f64, &'a str)>,
    rows: usize,
}

impl<'a> Legend<'a> {
    fn lay(lines: &'a [Line]) -> Self {
        let (mut x, mut rows) = (LEFT, 1);
        let mut entries = Vec::new();
        for line in lines {
            let width = 30.0 + line.name.chars().count() as f64 * LETTER + 14.0;
            if x > LEFT && x + width > WIDTH - RIGHT {
                x = LEFT;
                rows += 1;
            }
            entries.push((
                x,
                TOP - 4.0 + (rows - 1) as f64 * LEGEND_ROW,
                line.name.as_str(),
            ));
            x += width;
        }
        Self { entries, rows }
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        for (number, (x, y, name)) in self.entries.iter().enumerate() {
            let (colour, dash) = style(number);
            writeln!(
                text,
                r#"<line x1="{x:.1}" x2="{:.1}" y1="{y:.1}" y2="{y:.1}" stroke="{colour}" stroke-width="3" stroke-dasharray="{dash}"/><text x="{:.1}" y="{:.1}">{}</text>"#,
                x + 24.0,
                x + 30.0,
                y + 4.0,
                escape(name)
            )?;
        }
        Ok(())
    }
}

fn style(number: usize) -> (&'static str, &'static str) {
    let dash = (number / COLOURS.len()) % DASHES.len();
    (COLOURS[number % COLOURS.len()], DASHES[dash])
}

/// Escapes text for HTML and SVG, also for use within quotes.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Checks the tags of `markup`: each opened one is closed, in order, and quotes are paired.
    pub fn assert_well_formed(markup: &str) {
        const VOID: [&str; 3] = ["meta", "br", "!doctype"];
        let mut open: Vec<&str> = Vec::new();
        let mut rest = markup;
        while let Some(at) = rest.find('<') {
            let end = rest[at..].find('>').expect("a tag ends") + at;
            let tag = &rest[at + 1..end];
            assert!(!tag.contains('<'), "{tag}");
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            let name = tag.split([' ', '/']).next().unwrap();
            if let Some(closed) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(closed));
            } else if !tag.ends_with('/') && !VOID.contains(&name) {
                open.push(name);
            }
            rest = &rest[end + 1..];
        }
        assert_eq!(open, Vec::<&str>::new());
    }

    #[test]
    fn a_chart_is_well_formed_and_names_its_axes_and_lines() {
        let line = |name: &str, points: &[(f64, f64)]| Line {
            name: name.to_owned(),
            points: points.to_vec(),
        };
        let chart = Chart::over_time(
            "a < b & c",
            "requests/s",
            vec![
                line("echo \"1\"", &[(0.0, 10.0), (1.0, 0.0), (2.0, 20.0)]),
                line("nothing", &[]),
            ],
        );
        let svg = chart.svg();
        assert_well_formed(&svg);
        assert!(svg.contains("a &lt; b &amp; c") && svg.contains("echo &quot;1&quot;"));
        assert!(svg.contains("time, s") && svg.contains("requests/s"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        // The line runs from the left edge at half height over the bottom to the upper right
        // corner.
        assert!(
            svg.contains(r#"d="M84.0 179.0L402.0 294.0L720.0 64.0""#),
            "{svg}"
        );
    }

    #[test]
    fn many_lines_wrap_their_legend() {
        let lines: Vec<_> = (0..9)
            .map(|number| Line {
                name: format!("a rather long name of a line {number}"),
                points: vec![(0.5, 1.0), (0.99, 30.0)],
            })
            .collect();
        let chart = Chart::by_percentile("latency", lines);
        assert!(Legend::lay(&chart.lines).rows >= 3);
        assert_well_formed(&chart.svg());
    }
}
