//! Events of batches and of transactions of many legs.

use super::*;

#[test]
fn a_transaction_of_many_legs_tells_every_end_s_part() {
    run(async {
        let told_by = Told::new();
        let (a, b) = (told_by.account(100).await, told_by.account(0).await);
        let (c, d) = (told_by.wallet("USD").await, told_by.wallet("USD").await);
        decided(told_by.core(), deposit(c, 7), None).await;
        let moved = told_by
            .of(legs(&[(a, b, 60), (b, a, 10), (c, d, 7)]), None)
            .await;
        assert_eq!(names(&moved), MADE);
        assert_eq!(keys(&moved), [a, a]);
        for event in &moved {
            let value = value(event);
            assert_eq!(
                (&value["amount"], &value["currency"]),
                (&Json::Null, &Json::Null)
            );
            assert_eq!(value["reference"], "exchange");
            let postings = value["postings"].as_array().unwrap();
            let found: Vec<_> = postings
                .iter()
                .map(|part| {
                    (
                        &part["id"],
                        &part["amount"],
                        &part["balance_after"],
                        &part["version"],
                    )
                })
                .map(|(id, amount, balance, version)| {
                    let id: EntityId = id.as_str().unwrap().parse().unwrap();
                    (id, amount.as_i64(), balance.as_i64(), version.as_i64())
                })
                .collect();
            assert_eq!(found.len(), 4, "{found:?}");
            for part in [
                (a, Some(-50), Some(50), Some(3)),
                (b, Some(50), Some(50), Some(2)),
                (c, Some(-7), Some(0), Some(3)),
                (d, Some(7), Some(7), Some(2)),
            ] {
                assert!(found.contains(&part), "{part:?}: {found:?}");
            }
        }
    });
}

#[test]
fn a_batch_tells_of_each_item_that_was_decided() {
    run(async {
        let told_by = Told::new();
        let (a, b) = (told_by.account(100).await, told_by.account(0).await);
        let keyed = |item: BatchItem, key: &str| BatchItem {
            key: Some(key.into()),
            ..item
        };
        let mut pending = keyed(item(a, b, 4), "pending");
        pending.pending = Some(None);
        let items = vec![
            item(a, b, 30),
            keyed(item(b, a, 10), "second"),
            item(a, b, 9_999),
            keyed(item(a, b, 9_999), "refused"),
            pending,
            item(a, b, 1),
        ];
        let first = told_by.of(batch(false, items.clone()), Some("batch")).await;
        let made = [&MADE[..], &["TransferCompleted"]].concat();
        let wanted = [
            made.clone(),
            made.clone(),
            vec!["TRANSACTION_FAILED", "TransferFailed"],
            vec!["TRANSACTION_INITIATED"],
            made,
        ];
        assert_eq!(names(&first), wanted.concat());
        let ends = |event: &BusEvent| {
            let value = value(event);
            let end = |name: &str| {
                let end = &value[name];
                (
                    end["version"].as_u64().unwrap(),
                    end["balance_after"].as_i64().unwrap(),
                )
            };
            (end("from"), end("to"))
        };
        // Account `a` starts at version 2 and balance 100, account `b` at version 1 and balance 0.
        assert_eq!(ends(&first[1]), ((3, 70), (2, 30)));
        assert_eq!(ends(&first[4]), ((3, 20), (4, 80)));
        assert_eq!(value(&first[8])["from"]["version"], 5);
        assert_eq!(ends(&first[11]), ((6, 79), (4, 21)));
        assert_eq!(value(&first[5])["idempotency_key"], "second");
        assert_eq!(value(&first[7])["idempotency_key"], "refused");
        assert_eq!(value(&first[2]).get("idempotency_key"), None);
        let transfers: BTreeMap<String, ()> = first
            .iter()
            .map(value)
            .filter_map(|value| Some((value.get("transferId")?.to_string(), ())))
            .collect();
        assert_eq!(transfers.len(), 5, "each item has a transfer of its own");
        // An item that is repeated under its key makes no further events.
        let again = told_by.of(batch(false, items), Some("again")).await;
        let made = [&MADE[..], &["TransferCompleted"]].concat();
        assert_eq!(names(&again), [made.clone(), made].concat());
        assert_eq!(ends(&again[1]).0, (7, 49));
    });
}

/// The largest batch, from one hot account: the events show the balance that each item left, and
/// are made in linear time.
#[test]
fn every_item_of_the_largest_batch_is_told_as_of_itself() {
    const ITEMS: u32 = 10_000;
    let id = |random| EntityId::from_parts(1, random, 0);
    let currency: Currency = "KES".parse().unwrap();
    let (hot, others) = (id(0), [id(1), id(2)]);
    let credited = |amount| {
        vec![Event::Account(AccountEvent::Money(MoneyEvent::Credited(
            amount,
        )))]
    };
    let posting = |change, item, amount, balance| Posting {
        change,
        item,
        amount,
        currency,
        balance,
        held: 0,
        overdraft: Overdraft::Limit(0),
    };
    let mut items = Vec::new();
    let mut postings = Vec::new();
    for index in 0..ITEMS {
        let to = index % 2;
        let left = i128::from(ITEMS - index - 1);
        items.push(item(hot, others[to as usize], 1));
        postings.push(posting(0, index, -1, left));
        postings.push(posting(to + 1, index, 1, i128::from(index / 2 + 1)));
    }
    let change = |entity, raised, version| Change {
        entity,
        version,
        raised,
        previous: 1,
        events: credited(amount(1)),
    };
    let record = Record {
        sequence: 9,
        time: Timestamp::from_micros(1_700_000_000_000_000),
        epoch: 0,
        operation_id: OperationId::from_parts(1, 77, 0),
        caller: Caller::default(),
        key: None,
        request_id: RequestId::given("r").unwrap(),
        correlation_id: None,
        causation_id: None,
        trace: None,
        command: batch(true, items),
        execution: None,
        outcome: Outcome::Done(Some(Box::new(Shown::Batch(Vec::new(), Vec::new())))),
        changes: vec![
            change(hot, ITEMS, 2 + u64::from(ITEMS)),
            change(others[0], ITEMS / 2, 1 + u64::from(ITEMS / 2)),
            change(others[1], ITEMS / 2, 1 + u64::from(ITEMS / 2)),
        ],
        postings,
        input: None,
    };
    let events = events_of(&record);
    assert_eq!(events.len() as u32, 3 * ITEMS);
    for (index, three) in (0_u64..).zip(events.chunks(3)) {
        let completed = value(&three[1]);
        let (from, to) = (&completed["from"], &completed["to"]);
        let left = u64::from(ITEMS) - index - 1;
        assert_eq!(
            (&from["version"], &from["balance_after"]),
            (&json!(index + 3), &json!(left))
        );
        assert_eq!(to["version"], index / 2 + 2, "{index}");
        assert_eq!(to["balance_after"], index / 2 + 1, "{index}");
        assert_eq!(to["id"], others[index as usize % 2].to_string());
    }
}
