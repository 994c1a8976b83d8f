//! Ages the journal before anything is measured: makes the requested number of transfers, as fast
//! as the node accepts them.

use std::time::{Duration, Instant};

use crate::error::BenchError;
use crate::interrupt;
use crate::load::{self, Pace, Plan};
use crate::report::Ageing;
use crate::scenario::Scenario;
use crate::session::Session;

const CONNECTIONS: usize = 256;
/// The number of transfers between two lines of progress, and between two checks for refusals.
const PART: u64 = 1_000_000;
const PART_LIMIT: Duration = Duration::from_secs(3600);

/// Ages the node by `--aged` transfers.
pub fn age(session: &Session<'_>) -> Result<Ageing, BenchError> {
    let wanted = session.options.aged;
    let started = Instant::now();
    let mut ageing = Ageing {
        transfers: 0,
        seconds: 0.0,
        refused: 0,
        parts_per_second: Vec::new(),
    };
    eprintln!("ageing the journal by {wanted} transfers");
    while ageing.transfers < wanted {
        let part = (wanted - ageing.transfers).min(PART);
        let began = Instant::now();
        let (answered, refused) = make(session, part)?;
        let rate = answered as f64 / began.elapsed().as_secs_f64();
        ageing.transfers += answered;
        ageing.refused += refused;
        ageing.parts_per_second.push(rate);
        eprintln!(
            "aged by {} of {wanted}  {rate:>8.0}/s  {refused} refused",
            ageing.transfers
        );
        if refused > 0 {
            session.node.quiet();
        }
    }
    session.node.quiet();
    ageing.seconds = started.elapsed().as_secs_f64();
    Ok(ageing)
}

/// Attempts `transfers`; returns how many were answered, and how many the node was too busy for.
fn make(session: &Session<'_>, transfers: u64) -> Result<(u64, u64), BenchError> {
    let (address, threads) = (session.node.address(), session.options.threads);
    let plan = Plan {
        address,
        server: session.node.pid(),
        backing: None,
        connections: CONNECTIONS,
        pace: Pace::Closed,
        warmup: Duration::ZERO,
        measured: PART_LIMIT,
    };
    let each = transfers.div_ceil(threads.into());
    let scripts =
        Scenario::TransferUniform.scripts(address, &session.accounts, threads, Some(each));
    let tally = load::drive(&plan, scripts)?.tally;
    if interrupt::requested() {
        return Err(BenchError::Interrupted);
    }
    let busy = tally.other_statuses.get(&503).copied().unwrap_or_default();
    if tally.errors() > busy || tally.answered == 0 {
        return Err(BenchError::Opening(format!(
            "ageing: {} of {transfers} transfers went well; first error: {}",
            tally.answered,
            tally.first_wrong()
        )));
    }
    Ok((tally.answered, busy))
}
