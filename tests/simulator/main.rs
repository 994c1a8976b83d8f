//! Runs five thousand seeds of the simulator on every core. `florin-sim` runs more of them, or one
//! seed with its trace.

use florin_tests::sim;

const SEEDS: u64 = 5_000;

#[test]
fn five_thousand_seeds_keep_every_promise() {
    let totals = sim::crew::run_many(0, |seed, totals| seed < SEEDS && totals.broken.is_empty());
    if let Some(failure) = totals.broken.first() {
        panic!("{failure}");
    }
    assert_eq!(totals.seeds, SEEDS);
}

#[test]
fn the_same_seed_takes_the_same_steps() {
    for seed in 0..20 {
        assert_eq!(sim::check(seed), sim::check(seed), "seed {seed}");
    }
}
