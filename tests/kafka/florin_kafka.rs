//! Long runs beside a real broker: `faults` for as long as is wanted, and `figures`.

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
    /// Random traffic and random ends of Florin and of the broker; then each event has to be there
    /// once, in order
    Faults {
        /// Seconds
        #[arg(long, default_value_t = 1_800)]
        seconds: u64,
        /// The pause between two requests of each of three clients
        #[arg(long, default_value_t = 30)]
        rest_ms: u64,
        /// Chooses requests and faults
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Brokers; of three or more one at a time is killed or silent, and events go out meanwhile
        #[arg(long, default_value_t = 1, value_parser = brokers)]
        brokers: u32,
    },
    /// Events a second beside a bare producer, the time from an answer to a foreign consumer, and
    /// what publishing costs those who ask over HTTP; wants a release build and a quiet machine
    Figures {
        /// Events of the backlog that is published
        #[arg(long, default_value_t = 200_000)]
        events: usize,
        /// Rounds of each measurement
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Seconds of each window of requests
        #[arg(long, default_value_t = 5)]
        seconds: u64,
    },
    /// Commands a second that come in from Kafka; wants a release build and a quiet machine
    Commands {
        /// Deposits that wait in their topic
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
            // It panics where something is wrong.
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
