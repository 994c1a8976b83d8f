//! Holds, posts, voids and reversals: the order of the rules, and the entity whose version counts.

use super::*;

const WAIT: Duration = Duration::from_secs(5);

fn hold(from: EntityId, to: EntityId, value: u64) -> Command {
    let Command::Transfer(transfer) = transfer(from, to, value) else {
        unreachable!()
    };
    Command::Hold(Box::new(Hold {
        transfer,
        expires_in_seconds: None,
    }))
}

fn post(transfer: EntityId) -> Command {
    Command::Post(Post {
        transfer,
        amount: None,
        is_final: true,
    })
}

fn status(account: EntityId, status: AccountStatus) -> Command {
    Command::UpdateAccount(UpdateAccount {
        account,
        status: Some(status),
        overdraft: None,
    })
}

async fn at_version(core: &Core, command: Command, version: u64) -> Decided {
    let context = Context {
        if_match: Some(version),
        ..context(None)
    };
    match core.submit(command, context, WAIT).unwrap().await {
        Reply::Decided(decided) => *decided,
        other => panic!("not decided: {other:?}"),
    }
}

async fn wallet(core: &Core) -> EntityId {
    let open = Command::OpenWallet(Box::new(OpenWallet {
        customer: EntityId::from_parts(1, 1, 0),
        name: None,
        currency: "KES".parse().unwrap(),
        overdraft: Overdraft::Limit(0),
        limits: WalletLimits::default(),
    }));
    decided(core, open, None).await.record.wallet().unwrap().id
}

#[test]
fn a_reversal_s_precondition_counts_the_transfer_s_source() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, true);
        let core = node.core();
        let (a, b) = (opened(core).await, opened(core).await);
        decided(core, deposit(a, 100), None).await;
        let moved = decided(core, transfer(a, b, 30), None).await;
        let held = decided(core, hold(a, b, 10), None).await;
        let held = held.record.operation_id.transfer();
        assert_eq!(code(&decided(core, post(held), None).await), None);
        // The source is at version 5, the target at 3. One transfer is an entity, the other is not
        // yet.
        for id in [held, moved.record.operation_id.transfer()] {
            let source = core
                .account(a)
                .await
                .unwrap()
                .unwrap()
                .view
                .balances
                .version;
            let reverse = Command::Reverse(Reverse {
                transfer: id,
                reference: None,
                metadata: Metadata::default(),
            });
            let target = core
                .account(b)
                .await
                .unwrap()
                .unwrap()
                .view
                .balances
                .version;
            assert_ne!(source, target);
            let refused = at_version(core, reverse.clone(), target).await;
            assert_eq!(code(&refused), Some(Code::VersionMismatch));
            assert_eq!(code(&at_version(core, reverse, source).await), None);
        }
        node.shutdown().await.unwrap();
    });
}

#[test]
fn a_post_of_what_was_never_pending_hears_of_its_ends_first() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, true);
        let core = node.core();
        let (a, b) = (opened(core).await, opened(core).await);
        decided(core, deposit(a, 100), None).await;
        let moved = decided(core, transfer(a, b, 30), None).await;
        let moved = moved.record.operation_id.transfer();
        let refused = at_version(core, post(moved), 9).await;
        assert_eq!(code(&refused), Some(Code::VersionMismatch));
        let refused = at_version(core, post(moved), 3).await;
        assert_eq!(code(&refused), Some(Code::NotPending));
        let void = Command::Void(Void { transfer: moved });
        let refused = at_version(core, void.clone(), 9).await;
        assert_eq!(code(&refused), Some(Code::VersionMismatch));
        decided(core, status(a, AccountStatus::Frozen), None).await;
        let refused = decided(core, post(moved), None).await;
        assert_eq!(code(&refused), Some(Code::AccountFrozen));
        // A frozen source doesn't prevent a void.
        let refused = decided(core, void, None).await;
        assert_eq!(code(&refused), Some(Code::NotPending));
        node.shutdown().await.unwrap();
    });
}

#[test]
fn an_entity_of_another_kind_is_not_found_before_its_version_is_told() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, true);
        let core = node.core();
        let (account, wallet) = (opened(core).await, wallet(core).await);
        let update = Command::UpdateWallet(UpdateWallet {
            wallet: account,
            status: None,
            overdraft: None,
            limits: WalletLimitsChange::default(),
        });
        let delete = Command::DeleteAccount(DeleteAccount { account: wallet });
        let erase = Command::EraseAccount(EraseAccount { account: wallet });
        let frozen = status(wallet, AccountStatus::Frozen);
        for command in [update, delete, erase, frozen] {
            let refused = at_version(core, command, 9).await;
            assert_eq!(code(&refused), Some(Code::NotFound));
        }
        node.shutdown().await.unwrap();
    });
}

#[test]
fn a_transfer_that_was_asked_for_before_it_came_into_being_has_one_seat() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, false);
        let core = node.core();
        let (a, b) = (opened(core).await, opened(core).await);
        decided(core, deposit(a, 100), None).await;
        let held = core.submit(hold(a, b, 10), context(None), WAIT).unwrap();
        let id = held.operation_id().transfer();
        // The id is known, but the transfer doesn't exist yet.
        let early = core.submit(post(id), context(None), WAIT).unwrap();
        let Reply::Decided(early) = early.await else {
            panic!("not decided");
        };
        let Reply::Decided(held) = held.await else {
            panic!("not decided");
        };
        assert_eq!(code(&held), None);
        let shown = core.transfer(id).await.unwrap();
        let late = decided(core, post(id), None).await;
        match code(&early) {
            None => assert_eq!(code(&late), Some(Code::AlreadyPosted)),
            Some(_) => assert_eq!(code(&late), None),
        }
        assert!(shown.is_some());
        let transfers = ActorFilter {
            kind: Some(Kind::Transfer),
            state: None,
        };
        let actors = core.actors(transfers, None, 10).await.unwrap();
        assert_eq!(actors.entries.len(), 1);
        node.shutdown().await.unwrap();
    });
}

#[test]
fn a_transfer_reversed_while_others_ask_for_it_is_reversed_once() {
    run(async {
        let disk = SimulatedDisk::new();
        let node = start(&disk, false);
        let core = node.core();
        let (a, b) = (opened(core).await, opened(core).await);
        decided(core, deposit(a, 100), None).await;
        let moved = decided(core, transfer(a, b, 30), None).await;
        decided(core, deposit(b, 100), None).await;
        let id = moved.record.operation_id.transfer();
        // The first command is refused, and leaves the seat to the second one.
        let void = Command::Void(Void { transfer: id });
        let reverse = Command::Reverse(Reverse {
            transfer: id,
            reference: None,
            metadata: Metadata::default(),
        });
        let asked = [void, reverse.clone()]
            .map(|command| core.submit(command, context(None), WAIT).unwrap());
        let mut codes = Vec::new();
        for reply in asked {
            let Reply::Decided(decided) = reply.await else {
                panic!("not decided");
            };
            codes.push(code(&decided));
        }
        assert_eq!(codes, [Some(Code::NotPending), None]);
        let shown = core.transfer(id).await.unwrap().unwrap();
        assert_eq!(shown.status, TransferStatus::Reversed);
        let again = decided(core, reverse, None).await;
        assert_eq!(code(&again), Some(Code::AlreadyReversed));
        node.shutdown().await.unwrap();
    });
}
