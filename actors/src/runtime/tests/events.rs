//! Which events a record makes: by records that the real core made, each event held against its schema.

use serde_json::{Value as Json, json};

use super::*;
use crate::bus::{BusEvent, EventType, check, events_of, schema};
use crate::record_codec::{decode_record, encode_record};

const WAIT: Duration = Duration::from_secs(5);
/// How long the core may take, in its own time.
const LIMIT: Duration = Duration::from_secs(60);

/// A node of its own, and what it told.
struct Told {
    node: Node,
    clock: Arc<TestClock>,
}

impl Told {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(set: impl FnOnce(&mut NodeOptions)) -> Self {
        let clock = TestClock::start();
        let mut options = options(&SimulatedDisk::new(), true, Arc::clone(&clock));
        set(&mut options);
        let node = Node::start(options).unwrap();
        Self { node, clock }
    }

    fn core(&self) -> &Core {
        self.node.core()
    }

    /// Every record of the journal so far.
    fn records(&self) -> Vec<Record> {
        let frames = self.node.outbox().reader.frames(1);
        let frames: Vec<_> = frames.map(Result::unwrap).collect();
        let records = frames.iter().flat_map(|frame| frame.iter());
        records.map(|(_, bytes)| decode_record(bytes).unwrap()).collect()
    }

    /// Does a command, and gives the events of its record.
    async fn of(&self, command: Command, key: Option<&str>) -> Vec<BusEvent> {
        let decided = decided(self.core(), command, key).await;
        assert!(decided.stored, "no record: {:?}", decided.record.outcome);
        events(&decided.record)
    }

    /// Has a command accepted first, and gives the events of both its records.
    async fn later(&self, command: Command) -> (Vec<BusEvent>, Vec<BusEvent>) {
        let asynchronous = Context {
            asynchronous: true,
            ..context(None)
        };
        let reply = self.core().submit(command, asynchronous, WAIT).unwrap().await;
        let Reply::Decided(accepted) = reply else {
            panic!("not accepted: {reply:?}")
        };
        assert_eq!(accepted.record.outcome, Outcome::Accepted);
        let id = accepted.record.operation_id;
        let executed = self
            .until(|record| record.operation_id == id && record.execution.is_some())
            .await;
        (events(&accepted.record), events(&executed))
    }

    /// Waits for a record.
    async fn until(&self, is_it: impl Fn(&Record) -> bool) -> Record {
        let began = tokio::time::Instant::now();
        loop {
            if let Some(found) = self.records().into_iter().find(&is_it) {
                return found;
            }
            assert!(began.elapsed() < LIMIT, "the record doesn't come");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn account(&self, balance: u64) -> EntityId {
        let account = opened(self.core()).await;
        if balance > 0 {
            decided(self.core(), deposit(account, balance), None).await;
        }
        account
    }

    async fn wallet(&self, currency: &str) -> EntityId {
        let open = open_wallet(currency.parse().unwrap());
        let decided = decided(self.core(), open, None).await;
        decided.record.wallet().unwrap().id
    }
}

/// A record's events, each checked for what is true of all.
fn events(record: &Record) -> Vec<BusEvent> {
    let events = events_of(record);
    assert_eq!(events, events_of(record), "told otherwise the second time");
    let mut ids = Vec::new();
    for (place, event) in events.iter().enumerate() {
        assert_eq!((event.index as usize, event.sequence), (place, record.sequence));
        assert_eq!(event.time, record.time);
        let value = value(event);
        assert_eq!(check(&schema(event.event_type), &value), Ok(()), "{event:?}");
        if let Some(id) = value.get("eventId") {
            assert_eq!(*id, event.id.to_string());
        }
        ids.push(event.id);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), events.len(), "two events have one id");
    events
}

fn value(event: &BusEvent) -> Json {
    serde_json::from_slice(&event.json()).unwrap()
}

fn names(events: &[BusEvent]) -> Vec<&'static str> {
    let names = events.iter().map(|event| event.event_type.document());
    names.collect()
}

/// The value of the first event of that name.
fn told(events: &[BusEvent], name: &str) -> Json {
    let mut events = events.iter();
    let found = events.find(|event| event.event_type.document() == name);
    value(found.unwrap_or_else(|| panic!("there is no {name}")))
}

fn keys(events: &[BusEvent]) -> Vec<EntityId> {
    events.iter().map(|event| event.key).collect()
}

fn open_wallet(currency: Currency) -> Command {
    Command::OpenWallet(Box::new(OpenWallet {
        customer: EntityId::from_parts(1, 1, 0),
        name: Some("Savings".to_owned()),
        currency,
        overdraft: Overdraft::Limit(0),
        limits: WalletLimits::default(),
    }))
}

fn withdraw(from: EntityId, value: u64) -> Command {
    Command::Withdraw(Withdraw {
        from,
        amount: amount(value),
        currency: None,
        reference: Some("rent".to_owned()),
        metadata: Metadata::default(),
    })
}

fn update(account: EntityId, status: Option<AccountStatus>, limit: Option<u64>) -> Command {
    Command::UpdateAccount(UpdateAccount {
        account,
        status,
        overdraft: limit.map(Overdraft::Limit),
    })
}

fn hold(from: EntityId, to: EntityId, value: u64, expires_in_seconds: Option<u32>) -> Command {
    let Command::Transfer(transfer) = transfer(from, to, value) else {
        unreachable!()
    };
    Command::Hold(Box::new(Hold {
        transfer,
        expires_in_seconds,
    }))
}

fn item(from: EntityId, to: EntityId, value: u64) -> BatchItem {
    let Command::Transfer(transfer) = transfer(from, to, value) else {
        unreachable!()
    };
    BatchItem {
        transfer,
        pending: None,
        key: None,
    }
}

fn batch(atomic: bool, items: Vec<BatchItem>) -> Command {
    Command::Batch(Box::new(Batch { atomic, items }))
}

fn legs(legs: &[(EntityId, EntityId, u64)]) -> Command {
    let legs = legs.iter().map(|(from, to, value)| Leg {
        from: *from,
        to: *to,
        amount: amount(*value),
    });
    Command::Transact(Box::new(Transact {
        legs: legs.collect(),
        reference: Some("exchange".to_owned()),
        metadata: Metadata::default(),
    }))
}

const MADE: [&str; 2] = ["TRANSACTION_INITIATED", "TRANSACTION_COMPLETED"];

#[test]
fn an_account_tells_of_its_birth_and_of_each_status() {
    run(async {
        let told_by = Told::new();
        let opened = told_by.of(open(), None).await;
        assert_eq!(names(&opened), ["account.created"]);
        let account = opened[0].key;
        let first = value(&opened[0]);
        assert_eq!(first["account_id"], account.to_string());
        assert_eq!((&first["status"], &first["version"]), (&json!("ACTIVE"), &json!(1)));
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
        assert_eq!(value["metadata"], json!({"source": "wallet-service", "version": "1.0"}));
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
        assert_eq!((&funds["amount"], &funds["balanceAfter"]), (&json!(100_000), &json!(100_000)));
        assert_eq!(funds["version"], 2);
        let answer = told(&added, "DepositCompleted");
        assert_eq!(answer["idempotency_key"], "k-1");
        assert_eq!(answer["balance_after"], 100_000);
        assert_eq!(answer["operation_id"], completed["transactionId"]);
        // A wallet's other changes are nobody's business.
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
        assert_eq!(names(&deposited), [&MADE[..], &["DepositCompleted"]].concat());
        assert_eq!(told(&deposited, MADE[1])["toWalletId"], Json::Null);
        assert_eq!(told(&deposited, MADE[1])["from"], Json::Null);
        assert_eq!(told(&deposited, MADE[1])["to"], json!({
            "kind": "account", "id": account.to_string(), "version": 2, "balance_after": 500,
        }));
        let drawn = told_by.of(withdraw(account, 200), None).await;
        assert_eq!(names(&drawn), [&MADE[..], &["WithdrawalCompleted"]].concat());
        assert_eq!(keys(&drawn), [account; 3]);
        let answer = told(&drawn, "WithdrawalCompleted");
        assert_eq!((&answer["amount"], &answer["balance_after"]), (&json!(200), &json!(300)));
        assert_eq!((&answer["version"], &answer["reference"]), (&json!(3), &json!("rent")));
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
        let back = told_by.of(Command::Reverse(Reverse { transfer }), None).await;
        assert_eq!(names(&back), [&MADE[..], &["TransferCompleted"]].concat());
        // The reversal's source is the transfer's target.
        assert_eq!(keys(&back), [wallet; 3]);
        let completed = told(&back, MADE[1]);
        assert_eq!(completed["transactionType"], "REVERSAL");
        assert_eq!(completed["fromWalletId"], wallet.to_string());
        assert_eq!(completed["from"]["balance_after"], 0);
        assert_eq!(completed["to"]["balance_after"], 900);
        assert_ne!(completed["transferId"], json!(transfer.to_string()));
    });
}

#[test]
fn a_transaction_of_many_legs_tells_every_end_s_part() {
    run(async {
        let told_by = Told::new();
        let (a, b) = (told_by.account(100).await, told_by.account(0).await);
        let (c, d) = (told_by.wallet("USD").await, told_by.wallet("USD").await);
        decided(told_by.core(), deposit(c, 7), None).await;
        let moved = told_by.of(legs(&[(a, b, 60), (b, a, 10), (c, d, 7)]), None).await;
        assert_eq!(names(&moved), MADE);
        assert_eq!(keys(&moved), [a, a]);
        for event in &moved {
            let value = value(event);
            assert_eq!((&value["amount"], &value["currency"]), (&Json::Null, &Json::Null));
            assert_eq!(value["reference"], "exchange");
            let postings = value["postings"].as_array().unwrap();
            let found: Vec<_> = postings
                .iter()
                .map(|part| (&part["id"], &part["amount"], &part["balance_after"], &part["version"]))
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
fn a_hold_is_begun_and_each_of_its_ends_is_told() {
    run(async {
        let told_by = Told::new();
        let (a, wallet) = (told_by.account(1_000).await, told_by.wallet("KES").await);
        let held = told_by.of(hold(a, wallet, 300, None), Some("hold")).await;
        assert_eq!(names(&held), ["TRANSACTION_INITIATED"]);
        let begun = value(&held[0]);
        assert_eq!((&begun["amount"], &begun["currency"]), (&json!("3.00"), &json!("KES")));
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
        assert_eq!((&failed["code"], &failed["amount"]), (&json!("voided"), &json!("2.00")));
        assert_eq!(failed["transferId"], id.to_string());
        assert_eq!(keys(&voided), [a]);
        let whole = told_by.of(hold(a, wallet, 50, None), None).await;
        let id: EntityId = value(&whole[0])["transferId"].as_str().unwrap().parse().unwrap();
        let all = Command::Post(Post { transfer: id, amount: None, is_final: true });
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
        told_by.clock.ahead_micros.store(11_000_000, Ordering::Relaxed);
        let expired = told_by
            .until(|record| matches!(record.command, Command::Expire(_)))
            .await;
        let expired = events(&expired);
        assert_eq!(names(&expired), ["TRANSACTION_FAILED"]);
        let failed = value(&expired[0]);
        assert_eq!((&failed["code"], &failed["transferId"]), (&json!("transfer_expired"), &transfer));
        assert_eq!((&failed["amount"], &failed["status"]), (&json!("3.00"), &json!("FAILED")));
        assert_eq!(failed["from"]["id"], a.to_string());
        assert_eq!(failed["to"]["id"], b.to_string());
    });
}

#[test]
fn a_refusal_is_told_where_it_has_a_key() {
    run(async {
        let told_by = Told::new();
        let (a, b) = (told_by.account(10).await, told_by.account(0).await);
        decided(told_by.core(), update(b, Some(AccountStatus::Frozen), None), None).await;
        let none = decided(told_by.core(), withdraw(a, 99), None).await;
        assert_eq!(code(&none), Some(Code::InsufficientFunds));
        assert_eq!(events_of(&none.record), [], "without a key it is nobody's business");
        let held = told_by.of(hold(a, b, 5, None), None).await;
        let held: EntityId = value(&held[0])["transferId"].as_str().unwrap().parse().unwrap();
        decided(told_by.core(), Command::Void(Void { transfer: held }), None).await;
        let post = Command::Post(Post { transfer: held, amount: None, is_final: true });
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
            (withdraw(a, 99), vec![failed, "WithdrawalFailed"], "insufficient_funds", a),
            (transfer(a, b, 99), vec![failed, "TransferFailed"], "insufficient_funds", a),
            (hold(a, b, 99, None), vec![failed, "TransferFailed"], "insufficient_funds", a),
            (post, vec![failed], "already_voided", held),
            (Command::Void(Void { transfer: held }), vec![failed], "already_voided", held),
            (Command::Reverse(Reverse { transfer: held }), vec![failed], "account_frozen", held),
            (legs(&[(a, b, 99)]), vec![failed], "batch_rejected", a),
            (batch(true, vec![item(a, b, 99)]), vec![failed], "batch_rejected", a),
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
        }
        // Another command about the account alone is no movement.
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
            assert_eq!((&request["amount"], request.get("balance_after")), (&json!(5), None));
            assert!(requested[0].sequence < done[0].sequence);
        }
        // Refused without a key, but whoever asked has gone: it is told.
        let (requested, refused) = told_by.later(withdraw(a, 9_999)).await;
        assert_eq!(names(&requested), ["WithdrawalRequested"]);
        assert_eq!(names(&refused), ["TRANSACTION_FAILED", "WithdrawalFailed"]);
        assert_eq!(value(&refused[1])["code"], "insufficient_funds");
        // Only single movements are requests of a topic.
        let (requested, _) = told_by.later(batch(false, vec![item(a, b, 1)])).await;
        assert_eq!(names(&requested), [""; 0]);
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
                (end["version"].as_u64().unwrap(), end["balance_after"].as_i64().unwrap())
            };
            (end("from"), end("to"))
        };
        // From version 2 and balance 100, and from version 1 and 0.
        assert_eq!(ends(&first[1]), ((3, 70), (2, 30)));
        assert_eq!(ends(&first[4]), ((3, 20), (4, 80)));
        assert_eq!(value(&first[8])["from"]["version"], 5);
        assert_eq!(ends(&first[11]), ((6, 79), (4, 21)));
        assert_eq!(value(&first[5])["idempotency_key"], "second");
        assert_eq!(value(&first[7])["idempotency_key"], "refused");
        assert_eq!(value(&first[2]).get("idempotency_key"), None);
        let transfers: BTreeMap<String, ()> = first
            .iter()
            .map(|event| value(event))
            .filter_map(|value| Some((value.get("transferId")?.to_string(), ())))
            .collect();
        assert_eq!(transfers.len(), 5, "each item has a transfer of its own");
        // What comes again under its key is told once.
        let again = told_by.of(batch(false, items), Some("again")).await;
        let made = [&MADE[..], &["TransferCompleted"]].concat();
        assert_eq!(names(&again), [made.clone(), made].concat());
        assert_eq!(ends(&again[1]).0, (7, 49));
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
            assert_eq!((&completed["amount"], &completed["currency"]), (&json!(decimal), &json!(code)));
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
        let reply = told_by.core().submit(deposit(account, 1), context, WAIT).unwrap().await;
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

/// The largest batch, out of one hot account: what each item left it with is told, in linear time.
#[test]
fn every_item_of_the_largest_batch_is_told_as_of_itself() {
    const ITEMS: u32 = 10_000;
    let id = |random| EntityId::from_parts(1, random, 0);
    let currency: Currency = "KES".parse().unwrap();
    let (hot, others) = (id(0), [id(1), id(2)]);
    let credited = |amount| vec![Event::Account(AccountEvent::Money(MoneyEvent::Credited(amount)))];
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
        outcome: Outcome::Done(Some(Box::new(Shown::Batch(Vec::new())))),
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
        assert_eq!((&from["version"], &from["balance_after"]), (&json!(index + 3), &json!(left)));
        assert_eq!(to["version"], index / 2 + 2, "{index}");
        assert_eq!(to["balance_after"], index / 2 + 1, "{index}");
        assert_eq!(to["id"], others[index as usize % 2].to_string());
    }
}

/// Every type once and more, to be kept for ever.
async fn story(told_by: &Told) {
    let (a, b) = (told_by.account(5_000).await, told_by.account(0).await);
    let wallet = told_by.wallet("KES").await;
    told_by.of(deposit(wallet, 1_234), Some("golden-1")).await;
    told_by.of(withdraw(a, 5), Some("golden-2")).await;
    told_by.of(transfer(wallet, a, 34), None).await;
    told_by.of(withdraw(a, 99_999), Some("golden-3")).await;
    told_by.of(transfer(b, a, 99_999), Some("golden-4")).await;
    told_by.later(deposit(a, 1)).await;
    told_by.later(withdraw(a, 2)).await;
    told_by.later(transfer(a, b, 3)).await;
    let held = told_by.of(hold(a, wallet, 7, None), None).await;
    let transfer = held[0].sequence;
    let transfer = told_by.until(|record| record.sequence == transfer).await;
    let transfer = transfer.operation_id.transfer();
    told_by.of(Command::Void(Void { transfer }), None).await;
    told_by.of(legs(&[(a, b, 2), (b, wallet, 1)]), None).await;
    let items = vec![item(a, b, 1), item(b, a, 2), item(a, b, 99_999)];
    told_by.of(batch(false, items), Some("golden-5")).await;
    told_by.of(update(b, Some(AccountStatus::Frozen), None), None).await;
    let usd = Command::Deposit(Deposit {
        to: a,
        amount: amount(3),
        currency: Some("USD".parse().unwrap()),
        reference: Some("wrong".to_owned()),
        metadata: Metadata::default(),
    });
    told_by.of(usd, Some("golden-6")).await;
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = (0..text.len()).step_by(2);
    digits.map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// A record that was written once makes the same events for ever: ids, keys, order and bytes. With
/// `GOLDEN=folder` the story is told anew into that folder, to be copied here by hand.
#[test]
fn a_golden_journal_makes_its_golden_events() {
    if let Some(folder) = std::env::var_os("GOLDEN") {
        run(async move {
            let told_by = Told::new();
            story(&told_by).await;
            let (mut records, mut lines) = (String::new(), String::new());
            for record in told_by.records() {
                let mut bytes = Vec::new();
                encode_record(&record, &mut bytes).unwrap();
                records.push_str(&hex(&bytes));
                records.push('\n');
                lines.extend(events_of(&record).iter().map(line));
            }
            let folder = std::path::Path::new(&folder);
            std::fs::write(folder.join("golden_journal_1.txt"), records).unwrap();
            std::fs::write(folder.join("golden_events_1.txt"), lines).unwrap();
        });
    }
    let golden = include_str!("../../bus/golden_events_1.txt");
    let journal = include_str!("../../bus/golden_journal_1.txt");
    let mut made = String::new();
    for text in journal.lines() {
        let record = decode_record(&unhex(text)).unwrap();
        made.extend(events(&record).iter().map(line));
    }
    assert!(made == golden, "an event of a record that was written changed:\n{made}");
    for event_type in EventType::ALL {
        assert!(golden.contains(event_type.cloud()), "{event_type} has no example");
    }
}

fn line(event: &BusEvent) -> String {
    let value = String::from_utf8(event.json()).unwrap();
    format!("{} {} {} {value}\n", event.event_type, event.id, event.key)
}
