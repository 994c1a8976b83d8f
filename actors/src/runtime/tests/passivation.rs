//! Entities leave memory when they are not needed, and come back unchanged.

use super::*;

fn start_passivating(disk: &SimulatedDisk, idle: Duration, live_max: usize) -> Node {
    let mut options = options(disk, true, TestClock::start());
    options.limits.passivation = PassivationOptions { idle, live_max };
    Node::start(options).unwrap()
}

async fn live(core: &Core) -> u64 {
    let counts = core.actor_counts().await.unwrap();
    counts.iter().map(|(.., count)| count).sum()
}

#[test]
fn what_is_idle_leaves_memory_and_comes_back_as_it_was() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start_passivating(&disk, Duration::from_secs(2), 1_000);
        let core = node.core();
        let (a, b) = (opened(core).await, opened(core).await);
        decided(core, deposit(a, 10), None).await;
        for round in 1..=4_u64 {
            tokio::time::sleep(Duration::from_secs(5)).await;
            assert_eq!(live(core).await, 0);
            // Both entities are loaded, whether or not the views file holds their current state.
            let moved = decided(core, transfer(a, b, 1), None).await;
            assert_eq!(moved.balances(b).unwrap().balance, round as i64);
            assert_eq!(moved.balances(a).unwrap().version, 2 + round);
        }
        node.shutdown().await.unwrap();
    });
}

#[test]
fn what_is_needed_stays() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start_passivating(&disk, Duration::from_secs(2), 1_000);
        let core = node.core();
        let a = opened(core).await;
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            core.account(a).await.unwrap().unwrap();
        }
        assert_eq!(live(core).await, 1);
        node.shutdown().await.unwrap();
    });
}

#[test]
fn past_the_most_those_idle_for_a_second_leave() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start_passivating(&disk, Duration::from_secs(3_600), 5);
        let core = node.core();
        let mut accounts = Vec::new();
        for _ in 0..20 {
            accounts.push(opened(core).await);
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(live(core).await <= 5, "{}", live(core).await);
        for account in accounts {
            assert!(core.account(account).await.unwrap().is_some());
        }
        node.shutdown().await.unwrap();
    });
}

#[test]
fn passivation_and_the_views_flushes_lose_no_change() {
    run(async {
        let disk = SimulatedDisk::new();
        let mut node = start_passivating(&disk, Duration::from_millis(1), 1);
        let mut accounts = Vec::new();
        for _ in 0..5 {
            accounts.push(opened(node.core()).await);
        }
        let mut right = vec![0_i64; accounts.len()];
        for step in 0..200_usize {
            let place = (step * 7) % accounts.len();
            let done = decided(node.core(), deposit(accounts[place], 1), None).await;
            right[place] += 1;
            let balances = done.balances(accounts[place]).unwrap();
            assert_eq!(balances.balance, right[place]);
            tokio::time::sleep(Duration::from_millis(step as u64 % 90)).await;
            if step % 61 == 60 {
                drop(node);
                disk.crash(step as u64, florin_storage::CrashMode::LoseAll);
                node = start_passivating(&disk, Duration::from_millis(1), 1);
            }
        }
        node.shutdown().await.unwrap();
    });
}
