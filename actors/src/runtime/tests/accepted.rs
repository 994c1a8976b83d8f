//! Commands that are accepted first, for an entity out of service: they wait, in their order.

use super::supervision::{actor, faulted, resume, start_infected};
use super::*;
use crate::views::Period;

fn asynchronous(key: Option<&str>) -> Context {
    Context {
        asynchronous: true,
        ..context(key)
    }
}

async fn accept(core: &Core, command: Command, key: Option<&str>) {
    let wait = Duration::from_secs(5);
    let reply = core.submit(command, asynchronous(key), wait).unwrap().await;
    assert!(matches!(reply, Reply::Decided(_)), "{reply:?}");
}

/// Accepts deposits of 1 … `last`, all of them before the first one is executed.
async fn accept_deposits(core: &Core, account: EntityId, last: u64) {
    let wait = Duration::from_secs(5);
    let submit = |amount| core.submit(deposit(account, amount), asynchronous(None), wait);
    let accepted: Vec<_> = (1..=last).map(submit).collect();
    for one in accepted {
        assert!(matches!(one.unwrap().await, Reply::Decided(_)));
    }
}

async fn out_of_service(core: &Core, entity: EntityId) {
    while actor(core, entity).await.state != "quarantined" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn executed(core: &Core) {
    while !core.pending(None, 1).await.unwrap().entries.is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Returns the amounts that were moved on an account, oldest first.
async fn moved(core: &Core, account: EntityId) -> Vec<i64> {
    let page = core.movements(account, Kind::Account, Period::ALWAYS, None, 100);
    let page = page.await.unwrap().unwrap();
    page.entries.iter().rev().map(|made| made.amount).collect()
}

#[test]
fn what_was_accepted_is_executed_in_its_order() {
    run(async {
        let (disk, infected) = (SimulatedDisk::new(), Arc::default());
        let node = start_infected(&disk, &infected);
        let core = node.core();
        let a = opened(core).await;
        infected.infect(a);
        accept_deposits(core, a, 8).await;
        out_of_service(core, a).await;
        infected.heal();
        decided(core, resume(a), None).await;
        // This deposit finds the entity in service while the earlier ones still wait for their
        // retry.
        accept(core, deposit(a, 9), None).await;
        executed(core).await;
        // Three executions failed before the entity was out of service.
        assert_eq!(moved(core, a).await, [4, 5, 6, 7, 8, 9]);
        node.shutdown().await.unwrap();
    });
}

#[test]
fn what_was_accepted_before_a_crash_is_executed_in_its_order() {
    run(async {
        let (disk, infected) = (SimulatedDisk::new(), Arc::default());
        let node = start_infected(&disk, &infected);
        let a = opened(node.core()).await;
        infected.infect(a);
        accept_deposits(node.core(), a, 8).await;
        out_of_service(node.core(), a).await;
        infected.heal();
        drop(node);
        disk.crash(3, florin_storage::CrashMode::LoseAll);
        let node = start_infected(&disk, &infected);
        let core = node.core();
        decided(core, resume(a), None).await;
        executed(core).await;
        // Three executions failed before; the record of the last failure may not have become
        // durable.
        let moved = moved(core, a).await;
        let wanted = [1, 2, 3, 4, 5, 6, 7, 8];
        assert!(moved.len() >= 5 && wanted.ends_with(&moved), "{moved:?}");
        node.shutdown().await.unwrap();
    });
}

#[test]
fn an_item_with_the_key_of_a_command_not_yet_executed_waits_for_it() {
    run(async {
        let (disk, infected) = (SimulatedDisk::new(), Arc::default());
        let node = start_infected(&disk, &infected);
        let core = node.core();
        let (a, b) = (opened(core).await, opened(core).await);
        decided(core, deposit(a, 10), None).await;
        infected.infect(b);
        for _ in 0..3 {
            faulted(core, deposit(b, 1), None).await;
        }
        out_of_service(core, b).await;
        infected.heal();
        accept(core, transfer(a, b, 3), Some("once")).await;
        let batch = || {
            let Command::Transfer(transfer) = transfer(a, b, 3) else {
                unreachable!()
            };
            let item = BatchItem {
                transfer,
                pending: None,
                key: Some("once".into()),
            };
            Command::Batch(Box::new(Batch {
                atomic: false,
                items: vec![item],
            }))
        };
        let wait = Duration::from_secs(1);
        let waited = core.submit(batch(), context(None), wait).unwrap().await;
        assert!(matches!(waited, Reply::TimedOut(_)), "{waited:?}");
        decided(core, resume(b), None).await;
        executed(core).await;
        decided(core, batch(), None).await;
        assert_eq!(moved(core, b).await, [3]);
        node.shutdown().await.unwrap();
    });
}
