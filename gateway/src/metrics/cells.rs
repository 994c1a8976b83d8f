//! Measurements whose labels are known from the start. They are plain atomics, found by index, so
//! that a request allocates and locks nothing. Only cells that were ever changed are shown.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// The upper bounds of the buckets of durations, in seconds.
pub const SECONDS: &[f64] = &[
    0.000_05,
    0.000_1,
    0.000_25,
    0.000_5,
    0.001,
    0.002_5,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    f64::INFINITY,
];

/// The upper bounds of the buckets of counts.
pub const COUNTS: &[f64] = &[
    1.0,
    2.0,
    5.0,
    10.0,
    20.0,
    50.0,
    100.0,
    200.0,
    500.0,
    1_000.0,
    5_000.0,
    10_000.0,
    f64::INFINITY,
];

/// Counters with two labels.
#[derive(Debug)]
pub struct Counters {
    names: (&'static str, &'static str),
    rows: Vec<String>,
    columns: Vec<String>,
    cells: Vec<AtomicU64>,
}

impl Counters {
    /// Creates a counter for every row and column; `names` are the names of the labels. If the
    /// first name is empty, the counters have only the second label.
    pub fn new(
        names: (&'static str, &'static str),
        rows: impl IntoIterator<Item: Into<String>>,
        columns: impl IntoIterator<Item: Into<String>>,
    ) -> Self {
        let rows: Vec<String> = rows.into_iter().map(Into::into).collect();
        let columns: Vec<String> = columns.into_iter().map(Into::into).collect();
        let cells = (0..rows.len() * columns.len())
            .map(|_| AtomicU64::new(0))
            .collect();
        Self {
            names,
            rows,
            columns,
            cells,
        }
    }

    /// Returns the index of the column with this label.
    pub fn column(&self, label: &str) -> Option<usize> {
        self.columns.iter().position(|known| known == label)
    }

    /// Returns the counts of a row, with the labels of their columns.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (&str, u64)> {
        let width = self.columns.len();
        let cells = self.cells.iter().skip(row * width).take(width);
        let counts = cells.map(|cell| cell.load(Relaxed));
        self.columns.iter().map(String::as_str).zip(counts)
    }

    /// Adds one to a counter. An index that does not exist is ignored.
    pub fn count(&self, row: usize, column: usize) {
        if let Some(cell) = self.cells.get(row * self.columns.len() + column) {
            cell.fetch_add(1, Relaxed);
        }
    }
}

impl EncodeMetric for Counters {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), fmt::Error> {
        for (place, cell) in self.cells.iter().enumerate() {
            let count = cell.load(Relaxed);
            let (row, column) = (
                self.rows[place / self.columns.len()].as_str(),
                self.columns[place % self.columns.len()].as_str(),
            );
            if count == 0 {
                continue;
            }
            match self.names {
                ("", name) => encoder
                    .encode_family(&[(name, column)])?
                    .encode_counter::<NoLabelSet, _, u64>(&count, None)?,
                (first, second) => encoder
                    .encode_family(&[(first, row), (second, column)])?
                    .encode_counter::<NoLabelSet, _, u64>(&count, None)?,
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

/// Histograms with one label.
#[derive(Debug)]
pub struct Histograms {
    name: &'static str,
    bounds: &'static [f64],
    rows: Vec<(String, Histogram)>,
}

#[derive(Debug)]
struct Histogram {
    buckets: Vec<AtomicU64>,
    /// The sum of the values, in millionths.
    sum: AtomicU64,
}

impl Histograms {
    /// Creates a histogram for every row; `name` is the name of the label. If it is empty, there is
    /// one histogram without a label.
    pub fn new(
        name: &'static str,
        bounds: &'static [f64],
        rows: impl IntoIterator<Item: Into<String>>,
    ) -> Self {
        let histogram = || Histogram {
            buckets: bounds.iter().map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        };
        Self {
            name,
            bounds,
            rows: rows
                .into_iter()
                .map(|row| (row.into(), histogram()))
                .collect(),
        }
    }

    /// Adds a value to the histogram of a row.
    pub fn observe(&self, row: usize, value: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some((_, histogram)) = self.rows.get(row)
            && let Some(cell) = histogram.buckets.get(bucket)
        {
            cell.fetch_add(1, Relaxed);
            histogram.sum.fetch_add((value * 1e6) as u64, Relaxed);
        }
    }
}

impl Histogram {
    fn encode(&self, bounds: &[f64], mut encoder: MetricEncoder) -> Result<(), fmt::Error> {
        let counts = self.buckets.iter().map(|bucket| bucket.load(Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.iter().copied().zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = self.sum.load(Relaxed) as f64 / 1e6;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn is_empty(&self) -> bool {
        self.buckets.iter().all(|bucket| bucket.load(Relaxed) == 0)
    }
}

impl EncodeMetric for Histograms {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), fmt::Error> {
        for (row, histogram) in &self.rows {
            if self.name.is_empty() {
                return histogram.encode(self.bounds, encoder);
            }
            if !histogram.is_empty() {
                histogram.encode(
                    self.bounds,
                    encoder.encode_family(&[(self.name, row.as_str())])?,
                )?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}
