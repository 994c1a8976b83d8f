//! Reversals: the opposite of what a transfer posted, made once.

use std::sync::Barrier;
use std::thread;

use florin_tests::bank::{UNKNOWN_ID, is_time, money, text};
use florin_tests::http::{Client, Request, Response};
use florin_tests::server::{Server, Shared};
use serde_json::{Value, json};

static SERVER: Shared = Shared::new();

#[test]
fn a_transfer_is_reversed_by_the_opposite_transfer() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    let asked =
        json!({"from": from, "to": to, "amount": 40, "reference": "r", "metadata": {"a": "b"}});
    let transfer = text(&server.post("/transfers", &asked).created(), "transfer_id");
    let before = server.transfer_of(&transfer);
    let answer = server.settle(&transfer, "reverse", &json!({}));
    let reversed = answer.ok();
    let reversal = text(&reversed, "transfer_id");
    assert_ne!(reversal, transfer);
    assert_eq!(reversed["operation_id"], reversal.as_str());
    assert_eq!(reversed["transfer_status"], "posted");
    assert_eq!(
        (&reversed["from"]["id"], &reversed["to"]["id"]),
        (&json!(to), &json!(from))
    );
    assert_eq!(money(&reversed["from"]), json!([0, 0, 0, 3]));
    assert_eq!(money(&reversed["to"]), json!([100, 0, 100, 4]));
    assert_eq!(answer.header("etag"), Some("\"3\""));
    let after = server.transfer_of(&transfer);
    let mut expected = before;
    expected["status"] = json!("reversed");
    expected["reversed_by"] = json!(reversal);
    assert_eq!(after, expected);
    let opposite = server.transfer_of(&reversal);
    assert_eq!(
        (&opposite["from"], &opposite["to"], &opposite["status"]),
        (&json!(to), &json!(from), &json!("posted"))
    );
    assert_eq!(
        (&opposite["amount"], &opposite["posted_amount"]),
        (&json!(40), &json!(40))
    );
    assert!(is_time(&text(&opposite, "created_at")), "{opposite}");
    let transaction = server.get(&format!("/ledger/transactions/{reversal}")).ok();
    assert_eq!(transaction["transaction_type"], "reversal");
    let amounts: Vec<&Value> = transaction["postings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|posting| &posting["amount"])
        .collect();
    assert_eq!(amounts, [&json!(-40), &json!(40)]);
    for (id, other, amount) in [(&from, &to, 40), (&to, &from, -40)] {
        let row = &server.list(&format!("/accounts/{id}/transactions"))[0];
        assert_eq!(
            (&row["transaction_id"], &row["transaction_type"]),
            (&json!(reversal), &json!("reversal"))
        );
        assert_eq!(
            (&row["amount"], &row["counterparty"]),
            (&json!(amount), &json!(other))
        );
    }
}

#[test]
fn a_reversal_and_its_original_lead_to_each_other_wherever_they_are_shown() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    let transfer = text(&server.transfer(&from, &to, 40).ok(), "transfer_id");
    let held = server.held(&from, &to, 10);
    server.settle(&held, "post", &json!({})).ok();
    for original in [transfer, held] {
        let asked =
            json!({"reference": format!("refund of {original}"), "metadata": {"why": "broken"}});
        let answer = server.settle(&original, "reverse", &asked).ok();
        assert_eq!(answer["reverses"], original.as_str());
        let reversal = text(&answer, "transfer_id");
        let operation = server.get(&format!("/operations/{reversal}")).ok();
        assert_eq!(operation["result"]["reverses"], original.as_str());
        let shown = server.transfer_of(&reversal);
        let transaction = server.get(&format!("/ledger/transactions/{reversal}")).ok();
        for told in [&shown, &transaction] {
            assert_eq!(told["reverses"], original.as_str(), "{told}");
            assert_eq!(told["reference"], asked["reference"], "{told}");
            assert_eq!(told["metadata"], asked["metadata"], "{told}");
        }
        assert_eq!(
            server.transfer_of(&original)["reversed_by"],
            reversal.as_str()
        );
        let list = server.list(&format!("/transfers?entity={from}"));
        let of = |id: &str| list.iter().find(|row| row["id"] == id).unwrap();
        assert_eq!(of(&reversal)["reverses"], original.as_str());
        assert_eq!(of(&original)["reversed_by"], reversal.as_str());
        let reference = text(&asked, "reference").replace(' ', "%20");
        let named = server.list(&format!("/transfers?reference={reference}"));
        assert_eq!((named.len(), &named[0]["id"]), (1, &json!(reversal)));
        let movement = &server.list(&format!("/accounts/{from}/transactions"))[0];
        assert_eq!(movement["reference"], asked["reference"]);
        let events = server.list(&format!("/admin/events?key={to}"));
        let own = events
            .iter()
            .filter(|event| event["value"]["transactionId"] == reversal);
        assert_eq!(own.clone().count(), 2);
        for event in own {
            assert_eq!(event["value"]["reverses"], original.as_str(), "{event}");
        }
    }
    let unknown = json!({"amount": 1});
    let transfer = text(&server.transfer(&from, &to, 1).ok(), "transfer_id");
    server
        .settle(&transfer, "reverse", &unknown)
        .problem(400, "invalid_request");
}

#[test]
fn a_posted_hold_is_reversed_by_as_much_as_was_posted() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    let whole = server.held(&from, &to, 40);
    server.settle(&whole, "post", &json!({})).ok();
    let partly = server.held(&from, &to, 40);
    server
        .settle(&partly, "post", &json!({"amount": 10, "final": false}))
        .ok();
    server.settle(&partly, "void", &json!({})).ok();
    assert_eq!((server.balance(&from), server.balance(&to)), (50, 50));
    let reversed = server.settle(&partly, "reverse", &json!({})).ok();
    assert_eq!(
        (&reversed["from"]["balance"], &reversed["to"]["balance"]),
        (&json!(40), &json!(60))
    );
    let reversed = server.settle(&whole, "reverse", &json!({})).ok();
    assert_eq!(
        (&reversed["from"]["balance"], &reversed["to"]["balance"]),
        (&json!(0), &json!(100))
    );
    for (transfer, posted) in [(&whole, 40), (&partly, 10)] {
        let transfer = server.transfer_of(transfer);
        assert_eq!(
            (&transfer["status"], &transfer["posted_amount"]),
            (&json!("reversed"), &json!(posted))
        );
    }
}

#[test]
fn a_transfer_is_reversed_once() {
    let server = SERVER.alone();
    let (from, to) = (server.account_of(100), server.account_of(100));
    let at_once = text(&server.transfer(&from, &to, 40).created(), "transfer_id");
    let held = server.held(&from, &to, 40);
    server.settle(&held, "post", &json!({})).ok();
    for transfer in [at_once, held] {
        server.settle(&transfer, "reverse", &json!({})).ok();
        let again = reverse(&transfer);
        server.refused(&again, 409, "already_reversed");
    }
    assert_eq!((server.balance(&from), server.balance(&to)), (100, 100));
}

#[test]
fn a_transfer_is_reversed_once_however_many_try() {
    const TRIES: usize = 6;
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account_of(100));
    for _ in 0..10 {
        let transfer = text(&server.transfer(&from, &to, 1).created(), "transfer_id");
        let barrier = Barrier::new(TRIES);
        let tries: Vec<Response> = thread::scope(|scope| {
            let one = |_| {
                scope.spawn(|| {
                    barrier.wait();
                    server.settle(&transfer, "reverse", &json!({}))
                })
            };
            let tries: Vec<_> = (0..TRIES).map(one).collect();
            tries.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let (done, refused): (Vec<_>, Vec<_>) = tries.iter().partition(|one| one.status == 200);
        assert_eq!(done.len(), 1);
        for refused in refused {
            refused.problem(409, "already_reversed");
        }
    }
    assert_eq!((server.balance(&from), server.balance(&to)), (100, 100));
}

#[test]
fn a_reversal_is_reversed_like_any_transfer() {
    let server = SERVER.alone();
    let (from, to) = (server.account_of(100), server.account());
    let mut transfer = text(&server.transfer(&from, &to, 40).created(), "transfer_id");
    for (from_has, to_has) in [(100, 0), (60, 40), (100, 0)] {
        let reversed = server.settle(&transfer, "reverse", &json!({})).ok();
        server.refused(&reverse(&transfer), 409, "already_reversed");
        transfer = text(&reversed, "transfer_id");
        assert_eq!(
            (server.balance(&from), server.balance(&to)),
            (from_has, to_has)
        );
    }
    assert_eq!(server.transfer_of(&transfer)["status"], "posted");
}

#[test]
fn a_reversal_needs_the_money_to_be_there() {
    let server = SERVER.alone();
    let (from, to) = (server.account_of(100), server.account());
    let transfer = text(&server.transfer(&from, &to, 40).created(), "transfer_id");
    server.withdraw(&to, 1).ok();
    server.refused(&reverse(&transfer), 422, "insufficient_funds");
    assert_eq!(server.transfer_of(&transfer)["status"], "posted");
    // Money that another hold has taken can't be returned either.
    server.deposit(&to, 1).ok();
    let hold = server.held(&to, &from, 1);
    server.refused(&reverse(&transfer), 422, "insufficient_funds");
    server.settle(&hold, "void", &json!({})).ok();
    server.settle(&transfer, "reverse", &json!({})).ok();
    assert_eq!((server.balance(&from), server.balance(&to)), (100, 0));
}

#[test]
fn a_reversal_keeps_the_rules_of_both_its_ends() {
    let server = SERVER.alone();
    let (from, to) = (server.account_of(100), server.account());
    let transfer = text(&server.transfer(&from, &to, 40).created(), "transfer_id");
    server.freeze(&to);
    server.refused(&reverse(&transfer), 409, "account_frozen");
    let active = json!({"status": "ACTIVE"});
    server.patch(&format!("/accounts/{to}"), &active).ok();
    // The account that gets the money back may be frozen, but not deleted.
    server.withdraw(&from, 60).ok();
    server.delete(&format!("/accounts/{from}")).ok();
    server.refused(&reverse(&transfer), 409, "account_deleted");
    let limited = server.wallet_of(100, &json!({"max_balance": 100}));
    let transfer = text(&server.transfer(&limited, &to, 10).created(), "transfer_id");
    let filled = format!("/wallets/{limited}/deposit");
    server.post(&filled, &json!({"amount": 1})).ok();
    server.refused(&reverse(&transfer), 422, "limit_exceeded");
    assert_eq!(server.transfer_of(&transfer)["status"], "posted");
}

#[test]
fn what_posted_nothing_is_not_reversed() {
    let server = SERVER.alone();
    let (from, to) = (server.account_of(100), server.account_of(100));
    let pending = server.held(&from, &to, 10);
    let partly = server.held(&from, &to, 10);
    server
        .settle(&partly, "post", &json!({"amount": 1, "final": false}))
        .ok();
    let voided = server.held(&from, &to, 10);
    server.settle(&voided, "void", &json!({})).ok();
    for transfer in [&pending, &partly, &voided] {
        server.refused(&reverse(transfer), 409, "not_posted");
    }
}

#[test]
fn nothing_but_a_transfer_is_reversed() {
    let server = SERVER.alone();
    let id = server.account();
    let deposit = text(&server.deposit(&id, 5).ok(), "operation_id");
    let withdrawal = text(&server.withdraw(&id, 5).ok(), "operation_id");
    let keyed = json!({"from": id, "to": server.account(), "amount": 1});
    let keyed = Request::post("/transfers", &keyed).key("no-money-to-reverse");
    let refused = server.send(&keyed).problem(422, "insufficient_funds");
    for wrong in [
        UNKNOWN_ID,
        &id,
        &deposit,
        &withdrawal,
        &text(&refused, "operation_id"),
    ] {
        server.refused(&reverse(wrong), 404, "not_found");
    }
    server.refused(&reverse("7"), 400, "invalid_id");
}

#[test]
fn a_reversal_is_kept_over_a_stop_and_a_kill() {
    let mut server = Server::with(&[("views.flush_records_max", "100")]);
    let (from, to) = (server.account_of(1_000), server.account_of(1_000));
    let made: Vec<String> = (0..6)
        .map(|_| text(&server.transfer(&from, &to, 10).created(), "transfer_id"))
        .collect();
    let held = server.held(&from, &to, 10);
    server.settle(&held, "post", &json!({})).ok();
    let keyed = reverse(&made[0]).key("reverse-0");
    let first = server.send(&keyed).ok();
    // After this many records, the views have written the transfers to disk.
    for _ in 0..300 {
        server.deposit(&from, 1).ok();
    }
    let check = |server: &Client, fresh: &str| {
        let again = server.send(&keyed);
        assert!(again.replayed());
        assert_eq!(again.ok(), first);
        assert_eq!(server.transfer_of(&made[0])["status"], "reversed");
        server
            .settle(&made[0], "reverse", &json!({}))
            .problem(409, "already_reversed");
        server.settle(fresh, "reverse", &json!({})).ok();
        assert_eq!(server.transfer_of(fresh)["status"], "reversed");
    };
    check(&server, &made[1]);
    server.restart();
    check(&server, &made[2]);
    server.crash();
    check(&server, &made[3]);
    server.settle(&held, "reverse", &json!({})).ok();
    for transfer in &made[1..4] {
        server
            .settle(transfer, "reverse", &json!({}))
            .problem(409, "already_reversed");
    }
    assert_eq!(server.transfer_of(&made[5])["status"], "posted");
    assert_eq!(
        (server.balance(&from), server.balance(&to)),
        (1_300 - 20, 1_000 + 20)
    );
    server.verified();
}

fn reverse(transfer: &str) -> Request {
    Request::post(&format!("/transfers/{transfer}/reverse"), &json!({}))
}
