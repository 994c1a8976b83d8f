//! Long runs with a real broker: `faults` for any time, and `figures`.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use florin_tests::fault_run::{self, FaultRun};
use florin_tests::{figures, requests};

#[derive(Debug, Parser)]
#[command(about = "Runs Florin beside a real Kafka broker that it starts by scripts/kafka")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Random traffic with random ends of Florin and of the brokers; afterwards each event must
    /// have been published once, in order
    Faults {
        /// Duration of the run, in seconds
        #[arg(long, default_value_t = 1_800)]
        seconds: u64,
        /// The pause between two requests of each of three clients, in milliseconds
        #[arg(long, default_value_t = 30)]
        rest_ms: u64,
        /// The seed that chooses requests and faults
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The number of brokers; with three or more, one at a time is killed or paused, and events
        /// must be published meanwhile
        #[arg(long, default_value_t = 1, value_parser = brokers)]
        brokers: u32,
    },
    /// Measures events per second compared with a plain producer, the delay from an answer to
    /// another consumer, and the cost of publishing for HTTP clients; needs a release build and a
    /// quiet machine
    Figures {
        /// The number of events in the backlog
        #[arg(long, default_value_t = 200_000)]
        events: usize,
        /// The number of rounds of each measurement
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// The length of each window of requests, in seconds
        #[arg(long, default_value_t = 5)]
        seconds: u64,
    },
    /// Measures commands per second from Kafka; needs a release build and a quiet machine
    Commands {
        /// The number of deposits that wait in their topic
        #[arg(long, default_value_t = 200_000)]
        count: u64,
    },
}

fn brokers(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(brokers @ (1 | 3..=9)) => Ok(brokers),
        _ => Err("1, or 3 to 9: two can't do without one of them".to_owned()),
    }
}

fn main() -> ExitCode {
    match Arguments::parse().what {
        What::Faults {
            seconds,
            rest_ms,
            seed,
            brokers,
        } => {
            // It panics if a check fails.
            let (faults, answered, published) = fault_run::run(FaultRun {
                time: Duration::from_secs(seconds),
                rest: Duration::from_millis(rest_ms),
                seed,
                brokers,
            });
            println!("{faults:?}, {answered} requests answered, {published:?}: all well");
        }
        What::Figures {
            events,
            rounds,
            seconds,
        } => figures::run(events, rounds, Duration::from_secs(seconds)),
        What::Commands { count } => requests::figure(count),
    }
    ExitCode::SUCCESS
}
