//! Measurements with labels that are known from the start: plain atomics, found by place, so that
//! a request allocates and locks nothing. Only cells that were ever touched are shown.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// Upper bounds of durations' buckets, in seconds.
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

/// Upper bounds of counts' buckets.
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

/// Counters by two labels.
#[derive(Debug)]
pub struct Counters {
    names: (&'static str, &'static str),
    rows: Vec<&'static str>,
    columns: Vec<&'static str>,
    cells: Vec<AtomicU64>,
}

impl Counters {
    /// Counters of every row and column; `names` are the labels.
    pub fn new(
        names: (&'static str, &'static str),
        rows: Vec<&'static str>,
        columns: Vec<&'static str>,
    ) -> Self {
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

    /// The place of a column's label.
    pub fn column(&self, label: &str) -> Option<usize> {
        self.columns.iter().position(|known| *known == label)
    }

    /// Counts one; a place that isn't there is not counted.
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
                self.rows[place / self.columns.len()],
                self.columns[place % self.columns.len()],
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

/// Histograms by one label.
#[derive(Debug)]
pub struct Histograms {
    name: &'static str,
    bounds: &'static [f64],
    rows: Vec<(&'static str, Histogram)>,
}

#[derive(Debug)]
struct Histogram {
    buckets: Vec<AtomicU64>,
    /// In millionths.
    sum: AtomicU64,
}

impl Histograms {
    /// A histogram of every row; `name` is the label, empty for a single one without a label.
    pub fn new(name: &'static str, bounds: &'static [f64], rows: Vec<&'static str>) -> Self {
        let histogram = || Histogram {
            buckets: bounds.iter().map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        };
        Self {
            name,
            bounds,
            rows: rows.into_iter().map(|row| (row, histogram())).collect(),
        }
    }

    /// Adds a value to a row's histogram.
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
                histogram.encode(self.bounds, encoder.encode_family(&[(self.name, *row)])?)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}
