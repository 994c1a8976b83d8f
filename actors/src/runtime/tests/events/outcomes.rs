//! Events of holds and of their ends, of refusals, and of commands that are accepted first.

use super::*;

#[test]
fn a_hold_is_begun_and_each_of_its_ends_is_told() {
    run(async {
        let told_by = Told::new();
        let (a, wallet) = (told_by.account(1_000).await, told_by.wallet("KES").await);
        let held = told_by.of(hold(a, wallet, 300, None), Some("hold")).await;
        assert_eq!(names(&held), ["TRANSACTION_INITIATED"]);
        let begun = value(&held[0]);
        assert_eq!(
            (&begun["amount"], &begun["currency"]),
            (&json!("3.00"), &json!("KES"))
        );
        // Nothing is posted yet, and the target isn't touched.
        assert_eq!(begun["from"]["balance_after"], 1_000);
        assert_eq!(begun["to"]["id"], wallet.to_string());
        assert_eq!(begun["to"]["version"], Json::Null);
        let id: EntityId = begun["transferId"].as_str().unwrap().parse().unwrap();
        let post = |amount, is_final| {
            Command::Post(Post {
                transfer: id,
                amount,
                is_final,
            })
        };
        let part = told_by.of(post(Some(amount(100)), false), None).await;
        assert_eq!(names(&part), ["TRANSACTION_COMPLETED"]);
        let completed = value(&part[0]);
        assert_eq!(completed["transferId"], id.to_string());
        assert_ne!(completed["transactionId"], json!(id.to_string()));
        assert_eq!(completed["amount"], "1.00");
        assert_eq!(completed["toWalletId"], wallet.to_string());
        assert_eq!(completed["from"]["balance_after"], 900);
        assert_eq!(completed["to"]["balance_after"], 100);
        let voided = told_by.of(Command::Void(Void { transfer: id }), None).await;
        assert_eq!(names(&voided), ["TRANSACTION_FAILED"]);
        let failed = value(&voided[0]);
        assert_eq!(
            (&failed["code"], &failed["amount"]),
            (&json!("voided"), &json!("2.00"))
        );
        assert_eq!(failed["transferId"], id.to_string());
        assert_eq!(keys(&voided), [a]);
        let whole = told_by.of(hold(a, wallet, 50, None), None).await;
        let id: EntityId = value(&whole[0])["transferId"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        let all = Command::Post(Post {
            transfer: id,
            amount: None,
            is_final: true,
        });
        let posted = told_by.of(all, None).await;
        assert_eq!(names(&posted), ["TRANSACTION_COMPLETED"]);
        assert_eq!(value(&posted[0])["amount"], "0.50");
    });
}

#[test]
fn an_expired_hold_has_failed() {
    run(async {
        let told_by = Told::new();
        let (a, b) = (told_by.account(1_000).await, told_by.account(0).await);
        let held = told_by.of(hold(a, b, 300, Some(10)), None).await;
        let transfer = value(&held[0])["transferId"].clone();
        told_by
            .clock
            .ahead_micros
            .store(11_000_000, Ordering::Relaxed);
        let expired = told_by
            .until(|record| matches!(record.command, Command::Expire(_)))
            .await;
        let expired = events(&expired);
        assert_eq!(names(&expired), ["TRANSACTION_FAILED"]);
        let failed = value(&expired[0]);
        assert_eq!(
            (&failed["code"], &failed["transferId"]),
            (&json!("transfer_expired"), &transfer)
        );
        assert_eq!(
            (&failed["amount"], &failed["status"]),
            (&json!("3.00"), &json!("FAILED"))
        );
        assert_eq!(failed["from"]["id"], a.to_string());
        assert_eq!(failed["to"]["id"], b.to_string());
    });
}

#[test]
fn a_refusal_is_told_where_it_has_a_key() {
    run(async {
        let told_by = Told::new();
        let (a, b) = (told_by.account(10).await, told_by.account(0).await);
        decided(
            told_by.core(),
            update(b, Some(AccountStatus::Frozen), None),
            None,
        )
        .await;
        let none = decided(told_by.core(), withdraw(a, 99), None).await;
        assert_eq!(code(&none), Some(Code::InsufficientFunds));
        assert_eq!(
            events_of(&none.record),
            [],
            "without a key it is nobody's business"
        );
        let held = told_by.of(hold(a, b, 5, None), None).await;
        let held: EntityId = value(&held[0])["transferId"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        decided(told_by.core(), Command::Void(Void { transfer: held }), None).await;
        let post = Command::Post(Post {
            transfer: held,
            amount: None,
            is_final: true,
        });
        let usd = Command::Deposit(Deposit {
            to: a,
            amount: amount(3),
            currency: Some("USD".parse().unwrap()),
            reference: None,
            metadata: Metadata::default(),
        });
        let failed = "TRANSACTION_FAILED";
        let cases = [
            (usd, vec![failed, "DepositFailed"], "currency_mismatch", a),
            (
                withdraw(a, 99),
                vec![failed, "WithdrawalFailed"],
                "insufficient_funds",
                a,
            ),
            (
                transfer(a, b, 99),
                vec![failed, "TransferFailed"],
                "insufficient_funds",
                a,
            ),
            (
                hold(a, b, 99, None),
                vec![failed, "TransferFailed"],
                "insufficient_funds",
                a,
            ),
            (post, vec![failed], "already_voided", held),
            (
                Command::Void(Void { transfer: held }),
                vec![failed],
                "already_voided",
                held,
            ),
            (
                Command::Reverse(Reverse {
                    transfer: held,
                    reference: None,
                    metadata: Metadata::default(),
                }),
                vec![failed],
                "account_frozen",
                held,
            ),
            (legs(&[(a, b, 99)]), vec![failed], "batch_rejected", a),
            (
                batch(true, vec![item(a, b, 99)]),
                vec![failed],
                "batch_rejected",
                a,
            ),
        ];
        for (place, (command, wanted, code, key)) in cases.into_iter().enumerate() {
            let events = told_by.of(command, Some(&format!("key-{place}"))).await;
            assert_eq!(names(&events), wanted, "{place}");
            assert_eq!(keys(&events), vec![key; wanted.len()], "{place}");
            for event in &events {
                let value = value(event);
                assert_eq!(value["code"], code, "{place}");
                assert!(!value["error"].as_str().unwrap().is_empty());
            }
            let first = value(&events[0]);
            if code == "batch_rejected" {
                assert_eq!(
                    (&first["amount"], &first["currency"]),
                    (&Json::Null, &Json::Null)
                );
            } else {
                assert_eq!(
                    first["currency"],
                    if place == 0 { "USD" } else { "KES" },
                    "{place}"
                );
                let minor = first["amountMinor"].as_u64().unwrap();
                let cents = format!("{}.{:02}", minor / 100, minor % 100);
                assert_eq!(first["amount"], cents, "{place}");
            }
        }
        // A refused command that moves no money makes no event.
        let deleted = Command::DeleteAccount(DeleteAccount { account: a });
        assert_eq!(names(&told_by.of(deleted, Some("delete")).await), [""; 0]);
    });
}

#[test]
fn what_is_accepted_first_is_told_as_a_request_and_then_as_what_became_of_it() {
    run(async {
        let told_by = Told::new();
        let (a, b) = (told_by.account(100).await, told_by.account(0).await);
        for (command, wanted, answer) in [
            (deposit(a, 5), "DepositRequested", "DepositCompleted"),
            (withdraw(a, 5), "WithdrawalRequested", "WithdrawalCompleted"),
            (transfer(a, b, 5), "TransferRequested", "TransferCompleted"),
        ] {
            let (requested, done) = told_by.later(command).await;
            assert_eq!(names(&requested), [wanted]);
            assert_eq!(names(&done), [&MADE[..], &[answer]].concat());
            assert_eq!((requested[0].key, done[2].key), (a, a));
            let (request, made) = (value(&requested[0]), value(&done[2]));
            assert_eq!(request["operation_id"], made["operation_id"]);
            assert_eq!(
                (&request["amount"], request.get("balance_after")),
                (&json!(5), None)
            );
            assert!(requested[0].sequence < done[0].sequence);
        }
        // The withdrawal is refused without a key, but its caller has gone, so an event reports it.
        let (requested, refused) = told_by.later(withdraw(a, 9_999)).await;
        assert_eq!(names(&requested), ["WithdrawalRequested"]);
        assert_eq!(names(&refused), ["TRANSACTION_FAILED", "WithdrawalFailed"]);
        assert_eq!(value(&refused[1])["code"], "insufficient_funds");
        // Only single movements make request events.
        let (requested, _) = told_by.later(batch(false, vec![item(a, b, 1)])).await;
        assert_eq!(names(&requested), [""; 0]);
    });
}

#[test]
fn the_ends_of_a_hold_carry_its_reference_and_metadata() {
    run(async {
        let told_by = Told::new();
        let (a, b) = (told_by.account(1_000).await, told_by.account(0).await);
        let noted = || {
            let Command::Hold(mut asked) = hold(a, b, 100, None) else {
                unreachable!()
            };
            asked.transfer.reference = Some("order-9".to_owned());
            asked.transfer.metadata = pairs();
            Command::Hold(asked)
        };
        let made = told_by.of(noted(), None).await;
        let id: EntityId = value(&made[0])["transferId"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        let part = Command::Post(Post {
            transfer: id,
            amount: Some(amount(30)),
            is_final: false,
        });
        let part = told_by.of(part, None).await;
        let voided = told_by.of(Command::Void(Void { transfer: id }), None).await;
        for event in [&made[0], &part[0], &voided[0]] {
            let value = value(event);
            assert_eq!(value["reference"], "order-9", "{value}");
            assert_eq!(value["requestMetadata"], json!({"order": "9"}), "{value}");
            // The field `metadata` of the documents names the service that the event comes from.
            assert_eq!(value["metadata"]["source"], "ledger-service");
        }
    });
}
