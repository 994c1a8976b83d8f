//! The fault run, as long as CI allows. `florin-kafka faults` runs it longer.

use std::time::Duration;

use florin_tests::fault_run::{self, FaultRun};

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn through_random_faults_each_event_comes_once() {
    let (faults, answered, published) = fault_run::run(FaultRun {
        time: Duration::from_secs(60),
        rest: Duration::from_millis(5),
        seed: 1,
        brokers: 1,
    });
    println!("{faults:?}, {answered} requests answered, {published:?}");
}
