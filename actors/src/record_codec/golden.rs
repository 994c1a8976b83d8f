//! The record's bytes are a promise: every record that was ever written stays readable. A change
//! that makes this test fail needs a new format byte and a reader for the old format.

use std::collections::BTreeMap;

use super::*;
use crate::commands::Transfer;
use crate::commands::*;
use crate::entities::*;
use crate::record::*;
use crate::words::*;

fn id(last: u8) -> EntityId {
    EntityId::from_parts(0x0190_0000_0000, 0x1234, last)
}

fn operation() -> OperationId {
    OperationId::from_parts(0x0190_0000_0001, 0x5678, 9)
}

fn metadata() -> Metadata {
    Metadata::new(BTreeMap::from([("k".to_owned(), "v".to_owned())])).unwrap()
}

fn balances() -> Balances {
    Balances {
        balance: -5,
        held: 1,
        overdraft: Overdraft::Unlimited,
        version: 3,
    }
}

fn record(command: Command, outcome: Outcome, events: Vec<Event>) -> Record {
    Record {
        sequence: 300,
        time: Timestamp::from_micros(1_700_000_000_000_042),
        epoch: 0,
        operation_id: operation(),
        caller: Caller::default(),
        key: Some("key-1".into()),
        request_id: RequestId::given("request-1").unwrap(),
        correlation_id: Some(RequestId::Made(operation())),
        causation_id: Some(operation()),
        trace: Some(TraceParent {
            trace_id: [1; 16],
            parent_id: [2; 8],
            flags: 1,
        }),
        command,
        execution: Some(Execution {
            accepted: 7,
            accepted_at: Timestamp::from_micros(2),
        }),
        outcome,
        changes: vec![Change {
            entity: id(1),
            version: 2,
            raised: 1,
            previous: 299,
            events,
        }],
        postings: vec![Posting {
            change: 0,
            item: 0,
            amount: -70,
            currency: "USD".parse().unwrap(),
            balance: 1_000,
            held: 3,
            overdraft: Overdraft::Limit(8),
        }],
        input: Some(Input {
            topic: "t".into(),
            partition: 1,
            offset: 2,
            operation_id: operation(),
            incarnation: "07".repeat(16).parse().unwrap(),
            settled_before: 1,
        }),
    }
}

/// Returns one record for every variant that a record can hold.
fn records() -> Vec<Record> {
    let usd: Currency = "USD".parse().unwrap();
    let amount = Amount::new(70).unwrap();
    let (reference, metadata) = (Some("r".to_owned()), metadata());
    let open = OpenAccount {
        holder: Personal::Sealed([5; 16]),
        country: "KE".parse().unwrap(),
        currency: usd,
        overdraft: Overdraft::Limit(10),
        reference: reference.clone(),
        metadata: metadata.clone(),
    };
    let opened = Opened {
        number: 256,
        holder: Personal::Sealed([5; 16]),
        country: "KE".parse().unwrap(),
        currency: usd,
        overdraft: Overdraft::Unlimited,
        reference: reference.clone(),
        metadata: metadata.clone(),
    };
    let view = AccountView {
        id: id(1),
        number: 256,
        opened: 4,
        country: "KE".parse().unwrap(),
        currency: usd,
        status: AccountStatus::Frozen,
        balances: balances(),
        reference: reference.clone(),
        metadata: metadata.clone(),
        created_at: Timestamp::from_micros(1),
    };
    let refused = Outcome::Refused(Rejection::new(Code::InsufficientFunds, "no"));
    let mut records = vec![
        record(
            Command::OpenAccount(Box::new(open)),
            Outcome::Done(None),
            vec![
                Event::Account(AccountEvent::Opened(Box::new(opened))),
                Event::Numbering(NumberingEvent::Issued(1)),
            ],
        ),
        record(
            Command::UpdateAccount(UpdateAccount {
                account: id(1),
                status: Some(AccountStatus::Frozen),
                overdraft: Some(Overdraft::Limit(9)),
            }),
            Outcome::Done(Some(Box::new(Shown::Account(view)))),
            vec![
                Event::Account(AccountEvent::StatusChanged(AccountStatus::Frozen)),
                Event::Account(AccountEvent::OverdraftChanged(Overdraft::Limit(9))),
            ],
        ),
        record(
            Command::DeleteAccount(DeleteAccount { account: id(1) }),
            Outcome::Accepted,
            vec![Event::Account(AccountEvent::StatusChanged(
                AccountStatus::Deleted,
            ))],
        ),
        record(
            Command::Deposit(Deposit {
                to: id(1),
                amount,
                currency: None,
                reference: reference.clone(),
                metadata: metadata.clone(),
            }),
            Outcome::Done(None),
            vec![
                Event::Account(AccountEvent::Money(MoneyEvent::Credited(amount))),
                Event::External(ExternalEvent::Opened(usd)),
                Event::External(ExternalEvent::Debited(amount)),
            ],
        ),
        record(
            Command::Withdraw(Withdraw {
                from: id(1),
                amount,
                currency: Some(usd),
                reference: None,
                metadata: Metadata::default(),
            }),
            Outcome::Done(None),
            vec![
                Event::Account(AccountEvent::Money(MoneyEvent::Debited(amount))),
                Event::External(ExternalEvent::Credited(amount)),
            ],
        ),
        record(
            Command::Transfer(Transfer {
                from: id(1),
                to: id(2),
                amount,
                currency: None,
                reference,
                metadata,
            }),
            refused,
            vec![],
        ),
        record(
            Command::EraseAccount(EraseAccount { account: id(1) }),
            Outcome::Done(None),
            vec![Event::Account(AccountEvent::PersonalErased(4))],
        ),
    ];
    records.extend(of_transfers());
    records.extend(of_wallets());
    records.extend(of_many());
    records.extend(of_cards());
    records.extend(of_merchants());
    records
}

fn of_transfers() -> Vec<Record> {
    let (amount, id) = (Amount::new(70).unwrap(), id(1));
    let made = TransferMade {
        from: id,
        to: self::id(2),
        amount,
        currency: "USD".parse().unwrap(),
        expires_at: Some(Timestamp::from_micros(9)),
        reference: Some("r".to_owned()),
        metadata: metadata(),
        made_at: Timestamp::from_micros(8),
        reverses: Some(self::id(4)),
    };
    let hold = Hold {
        transfer: Transfer {
            from: id,
            to: self::id(2),
            amount,
            currency: None,
            reference: None,
            metadata: metadata(),
        },
        expires_in_seconds: Some(60),
    };
    let shown = |status| {
        let ends = TransferEnds {
            id,
            status,
            from: (id, balances()),
            to: (self::id(2), Some(balances())),
        };
        let notes = Notes {
            reference: Some("r".to_owned()),
            metadata: metadata(),
        };
        Outcome::Done(Some(Box::new(Shown::Transfer(ends, notes))))
    };
    let money = |event| Event::Account(AccountEvent::Money(event));
    let held_at = Timestamp::from_micros(8);
    let posted = MoneyEvent::HoldPosted {
        amount,
        freed: amount,
        held_at,
    };
    let released = MoneyEvent::HoldReleased { amount, held_at };
    let transfer = id;
    vec![
        record(
            Command::Hold(Box::new(hold)),
            shown(TransferStatus::Pending),
            vec![
                money(MoneyEvent::Held(amount)),
                Event::Transfer(TransferEvent::Pending(Box::new(made.clone()))),
            ],
        ),
        record(
            Command::Post(Post {
                transfer,
                amount: Some(amount),
                is_final: true,
            }),
            shown(TransferStatus::Posted),
            vec![
                money(posted),
                Event::Transfer(TransferEvent::Posted {
                    amount,
                    freed: amount,
                }),
            ],
        ),
        record(
            Command::Void(Void { transfer }),
            shown(TransferStatus::Voided),
            vec![money(released), Event::Transfer(TransferEvent::Voided)],
        ),
        record(
            Command::Expire(Expire { transfer }),
            shown(TransferStatus::Expired),
            vec![money(released), Event::Transfer(TransferEvent::Expired)],
        ),
        record(
            Command::Reverse(Reverse {
                transfer,
                reference: Some("r".to_owned()),
                metadata: metadata(),
            }),
            shown(TransferStatus::Reversed),
            vec![
                Event::Transfer(TransferEvent::Immediate(Box::new(made))),
                Event::Transfer(TransferEvent::Reversed(self::id(5))),
            ],
        ),
    ]
}

fn of_many() -> Vec<Record> {
    let amount = Amount::new(70).unwrap();
    let (from, to) = (id(1), id(2));
    let transfer = Transfer {
        from,
        to,
        amount,
        currency: None,
        reference: Some("r".to_owned()),
        metadata: metadata(),
    };
    let transact = Transact {
        legs: vec![Leg { from, to, amount }],
        reference: None,
        metadata: metadata(),
    };
    let item = |pending, key| BatchItem {
        transfer: transfer.clone(),
        pending,
        key,
    };
    let batch = Batch {
        atomic: false,
        items: vec![
            item(None, None),
            item(Some(None), Some("k".into())),
            item(Some(Some(9)), None),
        ],
    };
    let refused = Rejection::new(Code::SameAccount, "no")
        .about(id(2))
        .past(LimitName::BalanceRange)
        .moving(Moving {
            amount,
            currency: "USD".parse().unwrap(),
        });
    let others = vec![
        (1, ItemResult::Refused(refused.clone())),
        (2, ItemResult::Replayed(id(3), TransferStatus::Posted)),
    ];
    let targets = vec![(0, balances())];
    vec![
        record(
            Command::Transact(Box::new(transact)),
            Outcome::Refused(Rejection::of_item(3, refused)),
            vec![],
        ),
        record(
            Command::Batch(Box::new(batch)),
            Outcome::Done(Some(Box::new(Shown::Batch(others, targets)))),
            vec![],
        ),
    ]
}

fn of_wallets() -> Vec<Record> {
    let (usd, limit) = ("USD".parse().unwrap(), Amount::new(5).unwrap());
    let limits = WalletLimits {
        per_transaction: Some(limit),
        per_day: None,
        max_balance: Some(limit),
    };
    let open = OpenWallet {
        customer: id(3),
        name: Some("n".to_owned()),
        currency: usd,
        overdraft: Overdraft::Limit(1),
        limits,
    };
    let opened = WalletOpened {
        customer: id(3),
        name: Some("n".to_owned()),
        currency: usd,
        overdraft: Overdraft::Limit(1),
        limits,
    };
    let view = WalletView {
        id: id(1),
        customer: id(3),
        name: None,
        currency: usd,
        status: AccountStatus::Active,
        balances: balances(),
        limits,
        created_at: Timestamp::from_micros(1),
    };
    let update = UpdateWallet {
        wallet: id(1),
        status: Some(AccountStatus::Active),
        overdraft: Some(Overdraft::Unlimited),
        limits: WalletLimitsChange {
            per_transaction: Some(None),
            per_day: Some(Some(limit)),
            max_balance: None,
        },
    };
    vec![
        record(
            Command::OpenWallet(Box::new(open)),
            Outcome::Done(Some(Box::new(Shown::Wallet(view)))),
            vec![Event::Wallet(WalletEvent::Opened(Box::new(opened)))],
        ),
        record(
            Command::UpdateWallet(update),
            Outcome::Done(None),
            vec![
                Event::Wallet(WalletEvent::StatusChanged(AccountStatus::Frozen)),
                Event::Wallet(WalletEvent::OverdraftChanged(Overdraft::Unlimited)),
                Event::Wallet(WalletEvent::LimitsChanged(limits)),
                Event::Wallet(WalletEvent::Money(MoneyEvent::Credited(limit))),
            ],
        ),
    ]
}

fn of_cards() -> Vec<Record> {
    let opened = CardOpened {
        account: id(2),
        country: "US".parse().unwrap(),
        number: 0x7c9e_6679,
    };
    let copy = CardCopy {
        opened,
        created_at: Timestamp::from_micros(5),
    };
    let view = CardView {
        id: id(1),
        opened,
        deleted: false,
        version: 1,
        created_at: Timestamp::from_micros(5),
    };
    let open = OpenCard {
        account: id(2),
        country: opened.country,
        draw: 9,
        told: Some(AccountStatus::Active),
    };
    let delete = DeleteCard {
        card: id(1),
        copy: Some(Box::new(copy)),
    };
    vec![
        record(
            Command::OpenCard(open),
            Outcome::Done(Some(Box::new(Shown::Card(view)))),
            vec![
                Event::Card(CardEvent::Opened(opened)),
                Event::CardNumber(CardNumberEvent::Taken(id(1))),
            ],
        ),
        record(
            Command::DeleteCard(delete),
            Outcome::Done(None),
            vec![
                Event::Card(CardEvent::Adopted(copy)),
                Event::Card(CardEvent::Deleted),
            ],
        ),
    ]
}

fn of_merchants() -> Vec<Record> {
    let (name, email) = (Personal::Sealed([7; 16]), Personal::Sealed([8; 16]));
    let usd: Currency = "USD".parse().unwrap();
    let open = OpenMerchant {
        name: name.clone(),
        email: email.clone(),
        currency: usd,
    };
    let opened = MerchantOpened {
        name,
        email,
        currency: usd,
    };
    let view = MerchantView {
        id: id(1),
        opened: 300,
        currency: usd,
        balances: balances(),
        created_at: Timestamp::from_micros(6),
    };
    let credited = MoneyEvent::Credited(Amount::new(70).unwrap());
    vec![
        record(
            Command::OpenMerchant(open),
            Outcome::Done(Some(Box::new(Shown::Merchant(view)))),
            vec![
                Event::Merchant(MerchantEvent::Opened(Box::new(opened))),
                Event::Merchant(MerchantEvent::Money(credited)),
            ],
        ),
        record(
            Command::EraseMerchant(EraseMerchant { merchant: id(1) }),
            Outcome::Done(None),
            vec![Event::Merchant(MerchantEvent::PersonalErased(300))],
        ),
    ]
}

#[test]
fn every_personal_value_has_a_name() {
    for record in records() {
        let rules = record.command.rules();
        assert_eq!(
            rules.personal().len(),
            rules.personal_names().len(),
            "{:?}",
            record.command
        );
    }
}

#[test]
fn records_of_format_1_keep_their_bytes() {
    let golden = include_str!("golden_1.txt");
    let mut written = String::new();
    for record in records() {
        let mut bytes = Vec::new();
        encode_record(&record, &mut bytes).unwrap();
        assert_eq!(decode_record(&bytes).unwrap(), record);
        written.push_str(&const_hex::encode(&bytes));
        written.push('\n');
    }
    assert_eq!(written, golden, "the bytes of a record changed");
}

#[test]
fn every_code_keeps_its_place() {
    for (place, code) in Code::ALL.into_iter().enumerate() {
        let mut bytes = Vec::new();
        florin_storage::encode(&code, &mut bytes).unwrap();
        assert_eq!(bytes, [place as u8], "{code:?}");
    }
}

#[test]
fn a_plain_personal_value_is_never_written() {
    let mut open = records().remove(0);
    let Command::OpenAccount(command) = &mut open.command else {
        panic!("not an opening")
    };
    command.holder = Personal::Plain("Ada".into());
    assert!(encode_record(&open, &mut Vec::new()).is_err());
}

#[test]
fn cut_or_unknown_bytes_are_no_record() {
    let mut bytes = Vec::new();
    encode_record(&records()[0], &mut bytes).unwrap();
    for end in 0..bytes.len() {
        assert!(decode_record(&bytes[..end]).is_err(), "{end}");
    }
    bytes.push(0);
    assert!(decode_record(&bytes).is_err());
    bytes[0] = 9;
    assert!(matches!(decode_record(&bytes), Err(RecordError::Format(9))));
}
