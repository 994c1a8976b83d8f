//! Kills the node with SIGKILL under load and starts it again. Measures the time until it is ready,
//! and checks that everything it had answered is still there.

use std::thread;
use std::time::Instant;

use crate::error::BenchError;
use crate::load;
use crate::report::Restart;
use crate::session::{Load, Session};

/// Loads the node as in a round, kills it in the middle, and starts it again.
pub fn run(session: &mut Session<'_>) -> Result<Restart, BenchError> {
    let options = session.options;
    let connections = options.connections.iter().copied().max().unwrap_or(1);
    let (address, pid) = (session.node.address(), session.node.pid());
    let before = session.node.trial_balance(0)?.as_of_sequence;
    eprintln!("killing the node under load");
    // The load ends as soon as the generator notices that the node is gone.
    let load = Load::closed(connections, options.measured() * 2);
    let plan = session.plan(address, pid, &load);
    let scripts = options.first_scenario().scripts(
        address,
        session.holders(options.first_scenario()),
        options.threads,
        None,
    );
    let tally = thread::scope(|scope| {
        let loading = scope.spawn(|| load::drive(&plan, scripts));
        thread::sleep(options.warmup() + options.measured());
        session.node.kill();
        match loading.join() {
            Ok(driven) => driven.map(|driven| driven.tally),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })?;
    let started = Instant::now();
    session.node.start_again()?;
    let ready_ms = started.elapsed().as_secs_f64() * 1e3;
    let records = session
        .node
        .trial_balance(before + tally.recorded)?
        .as_of_sequence;
    Ok(Restart {
        records,
        ready_ms,
        answered: tally.recorded,
        unknown: tally.maybe_recorded * options.first_scenario().records_max(),
        found: records.saturating_sub(before),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_was_answered_and_is_gone_is_a_fault() {
        let restart = |found| Restart {
            records: 100,
            ready_ms: 1.0,
            answered: 50,
            unknown: 3,
            found,
        };
        assert_eq!(restart(50).fault(), None);
        assert_eq!(restart(53).fault(), None);
        assert!(restart(49).fault().unwrap().contains("49 records"));
        assert!(restart(54).fault().is_some());
    }
}
