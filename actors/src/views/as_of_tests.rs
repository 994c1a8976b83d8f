//! Tests that compare milestones, and the queries that use them, with a walk over all records.

use std::sync::Arc;

use florin_storage::{Disk, Reader, SimulatedDisk};
use proptest::prelude::*;

use super::sample::{Sample, Still, account, outside};
use super::*;
use crate::entities::*;
use crate::words::*;

fn options(flush_records_max: u64, milestone_records: u64) -> ProjectorOptions {
    ProjectorOptions {
        flush_records_max,
        flush_millis_max: u64::MAX,
        states_kept_max: 2,
        keys_max: 1_000,
        keys_millis_max: 1_000_000,
        index_memory_bytes_max: 0,
        milestone_records,
    }
}

fn project(disk: &SimulatedDisk, reader: &Reader, options: ProjectorOptions) -> Arc<Views> {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (views, _) = Views::open(&shared, 1 << 20, false).unwrap();
    let memory = views.index_memory();
    let indexes = Indexes::open(
        &shared,
        reader.clone(),
        1_000,
        options,
        memory,
        Crew::new(None),
    )
    .unwrap();
    let (clock, sealed) = (Arc::new(Still), Box::new(|_| {}));
    let mut projector = Projector::new(
        Arc::clone(&views),
        reader.clone(),
        clock,
        options,
        indexes,
        sealed,
    );
    while projector.step().unwrap() {}
    views
}

/// Returns the expected balance, found by a walk over all records before a time.
fn walk(sample: &Sample, entity: EntityId, time: Timestamp) -> Option<Standing> {
    let mut standing: Option<Standing> = None;
    for record in sample.records.iter().filter(|record| record.time < time) {
        for (place, change) in record.changes.iter().enumerate() {
            if change.entity != entity {
                continue;
            }
            let before = standing.unwrap_or(Standing {
                balance: 0,
                held: 0,
                overdraft: Overdraft::Unlimited,
                version: 0,
            });
            let posting = record
                .postings
                .iter()
                .find(|one| one.change as usize == place);
            let overdraft = change.events.iter().find_map(|event| match event {
                Event::Account(AccountEvent::Opened(opened)) => Some(opened.overdraft),
                Event::Account(AccountEvent::OverdraftChanged(limit)) => Some(*limit),
                _ => None,
            });
            standing = Some(Standing {
                balance: posting.map_or(before.balance, |one| one.balance),
                held: 0,
                overdraft: overdraft.unwrap_or(before.overdraft),
                version: change.version,
            });
        }
    }
    standing
}

/// Returns the operation ids of an entity's movements in a period, newest first.
fn moved(sample: &Sample, entity: EntityId, period: Period) -> Vec<OperationId> {
    let all = sample.records.iter().rev();
    let within = all.filter(|record| record.time >= period.from && record.time < period.to);
    let own = within.filter(|record| record.balances(entity).is_some());
    own.map(|record| record.operation_id).collect()
}

#[derive(Debug, Clone, Copy)]
enum Deed {
    Move(i64),
    Overdraft(u64),
    Status(bool),
}

fn deeds() -> impl Strategy<Value = Vec<(u128, Deed, i64)>> {
    let deed = prop_oneof![
        6 => (1..50i64).prop_map(Deed::Move),
        2 => (-50..0i64).prop_map(Deed::Move),
        1 => (0..9_000u64).prop_map(Deed::Overdraft),
        1 => any::<bool>().prop_map(Deed::Status),
    ];
    // Many records share a time, because clocks are coarse.
    prop::collection::vec((0..3u128, deed, 0..3i64), 1..120)
}

fn sample_of(deeds: &[(u128, Deed, i64)]) -> Sample {
    let mut sample = Sample::default();
    let mut now = -20;
    for number in 0..3 {
        sample.open(account(number), now);
        now += 2;
    }
    for (number, deed, later) in deeds {
        now += later;
        let account = account(*number);
        match *deed {
            Deed::Move(amount) => sample.move_money(account, amount, now),
            Deed::Overdraft(limit) => sample.set_overdraft(account, limit, now),
            Deed::Status(true) => sample.set_status(account, AccountStatus::Active, now),
            Deed::Status(false) => sample.set_status(account, AccountStatus::Frozen, now),
        }
    }
    sample
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_balance_at_any_time_and_the_movements_of_any_period_are_those_of_a_walk(
        deeds in deeds(),
        flush in 1..40u64,
        every in prop::sample::select(vec![2u64, 3, 8, 64]),
        per_frame in 1..9usize,
    ) {
        let sample = sample_of(&deeds);
        let disk = SimulatedDisk::new();
        let reader = sample.write(&disk, per_frame);
        let views = project(&disk, &reader, options(flush, every));
        let first = sample.records[0].time.as_micros() - 2;
        let last = sample.records[sample.records.len() - 1].time.as_micros() + 2;
        for entity in [account(0), account(1), account(2), outside()] {
            let head = sample.last(entity);
            for micros in first..=last {
                let time = Timestamp::from_micros(micros);
                let found = as_of(&views, &reader, entity, head, time).unwrap();
                prop_assert_eq!(found, walk(&sample, entity, time), "{} at {}", entity, micros);
            }
            if entity == outside() {
                continue;
            }
            for from in (first..=last).step_by(3) {
                for to in (from..=last).step_by(2) {
                    let period = Period {
                        from: Timestamp::from_micros(from),
                        to: Timestamp::from_micros(to),
                    };
                    let begin = views.begin(entity, period).unwrap().unwrap_or(head);
                    let mut begin = Mark {
                        record: begin,
                        shown: 0,
                    };
                    let mut found = Vec::new();
                    loop {
                        let page = read_movements(&reader, entity, begin, period, 3).unwrap();
                        prop_assert!(page.entries.len() == 3 || page.next.is_none());
                        found.extend(page.entries.iter().map(|entry| entry.transaction_id));
                        match page.next {
                            Some(next) => begin = next,
                            None => break,
                        }
                    }
                    prop_assert_eq!(found, moved(&sample, entity, period));
                }
            }
        }
    }
}

#[test]
fn an_entity_with_fewer_records_than_a_milestone_takes_has_no_row() {
    let mut sample = Sample::default();
    sample.open(account(0), 0);
    sample.open(account(1), 0);
    for micros in 1..64 {
        sample.move_money(account(0), 1, micros);
    }
    for micros in 64..80 {
        sample.move_money(account(1), 1, micros);
    }
    let disk = SimulatedDisk::new();
    let reader = sample.write(&disk, 5);
    let views = project(&disk, &reader, options(30, 64));
    let always = Timestamp::from_micros(0);
    // These are the 64th records of one account and of the external account.
    assert_eq!(views.milestone_after(account(0), always), Ok(Some(65)));
    assert_eq!(views.milestone_after(outside(), always), Ok(Some(66)));
    assert_eq!(views.milestone_after(account(1), always), Ok(None));
}
