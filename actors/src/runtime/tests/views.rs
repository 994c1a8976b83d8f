//! The core and its views: the index on disk, and views that are damaged while the node runs.

use florin_storage::Disk;

use super::*;

/// Starts a node whose views file is never cached, so that each read sees the disk.
fn start_uncached(disk: &SimulatedDisk) -> Node {
    let mut options = options(disk, true, TestClock::start());
    options.limits.views_cache_bytes = 0;
    options.limits.projector.states_kept_max = 0;
    options.limits.projector.flush_records_max = 1;
    Node::start(options).unwrap()
}

#[test]
fn a_key_that_leaves_memory_while_the_disk_is_searched_for_it_is_settled_once() {
    run(async {
        let disk = SimulatedDisk::new();
        let millis = Arc::new(AtomicU64::new(0));
        let node = start_reading(&disk, true, TestClock::start(), Arc::clone(&millis));
        let core = node.core();
        let (a, b) = (opened(core).await, opened(core).await);
        // This makes segments that may hold any key, as far as memory knows.
        for round in 0..40 {
            decided(core, deposit(a, 1), Some(&format!("{round}"))).await;
        }
        // One command's search takes long. Meanwhile another command settles the same key, and the
        // key leaves memory for a segment that the search doesn't know.
        millis.store(3_000, Ordering::Relaxed);
        let wait = Duration::from_secs(5);
        let slow = core.submit(deposit(b, 7), context(Some("k")), wait);
        tokio::time::sleep(Duration::from_millis(1)).await;
        millis.store(0, Ordering::Relaxed);
        let first = decided(core, deposit(a, 7), Some("k")).await;
        assert_eq!(code(&first), None);
        for round in 40..80 {
            decided(core, deposit(a, 1), Some(&format!("{round}"))).await;
        }
        let Reply::Decided(second) = slow.unwrap().await else {
            panic!("not decided")
        };
        assert_eq!(code(&second), Some(Code::IdempotencyKeyReused));
        let shown = core.account(b).await.unwrap().unwrap();
        assert_eq!(shown.view.balances.balance, 0);
        node.shutdown().await.unwrap();
    });
}

/// Returns all accounts as a list shows them, once the views are not behind any more.
async fn listed(core: &Core, behind: &mut u32) -> Vec<(EntityId, i64)> {
    loop {
        match core.accounts(AccountFilter::default(), None, 100).await {
            Ok(page) => {
                let entries = page.entries.into_iter();
                return entries
                    .map(|shown| (shown.view.id, shown.view.balances.balance))
                    .collect();
            }
            Err(reason) => assert_eq!(reason, Unavailable::ViewBehind),
        }
        *behind += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn views_damaged_while_the_node_runs_are_made_anew_meanwhile() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start_uncached(&disk);
        let mut accounts = Vec::new();
        for value in 1..=40 {
            let account = opened(node.core()).await;
            decided(node.core(), deposit(account, value), None).await;
            accounts.push((account, value as i64));
        }
        accounts.sort_unstable();
        node.shutdown().await.unwrap();
        disk.kill();
        let mut behind = 0;
        for seed in 0..24usize {
            let node = start_uncached(&disk);
            let core = node.core();
            let live = seed % accounts.len();
            decided(core, deposit(accounts[live].0, 1), None).await;
            accounts[live].1 += 1;
            let length = disk.contents("views/entities.redb").unwrap().len();
            for at in (seed * 331..length).step_by(24 * 331) {
                assert!(disk.rot("views/entities.redb", at, 0x20));
            }
            // Half the time a list finds the damage, otherwise a load or the projector does.
            if seed % 2 == 0 {
                assert_eq!(listed(core, &mut behind).await, accounts);
            }
            for (account, balance) in &accounts {
                let shown = core.account(*account).await.unwrap().unwrap();
                assert_eq!(shown.view.balances.balance, *balance);
            }
            decided(core, deposit(accounts[live].0, 1), None).await;
            accounts[live].1 += 1;
            assert_eq!(listed(core, &mut behind).await, accounts);
            assert!(core.health().views_running);
            let totals = core.trial_balance().await.unwrap();
            assert_eq!(totals.as_of_sequence, 80 + 2 * (seed as u64 + 1));
            if seed % 3 == 0 {
                drop(node);
                disk.crash(seed as u64, florin_storage::CrashMode::Torn);
            } else {
                node.shutdown().await.unwrap();
                disk.kill();
            }
        }
        assert!(behind > 0);
    });
}

#[test]
fn an_index_block_damaged_while_the_node_runs_is_never_an_absent_key() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, true);
        let core = node.core();
        let a = opened(core).await;
        for round in 0..60 {
            decided(core, deposit(a, 1), Some(&format!("{round}"))).await;
        }
        for file in disk.list("views").unwrap() {
            if file.starts_with("keys") {
                assert!(disk.rot(&format!("views/{file}"), 140, 1));
            }
        }
        let wait = Duration::from_secs(5);
        let mut unavailable = 0;
        for round in 0..60 {
            let key = format!("{round}");
            loop {
                match core
                    .submit(deposit(a, 1), context(Some(&key)), wait)
                    .unwrap()
                    .await
                {
                    Reply::Decided(again) => {
                        assert!(again.replayed, "key {round} was forgotten");
                        break;
                    }
                    // The index is rewritten in the meantime.
                    Reply::Unavailable(Unavailable::ViewBehind) => unavailable += 1,
                    other => panic!("key {round}: {other:?}"),
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        assert!(unavailable > 0);
        let shown = core.account(a).await.unwrap().unwrap();
        assert_eq!(shown.view.balances.balance, 60);
        node.shutdown().await.unwrap();
    });
}
