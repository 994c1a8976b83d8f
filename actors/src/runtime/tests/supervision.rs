//! Entities whose code fails: others are undisturbed, the entity comes back as it was, and after
//! too many faults it is out of service until it is resumed.

use std::panic::resume_unwind;
use std::sync::Mutex;

use super::*;
use crate::record_codec::decode_personal;

/// Makes the entities in the set fail.
#[derive(Default)]
pub(super) struct Infected(Mutex<Vec<EntityId>>);

impl Infected {
    pub(super) fn infect(&self, entity: EntityId) {
        self.0.lock().unwrap().push(entity);
    }

    pub(super) fn heal(&self) {
        self.0.lock().unwrap().clear();
    }
}

impl Intercept for Infected {
    fn decide(&self, _: EntityId) {}

    fn evolve(&self, entity: EntityId) {
        if self.0.lock().unwrap().contains(&entity) {
            resume_unwind(Box::new("infected"));
        }
    }
}

pub(super) fn start_infected(disk: &SimulatedDisk, infected: &Arc<Infected>) -> Node {
    let mut options = options(disk, true, TestClock::start());
    options.intercept = Arc::clone(infected) as Arc<dyn Intercept>;
    Node::start(options).unwrap()
}

pub(super) async fn faulted(core: &Core, command: Command, key: Option<&str>) {
    let answer = decided(core, command, key).await;
    assert_eq!(code(&answer), Some(Code::ActorFaulted));
    assert!(answer.stored);
}

async fn refused(core: &Core, command: Command) -> Unavailable {
    let wait = Duration::from_secs(5);
    match core.submit(command, context(None), wait).unwrap().await {
        Reply::Unavailable(reason) => reason,
        other => panic!("it was answered: {other:?}"),
    }
}

pub(super) async fn actor(core: &Core, entity: EntityId) -> ActorView {
    let page = core.actors(ActorFilter::default(), None, 100).await;
    let found = page.unwrap().entries;
    found.into_iter().find(|actor| actor.id == entity).unwrap()
}

pub(super) fn resume(entity: EntityId) -> Command {
    let kind = Kind::Account;
    Command::Resume(Resume { entity, kind })
}

async fn balance(core: &Core, account: EntityId) -> i64 {
    core.account(account)
        .await
        .unwrap()
        .unwrap()
        .view
        .balances
        .balance
}

#[test]
fn an_entity_that_fails_is_read_anew_and_others_go_on() {
    run(async {
        let (disk, infected) = (SimulatedDisk::new(), Arc::default());
        let node = start_infected(&disk, &infected);
        let core = node.core();
        let (a, b) = (opened(core).await, opened(core).await);
        decided(core, deposit(a, 10), None).await;
        infected.infect(a);
        let wait = Duration::from_secs(5);
        let failing = core
            .submit(transfer(a, b, 3), context(Some("poison")), wait)
            .unwrap();
        // The commands behind it in the mailbox keep their place, and no other actor waits.
        let next = core.submit(deposit(a, 5), context(None), wait).unwrap();
        let other = decided(core, deposit(b, 1), None).await;
        assert_eq!(other.balances(b).unwrap().balance, 1);
        let Reply::Decided(failed) = failing.await else {
            panic!("not decided")
        };
        assert_eq!(code(&failed), Some(Code::ActorFaulted));
        assert_eq!(actor(core, a).await.state, "restarting");
        infected.heal();
        let Reply::Decided(next) = next.await else {
            panic!("not decided")
        };
        assert_eq!(next.balances(a).unwrap().balance, 15);
        let seen = actor(core, a).await;
        assert_eq!((seen.state, seen.restarts), ("live", 1));
        assert_eq!(seen.last_fault.as_deref(), Some("infected"));
        // The same request is refused without being executed again.
        let again = decided(core, transfer(a, b, 3), Some("poison")).await;
        assert!(again.replayed);
        assert_eq!(code(&again), Some(Code::ActorFaulted));
        assert_eq!(balance(core, a).await, 15);
        node.shutdown().await.unwrap();
    });
}

#[test]
fn the_end_of_a_transfer_that_failed_is_the_one_that_is_started_anew() {
    run(async {
        let (disk, infected) = (SimulatedDisk::new(), Arc::default());
        let node = start_infected(&disk, &infected);
        let core = node.core();
        let (a, b) = (opened(core).await, opened(core).await);
        decided(core, deposit(a, 10), None).await;
        infected.infect(b);
        faulted(core, transfer(a, b, 3), None).await;
        assert_eq!(actor(core, a).await.restarts, 0);
        assert_eq!(actor(core, b).await.restarts, 1);
        infected.heal();
        let moved = decided(core, transfer(a, b, 3), None).await;
        assert_eq!(moved.balances(b).unwrap().balance, 3);
        node.shutdown().await.unwrap();
    });
}

#[test]
fn one_fault_too_many_takes_an_actor_out_of_service_until_it_is_resumed() {
    run(async {
        let (disk, infected) = (SimulatedDisk::new(), Arc::default());
        let node = start_infected(&disk, &infected);
        let core = node.core();
        let (a, b) = (opened(core).await, opened(core).await);
        decided(core, deposit(a, 10), None).await;
        decided(core, deposit(b, 10), None).await;
        infected.infect(a);
        for _ in 0..3 {
            faulted(core, deposit(a, 1), None).await;
        }
        infected.heal();
        assert_eq!(refused(core, deposit(a, 1)).await, Unavailable::Quarantined);
        assert_eq!(
            refused(core, transfer(b, a, 1)).await,
            Unavailable::Quarantined
        );
        assert_eq!(balance(core, a).await, 10);
        node.shutdown().await.unwrap();
        // The quarantine outlives a restart and a crash.
        let node = start_infected(&disk, &infected);
        assert_eq!(
            refused(node.core(), deposit(a, 1)).await,
            Unavailable::Quarantined
        );
        drop(node);
        disk.crash(3, florin_storage::CrashMode::LoseAll);
        let node = start_infected(&disk, &infected);
        let core = node.core();
        assert_eq!(balance(core, a).await, 10);
        let seen = actor(core, a).await;
        assert_eq!((seen.state, seen.kind), ("quarantined", "account"));
        assert_eq!(seen.last_fault.as_deref(), Some("infected"));
        assert_eq!(
            refused(core, transfer(b, a, 1)).await,
            Unavailable::Quarantined
        );
        // Other entities are not affected.
        decided(core, deposit(b, 1), None).await;
        let resumed = decided(core, resume(a), Some("resume-a")).await;
        assert!(resumed.stored && code(&resumed).is_none());
        let done = decided(core, deposit(a, 1), None).await;
        assert_eq!(done.balances(a).unwrap().balance, 11);
        let again = decided(core, resume(a), Some("resume-a")).await;
        assert!(again.replayed);
        drop(node);
        disk.crash(4, florin_storage::CrashMode::LoseAll);
        let node = start_infected(&disk, &infected);
        decided(node.core(), deposit(a, 1), None).await;
        node.shutdown().await.unwrap();
    });
}

#[test]
fn resuming_what_is_in_service_changes_nothing_and_what_is_nowhere_is_not_found() {
    run(async {
        let (disk, infected) = (SimulatedDisk::new(), Arc::default());
        let node = start_infected(&disk, &infected);
        let core = node.core();
        let a = opened(core).await;
        let resumed = decided(core, resume(a), None).await;
        assert!(resumed.stored && code(&resumed).is_none());
        let stranger = EntityId::from_parts(1, 2, 3);
        let nowhere = decided(core, resume(stranger), None).await;
        assert_eq!(code(&nowhere), Some(Code::NotFound));
        let other_kind = Command::Resume(Resume {
            entity: a,
            kind: Kind::External,
        });
        let other_kind = decided(core, other_kind, None).await;
        assert_eq!(code(&other_kind), Some(Code::NotFound));
        node.shutdown().await.unwrap();
    });
}

#[test]
fn a_resume_whose_caller_left_does_not_end_a_quarantine_that_came_after_it() {
    run(async {
        let (disk, infected) = (SimulatedDisk::new(), Arc::<Infected>::default());
        let mut slow = options(&disk, true, TestClock::start());
        slow.intercept = Arc::clone(&infected) as Arc<dyn Intercept>;
        slow.limits.supervision.restarts_max = 0;
        let node = Node::start(slow).unwrap();
        let core = node.core();
        let a = opened(core).await;
        let wait = Duration::from_secs(5);
        // The record that the resume depends on is not durable when the resume's caller leaves.
        let before = core.submit(deposit(a, 1), context(None), wait).unwrap();
        let soon = Duration::from_millis(1);
        let left = core.submit(resume(a), context(None), soon).unwrap().await;
        assert!(matches!(left, Reply::TimedOut(_)), "{left:?}");
        infected.infect(a);
        faulted(core, deposit(a, 1), None).await;
        infected.heal();
        assert!(matches!(before.await, Reply::Decided(_)));
        assert_eq!(refused(core, deposit(a, 1)).await, Unavailable::Quarantined);
        node.shutdown().await.unwrap();
        let node = start_infected(&disk, &infected);
        let after = refused(node.core(), deposit(a, 1)).await;
        assert_eq!(after, Unavailable::Quarantined);
        node.shutdown().await.unwrap();
    });
}

#[test]
fn faults_further_apart_than_the_window_are_not_counted_together() {
    run(async {
        let (disk, infected) = (SimulatedDisk::new(), Arc::default());
        let node = start_infected(&disk, &infected);
        let core = node.core();
        let a = opened(core).await;
        for _ in 0..6 {
            infected.infect(a);
            faulted(core, deposit(a, 1), None).await;
            infected.heal();
            tokio::time::sleep(Duration::from_secs(31)).await;
            decided(core, deposit(a, 1), None).await;
        }
        assert_eq!(actor(core, a).await.restarts, 6);
        node.shutdown().await.unwrap();
    });
}

#[test]
fn holds_expire_though_those_of_an_account_out_of_service_take_all_places_in_flight() {
    run(async {
        let (disk, infected) = (SimulatedDisk::new(), Arc::<Infected>::default());
        let mut narrow = options(&disk, true, TestClock::start());
        narrow.intercept = Arc::clone(&infected) as Arc<dyn Intercept>;
        narrow.limits.supervision.restarts_max = 0;
        narrow.limits.in_flight_max = 2;
        let node = Node::start(narrow).unwrap();
        let core = node.core();
        let (sick, well, to) = (opened(core).await, opened(core).await, opened(core).await);
        for from in [sick, well] {
            decided(core, deposit(from, 10), None).await;
        }
        // The view lists transfers in the order of their times, so those that can't end come first.
        for (from, seconds) in [(sick, 60), (sick, 60), (sick, 60), (well, 61)] {
            let Command::Transfer(transfer) = transfer(from, to, 1) else {
                unreachable!()
            };
            let held = Hold {
                transfer,
                expires_in_seconds: Some(seconds),
            };
            decided(core, Command::Hold(Box::new(held)), None).await;
        }
        infected.infect(sick);
        faulted(core, deposit(sick, 1), None).await;
        infected.heal();
        tokio::time::sleep(Duration::from_secs(70)).await;
        let held = async |of| core.account(of).await.unwrap().unwrap().view.balances.held;
        assert_eq!((held(sick).await, held(well).await), (3, 0));
        node.shutdown().await.unwrap();
    });
}

/// Makes every entity fail while it is set.
#[derive(Default)]
struct Failing(std::sync::atomic::AtomicBool);

impl Intercept for Failing {
    fn decide(&self, _: EntityId) {
        if self.0.load(Ordering::Relaxed) {
            resume_unwind(Box::new("failing"));
        }
    }

    fn evolve(&self, _: EntityId) {}
}

#[test]
fn of_an_opening_that_failed_no_name_is_kept_and_its_key_is_known_again() {
    run(async {
        let disk = SimulatedDisk::new();
        let failing = Arc::new(Failing::default());
        let mut options = options(&disk, true, TestClock::start());
        options.intercept = Arc::clone(&failing) as Arc<dyn Intercept>;
        let node = Node::start(options).unwrap();
        let core = node.core();
        failing.0.store(true, Ordering::Relaxed);
        let first = decided(core, open(), Some("k")).await;
        assert_eq!(code(&first), Some(Code::ActorFaulted));
        failing.0.store(false, Ordering::Relaxed);
        let row = node.reader().personal(first.record.sequence).unwrap();
        let row = row.and_then(florin_storage::PersonalBytes::kept);
        let row = decode_personal(&row.expect("a row")).unwrap();
        assert_eq!(row.value(0), None);
        let again = decided(core, open(), Some("k")).await;
        assert!(again.replayed);
        assert_eq!(again.record, first.record);
        let mut other = open();
        if let Command::OpenAccount(open) = &mut other {
            open.holder = Personal::Plain("Grace".into());
        }
        let refused = decided(core, other, Some("k")).await;
        assert_eq!(code(&refused), Some(Code::IdempotencyKeyReused));
        node.shutdown().await.unwrap();
    });
}
