//! Commands that messages bring: each leaves a record, even if it is refused, and is found by the
//! operation id that its sender gave it.

use super::*;

const WAIT: Duration = Duration::from_secs(5);

fn input(offset: i64, operation: u128) -> Input {
    Input {
        operation_id: OperationId::from_bytes(operation.to_be_bytes()),
        ..Input::unnamed("deposit-requests".into(), Incarnation::default(), 0, offset)
    }
}

async fn brought(core: &Core, command: Command, key: &str, input: &Input) -> Decided {
    let context = Context {
        input: Some(Box::new(input.clone())),
        ..context(Some(key))
    };
    match core.submit(command, context, WAIT).unwrap().await {
        Reply::Decided(decided) => *decided,
        other => panic!("not decided: {other:?}"),
    }
}

async fn found(core: &Core, id: OperationId) -> Option<Decided> {
    match core.operation(id).await.unwrap() {
        Some(Operation::Decided(decided)) => Some(*decided),
        Some(pending) => panic!("not decided: {pending:?}"),
        None => None,
    }
}

fn durable(core: &Core) -> u64 {
    core.health().journal_durable
}

#[test]
fn an_operation_is_found_by_its_sender_s_name_also_after_a_restart() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, true);
        let core = node.core();
        let account = opened(core).await;
        let input = input(7, 0x1234);
        let made = brought(core, deposit(account, 5), "k", &input).await;
        assert_eq!(made.record.input.as_ref(), Some(&input));
        let by_name = found(core, input.operation_id).await.unwrap();
        assert_eq!(by_name.record, made.record);
        assert!(!core.is_own_operation(input.operation_id).await.unwrap());
        let own = made.record.operation_id;
        assert!(core.is_own_operation(own).await.unwrap());
        node.shutdown().await.unwrap();

        let node = start(&disk, true);
        let by_name = found(node.core(), input.operation_id).await.unwrap();
        assert_eq!(by_name.record, made.record);
        node.shutdown().await.unwrap();
    });
}

#[test]
fn a_message_that_names_another_s_operation_hides_it_from_nobody() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, true);
        let core = node.core();
        let account = opened(core).await;
        let first = decided(core, deposit(account, 5), None).await.record;
        let lying = Input {
            operation_id: first.operation_id,
            ..input(1, 0)
        };
        brought(core, deposit(account, 6), "k", &lying).await;
        let shown = found(core, first.operation_id).await.unwrap();
        assert_eq!(shown.record, first);
        node.shutdown().await.unwrap();
    });
}

#[test]
fn every_refusal_of_a_message_has_one_record() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, true);
        let core = node.core();
        let account = opened(core).await;
        let nobody = EntityId::from_parts(1, 2, 3);
        let unknown = input(1, 0x11);
        let refused = brought(core, deposit(nobody, 5), "a", &unknown).await;
        assert_eq!(
            (code(&refused), refused.stored),
            (Some(Code::NotFound), true)
        );
        brought(core, deposit(account, 5), "b", &input(2, 0x12)).await;
        let other = input(3, 0x13);
        let reused = brought(core, deposit(account, 6), "b", &other).await;
        let is_reused = Some(Code::IdempotencyKeyReused);
        assert_eq!((code(&reused), reused.stored), (is_reused, true));
        let shown = found(core, other.operation_id).await.unwrap();
        assert_eq!(shown.record, reused.record);
        // A message that is delivered again writes nothing.
        let before = durable(core);
        let again = brought(core, deposit(nobody, 5), "a", &unknown).await;
        assert_eq!(again.record, refused.record);
        let again = brought(core, deposit(account, 6), "b", &other).await;
        assert_eq!(again.record, reused.record);
        let first = brought(core, deposit(account, 5), "b", &input(2, 0x12)).await;
        assert!(first.replayed && code(&first).is_none());
        assert_eq!(durable(core), before);
        let balance = core.account(account).await.unwrap().unwrap().view.balances;
        assert_eq!(balance.balance, 5);
        node.shutdown().await.unwrap();
    });
}

#[test]
fn an_item_s_key_is_the_key_of_the_same_transfer_asked_for_by_a_message() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, true);
        let core = node.core();
        let (from, to) = (opened(core).await, opened(core).await);
        decided(core, deposit(from, 100), None).await;
        let transfer = |value: u64| Transfer {
            from,
            to,
            amount: Amount::new(value).unwrap(),
            currency: None,
            reference: None,
            metadata: Metadata::default(),
        };
        let alone = |value| Command::Transfer(transfer(value));
        let batch = |value, key: &str| {
            let item = BatchItem {
                transfer: transfer(value),
                pending: None,
                key: Some(key.into()),
            };
            Command::Batch(Box::new(Batch {
                atomic: false,
                items: vec![item],
            }))
        };
        for (offset, value) in [(1, 5), (2, 700)] {
            let refused = (value == 700).then_some(Code::InsufficientFunds);
            let key = format!("item-first-{value}");
            let first = decided(core, batch(value, &key), None).await;
            let item = first.record.item_alone(0).unwrap();
            let replay = brought(core, alone(value), &key, &input(offset, 0)).await;
            assert!(replay.replayed);
            assert_eq!((code(&replay), &replay.record), (refused, &item));

            let key = format!("message-first-{value}");
            let named = input(10 + offset, u128::from(value));
            let first = brought(core, alone(value), &key, &named).await;
            assert_eq!(code(&first), refused);
            let then = decided(core, batch(value, &key), None).await;
            let told = then.record.item(0).and_then(|(_, other)| other.cloned());
            match told {
                Some(ItemResult::RefusedBefore(rejection)) => {
                    assert_eq!(Some(rejection.code), refused);
                }
                Some(ItemResult::Replayed(id, TransferStatus::Posted)) => {
                    assert_eq!((id, refused), (first.record.operation_id.transfer(), None));
                }
                other => panic!("the item is no replay: {other:?}"),
            }
        }
        let balances = core.account(to).await.unwrap().unwrap().view.balances;
        assert_eq!(balances.balance, 10);
        node.shutdown().await.unwrap();
    });
}
