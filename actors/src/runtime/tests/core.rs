//! Commands, keys, deadlines and reads.

use super::*;
use crate::views::Period;

#[test]
fn money_moves_and_the_answer_shows_both_ends() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, true);
        let core = node.core();
        let (a, b) = (opened(core).await, opened(core).await);
        decided(core, deposit(a, 100), None).await;
        let moved = decided(core, transfer(a, b, 30), None).await;
        assert_eq!(moved.balances(a).unwrap().balance, 70);
        assert_eq!(moved.balances(b).unwrap().balance, 30);
        let refused = decided(core, transfer(a, b, 71), None).await;
        assert_eq!(code(&refused), Some(Code::InsufficientFunds));
        assert!(!refused.stored);
        let same = decided(core, transfer(a, a, 1), None).await;
        assert_eq!(code(&same), Some(Code::SameAccount));
        let shown = core.account(a).await.unwrap().unwrap();
        assert_eq!(shown.view.balances.balance, 70);
        assert_eq!(shown.view.balances.version, 3);
        assert_eq!(shown.personal.as_deref(), Some(&["Ada".into()][..]));
        let page = core
            .movements(a, Kind::Account, Period::ALWAYS, None, 10)
            .await
            .unwrap()
            .unwrap();
        let amounts: Vec<_> = page
            .entries
            .iter()
            .map(|m| (m.amount, m.balance_after))
            .collect();
        assert_eq!(amounts, [(-30, 70), (100, 100)]);
        assert_eq!(page.next, None);
        let totals = core.trial_balance().await.unwrap();
        assert_eq!(
            totals.currencies[0].1,
            Totals {
                debits: 130,
                credits: 130
            }
        );
        node.shutdown().await.unwrap();
    });
}

#[test]
fn a_key_has_one_effect_and_one_answer_across_a_crash() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, true);
        let a = opened(node.core()).await;
        let first = decided(node.core(), deposit(a, 5), Some("k")).await;
        // There are enough other keys for this key to leave memory for a segment.
        for round in 0..40 {
            decided(node.core(), deposit(a, 1), Some(&format!("other-{round}"))).await;
        }
        let again = decided(node.core(), deposit(a, 5), Some("k")).await;
        assert!(again.replayed);
        assert_eq!(again.record, first.record);
        drop(node);
        disk.crash(1, florin_storage::CrashMode::LoseAll);
        let node = start(&disk, true);
        let again = decided(node.core(), deposit(a, 5), Some("k")).await;
        assert!(again.replayed);
        assert_eq!(again.record, first.record);
        let other = decided(node.core(), deposit(a, 6), Some("k")).await;
        assert_eq!(code(&other), Some(Code::IdempotencyKeyReused));
        assert_eq!(
            node.core()
                .account(a)
                .await
                .unwrap()
                .unwrap()
                .view
                .balances
                .balance,
            45
        );
        let operation = node
            .core()
            .operation(first.record.operation_id)
            .await
            .unwrap();
        assert!(
            matches!(operation, Some(Operation::Decided(found)) if found.record == first.record)
        );
        node.shutdown().await.unwrap();
    });
}

#[test]
fn a_thousand_repeats_at_once_have_one_effect() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, true);
        let core = node.core();
        let a = opened(core).await;
        let wait = Duration::from_secs(5);
        let waiting: Vec<_> = (0..999)
            .map(|_| {
                core.submit(deposit(a, 5), context(Some("k")), wait)
                    .unwrap()
            })
            .collect();
        let mut fresh = 0;
        for confirmation in waiting {
            let Reply::Decided(decided) = confirmation.await else {
                panic!("not decided")
            };
            fresh += usize::from(!decided.replayed);
            assert_eq!(decided.balances(a).unwrap().balance, 5);
        }
        assert_eq!(fresh, 1);
        node.shutdown().await.unwrap();
    });
}

#[test]
fn balances_are_right_while_the_projector_is_stopped() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, false);
        let a = opened(node.core()).await;
        decided(node.core(), deposit(a, 5), None).await;
        assert_eq!(
            node.core()
                .account(a)
                .await
                .unwrap()
                .unwrap()
                .view
                .balances
                .balance,
            5
        );
        let listed = node
            .core()
            .accounts(AccountFilter::default(), None, 10)
            .await;
        assert_eq!(listed.unwrap_err(), Unavailable::ViewBehind);
        drop(node);
        disk.crash(1, florin_storage::CrashMode::LoseAll);
        let node = start(&disk, true);
        assert_eq!(
            node.core()
                .account(a)
                .await
                .unwrap()
                .unwrap()
                .view
                .balances
                .balance,
            5
        );
        let listed = node
            .core()
            .accounts(AccountFilter::default(), None, 10)
            .await
            .unwrap();
        assert_eq!(listed.entries.len(), 1);
        assert_eq!(
            listed.entries[0].personal.as_deref(),
            Some(&["Ada".into()][..])
        );
        node.shutdown().await.unwrap();
    });
}

#[test]
fn an_unknown_account_is_not_found_and_not_kept() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, true);
        let core = node.core();
        let unknown = EntityId::from_parts(1, 2, 3);
        assert_eq!(core.account(unknown).await.unwrap(), None);
        let refused = decided(core, deposit(unknown, 5), Some("k")).await;
        assert_eq!(code(&refused), Some(Code::NotFound));
        let a = opened(core).await;
        decided(core, deposit(a, 5), None).await;
        let refused = decided(core, transfer(a, unknown, 5), None).await;
        assert_eq!(code(&refused), Some(Code::NotFound));
        let external = Kind::External.system_id(Some("KES".parse().unwrap()), a.shard());
        let refused = decided(core, transfer(a, external, 5), None).await;
        assert_eq!(code(&refused), Some(Code::NotFound));
        // The three actors are the account, the external account and the counter.
        assert_eq!(
            core.actors(ActorFilter::default(), None, 10)
                .await
                .unwrap()
                .entries
                .len(),
            3
        );
        node.shutdown().await.unwrap();
    });
}

#[test]
fn a_timed_out_command_tells_its_outcome_later() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, true);
        let core = node.core();
        let a = opened(core).await;
        let wait = Duration::from_micros(10);
        let done = core.submit(deposit(a, 5), context(None), wait).unwrap();
        let refused = core.submit(transfer(a, a, 5), context(None), wait).unwrap();
        let (done_id, refused_id) = (done.operation_id(), refused.operation_id());
        assert!(matches!(done.await, Reply::TimedOut(_)));
        assert!(matches!(refused.await, Reply::TimedOut(_)));
        let pending = core.operation(done_id).await.unwrap();
        assert!(matches!(pending, Some(Operation::Pending { .. })));
        while let Some(Operation::Pending { .. }) = core.operation(done_id).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let Some(Operation::Decided(done)) = core.operation(done_id).await.unwrap() else {
            panic!("no outcome");
        };
        assert_eq!(done.balances(a).unwrap().balance, 5);
        while let Some(Operation::Pending { .. }) = core.operation(refused_id).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let Some(Operation::Decided(refused)) = core.operation(refused_id).await.unwrap() else {
            panic!("no outcome");
        };
        assert_eq!(code(&refused), Some(Code::SameAccount));
        node.shutdown().await.unwrap();
    });
}

#[test]
fn who_listens_to_a_decided_command_is_told_once_its_record_is_durable() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, true);
        let core = node.core();
        let a = opened(core).await;
        let wait = Duration::from_secs(5);
        let confirmation = core.submit(deposit(a, 5), context(None), wait).unwrap();
        let id = confirmation.operation_id();
        // By then the command is decided; its commit takes longer.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let pending = core.pending(None, 10).await.unwrap().entries;
        assert_eq!(pending.iter().map(Operation::id).collect::<Vec<_>>(), [id]);
        let told = tokio::time::timeout(wait, core.wait_for_operation(id)).await;
        assert!(told.is_ok(), "nobody told");
        let Some(Operation::Decided(found)) = core.operation(id).await.unwrap() else {
            panic!("told before it was durable");
        };
        assert_eq!(found.balances(a).unwrap().balance, 5);
        let pending = core.pending(None, 10).await.unwrap().entries;
        assert_eq!(pending, []);
        assert!(matches!(confirmation.await, Reply::Decided(_)));
        node.shutdown().await.unwrap();
    });
}

#[test]
fn who_listens_to_a_command_before_it_is_decided_is_told_too() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, true);
        let core = node.core();
        let a = opened(core).await;
        let wait = Duration::from_secs(5);
        let confirmation = core.submit(deposit(a, 5), context(None), wait).unwrap();
        let id = confirmation.operation_id();
        let before = core.health().journal_durable;
        let told = tokio::time::timeout(wait, core.wait_for_operation(id));
        let (reply, told) = tokio::join!(confirmation, told);
        assert!(matches!(reply, Reply::Decided(_)));
        assert!(told.is_ok(), "nobody told");
        assert!(core.health().journal_durable > before);
        node.shutdown().await.unwrap();
    });
}

#[test]
fn a_jump_of_the_clock_ends_no_wait() {
    run(async {
        let disk = SimulatedDisk::new();
        let clock = TestClock::start();
        let node = start_with(&disk, true, Arc::clone(&clock));
        let core = node.core();
        let a = opened(core).await;
        let day_micros = 86_400_000_000;
        let wait = Duration::from_secs(5);
        // The clock jumps ahead while the command is on its way to its actor.
        let under_way = core.submit(deposit(a, 5), context(None), wait).unwrap();
        clock.ahead_micros.store(day_micros, Ordering::Relaxed);
        let Reply::Decided(ahead) = under_way.await else {
            panic!("not decided");
        };
        assert_eq!(code(&ahead), None);
        // The clock jumps back: record times don't go back, and commands keep their full wait.
        clock.ahead_micros.store(-day_micros, Ordering::Relaxed);
        let back = decided(core, deposit(a, 5), None).await;
        assert_eq!(code(&back), None);
        assert!(back.record.time >= ahead.record.time);
        node.shutdown().await.unwrap();
    });
}

#[test]
fn a_repeat_that_timed_out_leads_to_the_first_outcome() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, true);
        let core = node.core();
        let a = opened(core).await;
        let (long, short) = (Duration::from_secs(5), Duration::from_micros(10));
        let first = core
            .submit(deposit(a, 5), context(Some("k")), long)
            .unwrap();
        let repeat = core
            .submit(deposit(a, 5), context(Some("k")), short)
            .unwrap();
        let repeat_id = repeat.operation_id();
        assert!(matches!(repeat.await, Reply::TimedOut(_)));
        let Reply::Decided(first) = first.await else {
            panic!("not decided")
        };
        while let Some(Operation::Pending { .. }) = core.operation(repeat_id).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let found = core.operation(repeat_id).await.unwrap();
        assert!(matches!(found, Some(Operation::Decided(found)) if found.record == first.record));
        node.shutdown().await.unwrap();
    });
}

#[test]
fn another_request_under_a_key_that_timed_out_tells_its_own_refusal() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, true);
        let core = node.core();
        let a = opened(core).await;
        let (long, short) = (Duration::from_secs(5), Duration::from_micros(10));
        let first = core
            .submit(deposit(a, 5), context(Some("k")), long)
            .unwrap();
        let other = core
            .submit(deposit(a, 6), context(Some("k")), short)
            .unwrap();
        let other_id = other.operation_id();
        assert!(matches!(other.await, Reply::TimedOut(_)));
        assert!(matches!(first.await, Reply::Decided(_)));
        while let Some(Operation::Pending { .. }) = core.operation(other_id).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let Some(Operation::Decided(told)) = core.operation(other_id).await.unwrap() else {
            panic!("no outcome");
        };
        assert_eq!(code(&told), Some(Code::IdempotencyKeyReused));
        assert_eq!(told.record.operation_id, other_id);
        node.shutdown().await.unwrap();
    });
}

#[test]
fn actors_are_counted_as_they_come() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, true);
        let a = opened(node.core()).await;
        opened(node.core()).await;
        let count = |counts: Vec<(&'static str, &'static str, u64)>| {
            counts
                .into_iter()
                .find(|(kind, ..)| *kind == "account")
                .map(|(_, state, n)| (state, n))
        };
        assert_eq!(
            count(node.core().actor_counts().await.unwrap()),
            Some(("live", 2))
        );
        drop(node);
        disk.crash(1, florin_storage::CrashMode::LoseAll);
        let node = start(&disk, true);
        node.core().account(a).await.unwrap();
        assert_eq!(
            count(node.core().actor_counts().await.unwrap()),
            Some(("live", 1))
        );
        node.shutdown().await.unwrap();
    });
}

#[test]
fn a_node_that_goes_while_it_loads_lets_its_thread_go() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, true);
        let a = opened(node.core()).await;
        node.shutdown().await.unwrap();
        disk.kill();
        let slow = Arc::new(AtomicU64::new(10));
        let node = start_reading(&disk, true, TestClock::start(), slow);
        let wait = Duration::from_secs(5);
        let lost = node.core().submit(deposit(a, 5), context(None), wait);
        tokio::time::sleep(Duration::from_millis(5)).await;
        drop(node);
        // The actor waits for its own seat, whatever the directory contains by now.
        assert!(matches!(lost.unwrap().await, Reply::TimedOut(_)));
    });
}

#[test]
fn an_entity_is_not_forgotten_for_a_seat_that_was() {
    run(async {
        let disk = SimulatedDisk::new();
        let millis = Arc::new(AtomicU64::new(0));
        let node = start_reading(&disk, true, TestClock::start(), Arc::clone(&millis));
        let core = node.core();
        let a = opened(core).await;
        // There are enough refusals under keys for the first key to be on disk only.
        for round in 0..40 {
            decided(core, transfer(a, a, 1), Some(&format!("{round}"))).await;
        }
        // Callers must not name this id, and its entity doesn't exist yet. Its actor takes two
        // commands: the seat is removed after the first one, and the second one waits for the disk.
        let external = Kind::External.system_id(Some("KES".parse().unwrap()), a.shard());
        let wait = Duration::from_secs(5);
        let strays = [None, Some("0")].map(|key| {
            core.submit(deposit(external, 1), context(key), wait)
                .unwrap()
        });
        let pause = Duration::from_millis(10);
        for next in [15, 100, 0] {
            millis.store(next, Ordering::Relaxed);
            tokio::time::sleep(pause).await;
        }
        // Meanwhile the entity is created.
        decided(core, deposit(a, 5), None).await;
        for stray in strays {
            assert!(matches!(stray.await, Reply::Decided(_)));
        }
        let external = ActorFilter {
            kind: Some(Kind::External),
            state: None,
        };
        let actors = core.actors(external, None, 10).await;
        assert_eq!(actors.unwrap().entries.len(), 1);
        node.shutdown().await.unwrap();
    });
}

#[test]
fn a_repeat_that_names_its_currency_is_not_refused_when_its_entity_cannot_be_read() {
    run(async {
        let disk = SimulatedDisk::new();
        let named = |to| {
            let mut command = deposit(to, 5);
            *command.currency_mut().unwrap() = Some("KES".parse().unwrap());
            command
        };
        let node = start(&disk, true);
        let id = opened(node.core()).await;
        let first = decided(node.core(), named(id), Some("key")).await;
        node.core().tell(move |ledger| {
            let seat = ledger.residents.seat(id).unwrap();
            *seat.present.borrow_mut() = Present::default();
            seat.enter(crate::runtime::residency::seat::Phase::Quarantined);
        });
        let wait = Duration::from_secs(5);
        let repeat = node
            .core()
            .submit(named(id), context(Some("key")), wait)
            .unwrap()
            .await;
        assert!(
            matches!(repeat, Reply::Unavailable(Unavailable::Quarantined)),
            "{repeat:?}"
        );
        // Without the currency, nothing has to be known about the entity.
        let repeat = decided(node.core(), deposit(id, 5), Some("key")).await;
        assert!(repeat.replayed);
        assert_eq!(repeat.record, first.record);
    });
}

#[test]
fn who_was_told_504_learns_that_the_command_was_turned_away() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, true);
        let core = node.core();
        let id = opened(core).await;
        let in_phase = |phase| {
            core.tell(move |ledger| {
                let seat = ledger.residents.seat(id).unwrap();
                ledger.residents.change_phase(&seat, phase);
            });
        };
        in_phase(crate::runtime::residency::seat::Phase::Restarting);
        let wait = Duration::from_millis(20);
        let waiting = core
            .submit(deposit(id, 1), context(Some("key")), wait)
            .unwrap();
        let operation = waiting.operation_id();
        assert!(matches!(waiting.await, Reply::TimedOut(_)));
        in_phase(crate::runtime::residency::seat::Phase::Quarantined);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let Some(Operation::Decided(told)) = core.operation(operation).await.unwrap() else {
            panic!("its operation says nothing")
        };
        assert_eq!(code(&told), Some(Code::DeadlineExceeded));
    });
}
