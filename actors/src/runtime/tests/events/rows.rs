//! Events of entities, and of movements that were made at once.

use super::*;

#[test]
fn an_account_tells_of_its_birth_and_of_each_status() {
    run(async {
        let told_by = Told::new();
        let opened = told_by.of(open(), None).await;
        assert_eq!(names(&opened), ["account.created"]);
        let account = opened[0].key;
        let first = value(&opened[0]);
        assert_eq!(first["account_id"], account.to_string());
        assert_eq!(
            (&first["status"], &first["version"]),
            (&json!("ACTIVE"), &json!(1))
        );
        let frozen = told_by
            .of(update(account, Some(AccountStatus::Frozen), Some(5)), None)
            .await;
        assert_eq!(names(&frozen), ["account.status_changed"]);
        assert_eq!(value(&frozen[0])["status"], "FROZEN");
        assert_eq!(value(&frozen[0])["version"], 2);
        let limit = told_by.of(update(account, None, Some(9)), None).await;
        assert_eq!(names(&limit), [""; 0]);
        let deleted = Command::DeleteAccount(DeleteAccount { account });
        let deleted = told_by.of(deleted, None).await;
        assert_eq!(names(&deleted), ["account.status_changed"]);
        assert_eq!(value(&deleted[0])["status"], "DELETED");
        assert_eq!(value(&deleted[0])["version"], 4);
        assert_eq!(keys(&deleted), [account]);
    });
}

#[test]
fn a_wallet_tells_of_its_birth_twice_and_of_what_is_added() {
    run(async {
        let told_by = Told::new();
        let opened = told_by.of(open_wallet("KES".parse().unwrap()), None).await;
        assert_eq!(names(&opened), ["WALLET_CREATED", "WalletCreatedEvent"]);
        let wallet = opened[0].key;
        assert_eq!(keys(&opened), [wallet, wallet]);
        let value = told(&opened, "WALLET_CREATED");
        assert_eq!(value["walletId"], wallet.to_string());
        assert_eq!(value["currency"], "KES");
        assert_eq!(
            value["metadata"],
            json!({"source": "wallet-service", "version": "1.0"})
        );
        let added = told_by.of(deposit(wallet, 100_000), Some("k-1")).await;
        let all = [&MADE[..], &["DepositCompleted", "FundsAddedEvent"]].concat();
        assert_eq!(names(&added), all);
        let completed = told(&added, "TRANSACTION_COMPLETED");
        assert_eq!(completed["toWalletId"], wallet.to_string());
        assert_eq!(completed["fromWalletId"], Json::Null);
        assert_eq!(completed["amount"], "1000.00");
        assert_eq!(completed["transactionType"], "DEPOSIT");
        assert_eq!(completed["status"], "COMPLETED");
        assert_eq!(told(&added, "TRANSACTION_INITIATED")["status"], "PENDING");
        let funds = told(&added, "FundsAddedEvent");
        assert_eq!(
            (&funds["amount"], &funds["balanceAfter"]),
            (&json!(100_000), &json!(100_000))
        );
        assert_eq!(funds["version"], 2);
        let answer = told(&added, "DepositCompleted");
        assert_eq!(answer["idempotency_key"], "k-1");
        assert_eq!(answer["balance_after"], 100_000);
        assert_eq!(answer["operation_id"], completed["transactionId"]);
        // A wallet's other changes make no event.
        let frozen = Command::UpdateWallet(UpdateWallet {
            wallet,
            status: Some(AccountStatus::Frozen),
            overdraft: None,
            limits: WalletLimitsChange::default(),
        });
        assert_eq!(names(&told_by.of(frozen, None).await), [""; 0]);
    });
}

#[test]
fn money_in_and_out_of_an_account_is_told_with_its_answer() {
    run(async {
        let told_by = Told::new();
        let account = told_by.account(0).await;
        let deposited = told_by.of(deposit(account, 500), None).await;
        assert_eq!(
            names(&deposited),
            [&MADE[..], &["DepositCompleted"]].concat()
        );
        assert_eq!(told(&deposited, MADE[1])["toWalletId"], Json::Null);
        assert_eq!(told(&deposited, MADE[1])["from"], Json::Null);
        assert_eq!(
            told(&deposited, MADE[1])["to"],
            json!({
                "kind": "account", "id": account.to_string(), "version": 2, "balance_after": 500,
            })
        );
        let drawn = told_by.of(withdraw(account, 200), None).await;
        assert_eq!(
            names(&drawn),
            [&MADE[..], &["WithdrawalCompleted"]].concat()
        );
        assert_eq!(keys(&drawn), [account; 3]);
        let answer = told(&drawn, "WithdrawalCompleted");
        assert_eq!(
            (&answer["amount"], &answer["balance_after"]),
            (&json!(200), &json!(300))
        );
        assert_eq!(
            (&answer["version"], &answer["reference"]),
            (&json!(3), &json!("rent"))
        );
        assert_eq!(answer.get("idempotency_key"), None);
        assert_eq!(told(&drawn, MADE[1])["from"]["balance_after"], 300);
        assert_eq!(told(&drawn, MADE[1])["to"], Json::Null);
    });
}

#[test]
fn a_transfer_and_its_reversal_name_both_ends_and_are_keyed_by_their_source() {
    run(async {
        let told_by = Told::new();
        let (account, wallet) = (told_by.account(900).await, told_by.wallet("KES").await);
        let moved = told_by.of(transfer(account, wallet, 250), None).await;
        assert_eq!(names(&moved), [&MADE[..], &["TransferCompleted"]].concat());
        assert_eq!(keys(&moved), [account; 3]);
        let completed = told(&moved, MADE[1]);
        assert_eq!(completed["fromWalletId"], Json::Null);
        assert_eq!(completed["toWalletId"], wallet.to_string());
        assert_eq!(completed["transferId"], completed["transactionId"]);
        assert_eq!(completed["amount"], "2.50");
        let from = json!({
            "kind": "account", "id": account.to_string(), "version": 3, "balance_after": 650,
        });
        let to = json!({
            "kind": "wallet", "id": wallet.to_string(), "version": 2, "balance_after": 250,
        });
        assert_eq!((&completed["from"], &completed["to"]), (&from, &to));
        let answer = told(&moved, "TransferCompleted");
        assert_eq!((&answer["from"], &answer["to"]), (&from, &to));
        assert_eq!(answer["to_account_id"], wallet.to_string());
        let transfer: EntityId = completed["transferId"].as_str().unwrap().parse().unwrap();
        let back = told_by
            .of(
                Command::Reverse(Reverse {
                    transfer,
                    reference: Some("refund".to_owned()),
                    metadata: pairs(),
                }),
                None,
            )
            .await;
        assert_eq!(names(&back), [&MADE[..], &["TransferCompleted"]].concat());
        // The reversal's source is the transfer's target.
        assert_eq!(keys(&back), [wallet; 3]);
        let completed = told(&back, MADE[1]);
        assert_eq!(completed["transactionType"], "REVERSAL");
        assert_eq!(completed["fromWalletId"], wallet.to_string());
        assert_eq!(completed["from"]["balance_after"], 0);
        assert_eq!(completed["to"]["balance_after"], 900);
        assert_ne!(completed["transferId"], json!(transfer.to_string()));
        for event in &back {
            let value = value(event);
            assert_eq!(value["reverses"], transfer.to_string(), "{value}");
            assert_eq!(value["reference"], "refund", "{value}");
        }
        assert_eq!(completed["requestMetadata"], json!({"order": "9"}));
        let answer = told(&back, "TransferCompleted");
        assert_eq!(answer["request_metadata"], json!({"order": "9"}));
    });
}

#[test]
fn every_event_of_a_movement_carries_the_caller_s_metadata_under_a_name_of_its_own() {
    run(async {
        let told_by = Told::new();
        let (a, wallet) = (told_by.account(900).await, told_by.wallet("KES").await);
        let Command::Deposit(mut paid_in) = deposit(wallet, 5) else {
            unreachable!()
        };
        paid_in.metadata = pairs();
        let Command::Withdraw(mut paid_out) = withdraw(a, 5) else {
            unreachable!()
        };
        paid_out.metadata = pairs();
        let Command::Transfer(mut moved) = transfer(a, wallet, 5) else {
            unreachable!()
        };
        moved.metadata = pairs();
        let mut noted_item = item(a, wallet, 5);
        noted_item.transfer.metadata = pairs();
        let mut refused = moved.clone();
        refused.amount = amount(90_000);
        let Command::Transact(mut many) = legs(&[(a, wallet, 5)]) else {
            unreachable!()
        };
        many.metadata = pairs();
        let commands = [
            Command::Deposit(paid_in),
            Command::Withdraw(paid_out),
            Command::Transfer(moved),
            batch(false, vec![noted_item]),
            Command::Transfer(refused),
            Command::Transact(many),
        ];
        for (place, command) in commands.into_iter().enumerate() {
            let key = format!("noted-{place}");
            for event in told_by.of(command, Some(&key)).await {
                let value = value(&event);
                let own = value
                    .get("requestMetadata")
                    .or(value.get("request_metadata"));
                assert_eq!(own, Some(&json!({"order": "9"})), "{value}");
            }
        }
        let none = told_by.of(deposit(wallet, 5), None).await;
        for event in none {
            let value = value(&event);
            let own = value
                .get("requestMetadata")
                .or(value.get("request_metadata"));
            assert_eq!(own, None, "{value}");
        }
    });
}

#[test]
fn amounts_of_the_documents_have_their_currency_s_digits() {
    run(async {
        let told_by = Told::with(|options| {
            options.assets = Assets::new([("USDC", 6), ("POINTS", 0)]).unwrap();
        });
        let assets = Assets::new([("USDC", 6), ("POINTS", 0)]).unwrap();
        for (code, decimal) in [
            ("KES", "1234.56"),
            ("JPY", "123456"),
            ("BHD", "123.456"),
            ("USDC", "0.123456"),
            ("POINTS", "123456"),
        ] {
            let currency = assets.currency(code).unwrap();
            let opened = decided(told_by.core(), open_wallet(currency), None).await;
            let wallet = opened.record.wallet().unwrap().id;
            let events = told_by.of(deposit(wallet, 123_456), None).await;
            let completed = told(&events, MADE[1]);
            assert_eq!(
                (&completed["amount"], &completed["currency"]),
                (&json!(decimal), &json!(code))
            );
            assert_eq!(told(&events, "FundsAddedEvent")["amount"], 123_456);
        }
    });
}

#[test]
fn events_carry_what_their_command_belongs_to() {
    run(async {
        let told_by = Told::new();
        let account = told_by.account(0).await;
        let trace = TraceParent {
            trace_id: [3; 16],
            parent_id: [4; 8],
            flags: 1,
        };
        let context = Context {
            correlation_id: Some(RequestId::given("order-7").unwrap()),
            trace: Some(trace),
            ..context(None)
        };
        let reply = told_by
            .core()
            .submit(deposit(account, 1), context, WAIT)
            .unwrap()
            .await;
        let Reply::Decided(decided) = reply else {
            panic!("not decided: {reply:?}")
        };
        let record = decided.record;
        for event in events(&record) {
            let headers = event.headers();
            let header = |name: &str| &headers.iter().find(|(known, _)| *known == name).unwrap().1;
            assert_eq!(header("ce_correlationid"), "order-7");
            assert_eq!(*header("traceparent"), trace.to_string());
            assert_eq!(*header("ce_subject"), account.to_string());
            assert_eq!(*header("ce_sequence"), record.sequence.to_string());
            assert_eq!(*header("ce_id"), event.id.to_string());
        }
        let alone = told_by.of(deposit(account, 1), None).await;
        assert_eq!(alone[0].correlation.to_string(), "test");
    });
}
