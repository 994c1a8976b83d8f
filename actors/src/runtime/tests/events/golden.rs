//! Golden events: the events that a record makes never change once the record was written.

use super::*;

/// Makes each event type at least once; the result is kept forever.
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
    told_by
        .of(update(b, Some(AccountStatus::Frozen), None), None)
        .await;
    let usd = Command::Deposit(Deposit {
        to: a,
        amount: amount(3),
        currency: Some("USD".parse().unwrap()),
        reference: Some("wrong".to_owned()),
        metadata: Metadata::default(),
    });
    told_by.of(usd, Some("golden-6")).await;
    let card = Command::OpenCard(OpenCard {
        account: a,
        country: "KE".parse().unwrap(),
        draw: 9,
        told: Some(AccountStatus::Active),
    });
    let made = told_by.of(card, Some("golden-7")).await;
    let card = made[0].key;
    told_by
        .of(Command::DeleteCard(DeleteCard { card, copy: None }), None)
        .await;
    let merchant = Command::OpenMerchant(OpenMerchant {
        name: Personal::Plain("Kiosk 7".into()),
        email: Personal::Plain("kiosk7@example.com".into()),
        currency: "KES".parse().unwrap(),
    });
    told_by.of(merchant, Some("golden-8")).await;
}

/// A record that was written once makes the same events forever: ids, keys, order and bytes. With
/// `GOLDEN=folder`, the story is run again and written to that folder, to be copied here by hand.
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
                records.push_str(&const_hex::encode(&bytes));
                records.push('\n');
                lines.extend(events_of(&record).iter().map(line));
            }
            let folder = std::path::Path::new(&folder);
            std::fs::write(folder.join("golden_journal_1.txt"), records).unwrap();
            std::fs::write(folder.join("golden_events_1.txt"), lines).unwrap();
        });
    }
    let golden = include_str!("../../../events/golden_events_1.txt");
    let journal = include_str!("../../../events/golden_journal_1.txt");
    let mut made = String::new();
    for text in journal.lines() {
        let record = decode_record(&const_hex::decode(text).unwrap()).unwrap();
        made.extend(events(&record).iter().map(line));
    }
    assert!(
        made == golden,
        "an event of a record that was written changed:\n{made}"
    );
    for event_type in EventType::ALL {
        assert!(
            golden.contains(event_type.cloud()),
            "{event_type} has no example"
        );
    }
}

fn line(event: &BusEvent) -> String {
    let value = String::from_utf8(event.json()).unwrap();
    format!("{} {} {} {value}\n", event.event_type, event.id, event.key)
}
