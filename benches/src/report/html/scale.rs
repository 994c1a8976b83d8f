//! Axes: the position of a value between the ends of an axis, and the values that are marked on it.

/// The way in which values are placed along an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// A linear axis from zero, with a mark every `step`.
    Linear { max: f64, step: f64 },
    /// A logarithmic axis, whose ends are powers of ten.
    Log { min: f64, max: f64 },
    /// An axis for quantiles on which every further nine takes the same length, so that the slowest
    /// few are visible.
    Nines { nines: f64 },
}

impl Scale {
    /// Creates a linear scale that contains all `values`, from zero to a round number.
    pub fn linear(values: impl Iterator<Item = f64>) -> Self {
        let most = values.fold(0.0, f64::max);
        let step = step(most);
        let max = (most / step).ceil().max(1.0) * step;
        Self::Linear { max, step }
    }

    /// Creates a logarithmic scale that contains all `values` above zero.
    pub fn log(values: impl Iterator<Item = f64>) -> Self {
        let above: Vec<f64> = values.filter(|&value| value > 0.0).collect();
        let least = above.iter().copied().fold(f64::INFINITY, f64::min);
        let most = above.iter().copied().fold(0.0, f64::max);
        if above.is_empty() {
            return Self::Log {
                min: 0.1,
                max: 10.0,
            };
        }
        let min = power_of_ten(least.log10().floor());
        let max = power_of_ten(most.log10().ceil()).max(min * 10.0);
        Self::Log { min, max }
    }

    /// Creates a scale up to the highest of `quantiles` below 1.
    pub fn nines(quantiles: impl Iterator<Item = f64>) -> Self {
        let most = quantiles.map(nines_of).fold(2.0, f64::max);
        Self::Nines { nines: most }
    }

    /// Returns the position of `value`: 0 at the beginning of the axis, 1 at its end.
    pub fn place(self, value: f64) -> f64 {
        let at = match self {
            Self::Linear { max, .. } => value / max,
            Self::Log { min, max } => {
                let decades = (max / min).log10();
                (value.max(min) / min).log10() / decades
            }
            Self::Nines { nines } => nines_of(value) / nines,
        };
        at.clamp(0.0, 1.0)
    }

    /// Returns the values that are marked, each with its label.
    pub fn marks(self) -> Vec<(f64, String)> {
        match self {
            Self::Linear { max, step } => {
                // The count is small, so the cast is exact.
                let count = (max / step).round() as u32;
                let values = (0..=count).map(|number| f64::from(number) * step);
                values.map(|value| (value, label(value, step))).collect()
            }
            Self::Log { min, max } => {
                let decades = (max / min).log10().round() as i32;
                let values = (0..=decades).map(|decade| min * 10_f64.powi(decade));
                values.map(|value| (value, label(value, value))).collect()
            }
            Self::Nines { nines } => [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999_999]
                .into_iter()
                .filter(|&quantile| nines_of(quantile) <= nines + 1e-9)
                .map(|quantile| (quantile, percent(quantile)))
                .collect(),
        }
    }
}

/// Returns a step of 1, 2 or 5 times a power of ten, so that four to eight steps reach `most`.
fn step(most: f64) -> f64 {
    if most <= 0.0 {
        return 1.0;
    }
    let rough = most / 5.0;
    let power = power_of_ten(rough.log10().floor());
    let step = match rough / power {
        times if times < 1.5 => 1.0,
        times if times < 3.5 => 2.0,
        times if times < 7.5 => 5.0,
        _ => 10.0,
    };
    step * power
}

fn power_of_ten(exponent: f64) -> f64 {
    // The exponents of measured values are small, so the cast is exact.
    10_f64.powi(exponent as i32)
}

fn nines_of(quantile: f64) -> f64 {
    -(1.0 - quantile.clamp(0.0, 0.999_999_9)).log10()
}

fn percent(quantile: f64) -> String {
    let text = format!("{:.4}", quantile * 100.0);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} %")
}

/// Formats `value` with as many decimal digits as `step` has, and with thousands separators.
fn label(value: f64, step: f64) -> String {
    let digits = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
    let text = format!("{value:.digits$}");
    let (whole, rest) = match text.split_once('.') {
        Some((whole, rest)) => (whole, format!(".{rest}")),
        None => (text.as_str(), String::new()),
    };
    let mut apart = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart + &rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale) -> Vec<String> {
        scale.marks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn a_linear_axis_ends_at_a_round_value_above_all() {
        let scale = Scale::linear([3.0, 38_200.0].into_iter());
        assert_eq!(labels(scale), ["0", "10,000", "20,000", "30,000", "40,000"]);
        assert_eq!(scale.place(10_000.0), 0.25);
        let small = Scale::linear([0.43].into_iter());
        assert_eq!(labels(small), ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5"]);
        assert_eq!(labels(Scale::linear(std::iter::empty())), ["0", "1"]);
    }

    #[test]
    fn a_log_axis_has_whole_decades() {
        let scale = Scale::log([0.0, 0.31, 47.0].into_iter());
        assert_eq!(labels(scale), ["0.1", "1", "10", "100"]);
        assert!((scale.place(1.0) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!((scale.place(0.0), scale.place(1e9)), (0.0, 1.0));
    }

    #[test]
    fn each_nine_is_as_long_as_any_other() {
        let scale = Scale::nines([0.5, 0.9999].into_iter());
        assert_eq!(
            labels(scale),
            ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %"]
        );
        assert!((scale.place(0.99) - 0.5).abs() < 1e-9);
        assert!((scale.place(0.999) - 0.75).abs() < 1e-9);
    }
}
