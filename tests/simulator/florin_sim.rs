//! Runs the simulator: one seed with its trace, a range of seeds, or as many seeds as fit in a
//! time.
#![allow(
    clippy::disallowed_methods,
    reason = "it says how many seeds a second it runs"
)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use florin_tests::sim;

const USAGE: &str = "florin-sim --seed N [--trace] | --seeds A..B | --for 600s [--from N]";

/// The command-line options of a run.
#[derive(Debug, Default)]
struct Orders {
    seed: Option<u64>,
    trace: bool,
    first: u64,
    end: Option<u64>,
    time: Option<Duration>,
}

impl Orders {
    fn read(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut orders = Self::default();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--trace" => orders.trace = true,
                "--seed" => orders.seed = Some(words.next()?.parse().ok()?),
                "--from" => orders.first = words.next()?.parse().ok()?,
                "--for" => {
                    let seconds = words.next()?.trim_end_matches('s').parse().ok()?;
                    orders.time = Some(Duration::from_secs(seconds));
                }
                "--seeds" => {
                    let range = words.next()?;
                    let (first, end) = range.split_once("..")?;
                    orders.first = first.parse().ok()?;
                    orders.end = Some(end.parse().ok()?);
                }
                _ => return None,
            }
        }
        let says_what = orders.seed.is_some() || orders.end.is_some() || orders.time.is_some();
        says_what.then_some(orders)
    }
}

fn main() -> ExitCode {
    florin_storage::hush_contained_panics();
    let Some(orders) = Orders::read(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match orders.seed {
        Some(seed) => one(seed, orders.trace),
        None => many(&orders),
    }
}

fn one(seed: u64, trace: bool) -> ExitCode {
    match sim::run(seed, trace) {
        Ok(report) => {
            println!("seed {seed} holds: {report:?}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn many(orders: &Orders) -> ExitCode {
    let start = Instant::now();
    let totals = sim::crew::run_many(orders.first, |seed, _| {
        orders.end.is_none_or(|end| seed < end)
            && orders.time.is_none_or(|time| start.elapsed() < time)
    });
    for failure in &totals.broken {
        println!("{failure}\n");
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{} seeds in {seconds:.1} s ({:.1} a second): {} commands, {} lives, {} answers and reads checked, {} seeds failed",
        totals.seeds,
        totals.seeds as f64 / seconds,
        totals.requests,
        totals.lives,
        totals.checked,
        totals.broken.len(),
    );
    if totals.broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
