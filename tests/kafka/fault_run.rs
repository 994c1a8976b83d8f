//! The fault run, as long as CI has time for; `florin-kafka faults` runs it longer.

use std::time::Duration;

use florin_tests::fault_run;

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn through_random_faults_each_event_comes_once() {
    let (time, rest) = (Duration::from_secs(60), Duration::from_millis(5));
    let (faults, answered, published) = fault_run::run(time, rest, 1);
    println!("{faults:?}, {answered} requests answered, {published:?}");
}
