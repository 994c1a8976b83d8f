//! Lists of transfers: of an entity, with a reference, all that are pending, and combinations of
//! these.

use std::collections::BTreeSet;

use florin_tests::bank::{UNKNOWN_ID, text};
use florin_tests::http::{Client, Request};
use florin_tests::poll::eventually;
use florin_tests::server::{Server, Shared};
use serde_json::{Value, json};

static SERVER: Shared = Shared::new();

#[test]
fn an_entitys_list_shows_the_transfers_at_either_end_and_the_newest_first() {
    let server = SERVER.server();
    let (id, other) = (server.account_of(100), server.account_of(100));
    let wallet = server.wallet_of(50, &json!({}));
    server.deposit(&id, 5).ok();
    server.withdraw(&id, 5).ok();
    let out = made(&server, &id, &other, &json!({}));
    let back = made(
        &server,
        &other,
        &id,
        &json!({"reference": "r", "metadata": {"a": "b"}}),
    );
    let held = server.held(&id, &wallet, 10);
    let expected = server.held(&wallet, &id, 10);
    made(&server, &other, &wallet, &json!({}));
    server.settle(&held, "post", &json!({})).ok();
    let of = |id: &str| server.list(&format!("/transfers?entity={id}"));
    let list = of(&id);
    assert_eq!(
        ids(&list),
        [&expected, &held, &back, &out].map(String::clone)
    );
    for entry in &list {
        assert_eq!(*entry, server.transfer_of(&text(entry, "id")));
    }
    server.settle(&expected, "void", &json!({})).ok();
    let legs = json!({"legs": [{"from": id, "to": other, "amount": 1}]});
    server.post("/transactions", &legs).ok();
    let list = of(&id);
    assert_eq!(
        ids(&list),
        [&expected, &held, &back, &out].map(String::clone)
    );
    assert_eq!(statuses(&list), ["voided", "posted", "posted", "posted"]);
    let reversal = server.settle(&back, "reverse", &json!({})).ok();
    let list = of(&id);
    assert_eq!(ids(&list)[0], text(&reversal, "transfer_id"));
    assert_eq!(
        statuses(&list),
        ["posted", "voided", "posted", "reversed", "posted"]
    );
    assert_eq!(of(&wallet).len(), 3);
    assert_eq!(of(UNKNOWN_ID), Vec::<Value>::new());
    assert_eq!(of(&server.account()), Vec::<Value>::new());
}

#[test]
fn the_filters_of_a_list_work_together() {
    let server = Server::start();
    let (one, two, three) = (
        server.account_of(1_000),
        server.account_of(1_000),
        server.account_of(1_000),
    );
    let ends = [(&one, &two), (&two, &three), (&three, &one)];
    for (from, to) in ends {
        for reference in [None, Some("trip"), Some("rent")] {
            for how in ["at once", "reverse", "pending", "post", "void"] {
                let held = !["at once", "reverse"].contains(&how);
                let asked = json!({"pending": held, "reference": reference});
                let transfer = made(&server, from, to, &asked);
                if !["at once", "pending"].contains(&how) {
                    server.settle(&transfer, how, &json!({})).ok();
                }
            }
        }
    }
    let all: BTreeSet<String> = [&one, &two, &three]
        .into_iter()
        .flat_map(|id| server.list(&format!("/transfers?entity={id}")))
        .map(|entry| entry.to_string())
        .collect();
    let all: Vec<Value> = all
        .iter()
        .map(|entry| serde_json::from_str(entry).unwrap())
        .collect();
    assert_eq!(all.len(), 3 * 3 * 6, "a reversal is a transfer too");
    let statuses = ["pending", "posted", "voided", "expired", "reversed"];
    for entity in [None, Some(&one), Some(&two)] {
        for status in [None].into_iter().chain(statuses.map(Some)) {
            for reference in [None, Some("trip"), Some("flight")] {
                if entity.is_none() && reference.is_none() && status != Some("pending") {
                    continue;
                }
                let fits = |entry: &&Value| {
                    let is_end = |id: &&String| entry["from"] == **id || entry["to"] == **id;
                    entity.is_none_or(|id| is_end(&id))
                        && status.is_none_or(|status| entry["status"] == status)
                        && reference.is_none_or(|reference| entry["reference"] == reference)
                };
                let right: BTreeSet<String> =
                    ids(&all.iter().filter(fits).cloned().collect::<Vec<_>>())
                        .into_iter()
                        .collect();
                for limit in [1, 4, 1_000] {
                    let query = query(entity, status, reference, limit);
                    let list = server.list(&query);
                    let shown: BTreeSet<String> = ids(&list).into_iter().collect();
                    assert_eq!(shown.len(), list.len(), "{query}: one came twice");
                    assert_eq!(shown, right, "{query}");
                    let times: Vec<String> =
                        list.iter().map(|entry| text(entry, "created_at")).collect();
                    assert!(times.is_sorted_by(|a, b| a >= b), "{query}: {times:?}");
                }
            }
        }
    }
}

#[test]
fn the_transfers_of_a_batch_are_listed_one_by_one() {
    let server = SERVER.server();
    let (from, to, other) = (server.account_of(100), server.account(), server.account());
    let item = |to: &str, more: Value| {
        let mut item = json!({"from": from, "to": to, "amount": 5});
        item.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        item
    };
    let batch = json!({"atomic": false, "transfers": [
        item(&to, json!({"reference": "batch 1"})),
        item(&other, json!({"pending": true, "reference": "batch 1"})),
        item(&to, json!({"pending": true})),
        json!({"from": to, "to": other, "amount": 1_000, "reference": "batch 1"}),
        item(&other, json!({})),
    ]});
    let done = server.post("/transfers/batch", &batch).ok();
    let id = |n: usize| text(&done["results"][n], "transfer_id");
    let list = |query: &str| ids(&server.list(&format!("/transfers?limit=1&{query}")));
    assert_eq!(
        list(&format!("entity={from}")),
        [id(4), id(2), id(1), id(0)]
    );
    assert_eq!(list(&format!("entity={to}")), [id(2), id(0)]);
    assert_eq!(list(&format!("entity={other}")), [id(4), id(1)]);
    assert_eq!(list(&format!("entity={other}&status=pending")), [id(1)]);
    assert_eq!(
        list(&format!("reference=batch%201&entity={from}")),
        [id(1), id(0)]
    );
}

#[test]
fn what_needs_a_look_at_every_transfer_is_refused_by_name() {
    let server = SERVER.alone();
    for query in ["", "?status=posted", "?status=expired&limit=5"] {
        let refused = Request::get(&format!("/transfers{query}"));
        let problem = server.refused(&refused, 400, "invalid_request");
        assert_eq!(problem["field"], "entity", "{query}");
    }
    for (query, code, field) in [
        ("entity=7", "invalid_id", "entity"),
        ("status=POSTED", "invalid_request", "status"),
        ("status=pending&limit=0", "invalid_request", "limit"),
        ("status=pending&customer=1", "invalid_request", "customer"),
    ] {
        let refused = Request::get(&format!("/transfers?{query}"));
        let problem = server.refused(&refused, 400, code);
        assert_eq!(problem["field"], field, "{query}");
    }
}

#[test]
fn a_cursor_of_transfers_keeps_its_place_while_more_are_made_and_others_end() {
    let server = Server::start();
    let (id, other) = (server.account_of(100), server.account_of(100));
    let before: Vec<String> = (0..6)
        .map(|n| match n % 2 {
            0 => server.held(&id, &other, 1),
            _ => server.held(&other, &id, 1),
        })
        .collect();
    for query in [format!("entity={id}"), "status=pending".to_owned()] {
        let page = |cursor: &str| {
            let path = format!("/transfers?{query}&limit=2{cursor}");
            server.get(&path).ok()
        };
        let first = page("");
        assert_eq!(first["has_more"], true);
        server.held(&id, &other, 1);
        made(&server, &other, &id, &json!({}));
        let next = page(&format!("&cursor={}", text(&first, "next_cursor")));
        let shown = ids(next["data"].as_array().unwrap());
        let whole = ids(&server.list(&format!("/transfers?{query}")));
        let place = whole.iter().position(|one| *one == shown[0]).unwrap();
        assert_eq!(whole[place..place + 2], shown[..]);
        let last_shown = text(&first["data"][1], "id");
        assert_eq!(whole[place - 1], last_shown);
    }
    // A transfer that ends before the cursor's place, or at it, doesn't shift the next page.
    let first = server.get("/transfers?status=pending&limit=4").ok();
    for ended in ids(first["data"].as_array().unwrap()) {
        server.settle(&ended, "void", &json!({})).ok();
    }
    let cursor = text(&first, "next_cursor");
    let rest = server
        .get(&format!("/transfers?status=pending&cursor={cursor}"))
        .ok();
    let rest = ids(rest["data"].as_array().unwrap());
    let oldest: Vec<String> = before[..4].iter().rev().cloned().collect();
    assert_eq!(rest, oldest);
}

#[test]
fn a_cursor_of_transfers_cut_or_of_another_list_is_refused() {
    let server = SERVER.alone();
    let (id, other) = (server.account_of(100), server.account());
    for _ in 0..3 {
        made(&server, &id, &other, &json!({"reference": "cut"}));
    }
    let lists = [
        format!("entity={id}"),
        format!("entity={other}"),
        format!("entity={id}&status=posted"),
        format!("entity={id}&reference=cut"),
        "reference=cut".to_owned(),
    ];
    for list in &lists {
        let page = server.get(&format!("/transfers?{list}&limit=1")).ok();
        let cursor = text(&page, "next_cursor");
        let wrong = lists
            .iter()
            .filter(|other| *other != list)
            .map(|other| format!("{other}&cursor={cursor}"))
            .chain([format!("{list}&cursor={}", &cursor[..cursor.len() - 1])])
            .chain(["status=pending&cursor=x".to_owned()]);
        for query in wrong {
            let request = Request::get(&format!("/transfers?{query}"));
            server.refused(&request, 400, "invalid_cursor");
        }
    }
}

#[test]
fn lists_of_transfers_come_back_after_restarts_crashes_and_without_views() {
    let mut server = Server::with(&[("views.flush_records_max", "10")]);
    let (id, other) = (server.account_of(100), server.account_of(100));
    let lists = |server: &Server| -> Vec<Vec<Value>> {
        let lists = [
            format!("/transfers?entity={id}"),
            format!("/transfers?entity={other}&status=reversed"),
            "/transfers?status=pending".to_owned(),
            format!("/transfers?status=pending&entity={other}"),
            "/transfers?reference=again".to_owned(),
        ];
        lists.iter().map(|list| server.list(list)).collect()
    };
    for n in 0..12 {
        let held = server.held(&other, &id, 1);
        let again = made(&server, &id, &other, &json!({"reference": "again"}));
        match n % 3 {
            0 => drop(server.settle(&held, "post", &json!({})).ok()),
            1 => drop(server.settle(&again, "reverse", &json!({})).ok()),
            _ => {}
        }
    }
    let before = lists(&server);
    assert_eq!(
        before.iter().map(Vec::len).collect::<Vec<_>>(),
        [28, 4, 8, 8, 12]
    );
    server.restart();
    assert_eq!(lists(&server), before);
    server.crash();
    assert_eq!(lists(&server), before);
    server.stop();
    std::fs::remove_dir_all(server.data_dir().join("views")).unwrap();
    server.start_again();
    let whole = eventually("the views are whole", || {
        let answer = server.get("/transfers?status=pending");
        (answer.status == 200).then(|| lists(&server))
    });
    assert_eq!(whole, before);
}

#[test]
fn an_expired_transfer_leaves_the_list_of_pending_ones() {
    let server = SERVER.server();
    let (id, other) = (server.account_of(10), server.account());
    let asked = json!({"pending": true, "expires_in_seconds": 1});
    let transfer = made(&server, &id, &other, &asked);
    eventually("it expires", || {
        let expired = server.list(&format!("/transfers?entity={other}&status=expired"));
        (ids(&expired) == [transfer.clone()]).then_some(())
    });
    let pending = server.list(&format!("/transfers?entity={other}&status=pending"));
    assert_eq!(pending, Vec::<Value>::new());
}

#[test]
fn a_posts_movement_carries_the_reference_and_metadata_of_its_transfer() {
    let server = SERVER.server();
    let (from, to) = (server.account_of(100), server.account());
    let notes = json!({"reference": "booking 9", "metadata": {"room": "9"}});
    let transfer = made(&server, &from, &to, &with_pending(&notes));
    let part = json!({"amount": 2, "final": false});
    let posts = [
        server.settle(&transfer, "post", &part).ok(),
        server.settle(&transfer, "post", &json!({})).ok(),
    ];
    for id in [&from, &to] {
        let movements = server.list(&format!("/accounts/{id}/transactions"));
        for movement in &movements[..2] {
            assert_eq!(movement["reference"], notes["reference"], "{movement}");
            assert_eq!(movement["metadata"], notes["metadata"], "{movement}");
        }
    }
    for post in posts {
        let path = format!("/ledger/transactions/{}", text(&post, "operation_id"));
        let transaction = server.get(&path).ok();
        assert_eq!(transaction["reference"], notes["reference"]);
        assert_eq!(transaction["metadata"], notes["metadata"]);
    }
}

#[test]
fn a_default_expiry_is_a_setting_and_the_same_request_written_out_or_left_away() {
    let server = Server::with(&[("ledger.hold_expiry_seconds", "3600")]);
    let (from, to) = (server.account_of(100), server.account());
    let hold = |more: Value| {
        let mut body = json!({"from": from, "to": to, "amount": 1, "pending": true});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        Request::post("/transfers", &body).key("hold")
    };
    let first = server.send(&hold(json!({}))).ok();
    let transfer = server.transfer_of(&text(&first, "transfer_id"));
    let seconds = |field: &str| {
        let time: florin_actors::messages::Timestamp = text(&transfer, field).parse().unwrap();
        time.as_micros()
    };
    assert_eq!(seconds("expires_at") - seconds("created_at"), 3_600_000_000);
    let again = server.send(&hold(json!({"expires_in_seconds": 3_600})));
    assert!(again.replayed());
    let other = hold(json!({"expires_in_seconds": 3_601}));
    server.refused(&other, 422, "idempotency_key_reused");
    let own = made(
        &server,
        &from,
        &to,
        &json!({"pending": true, "expires_in_seconds": 60}),
    );
    assert_ne!(
        server.transfer_of(&own)["expires_at"],
        transfer["expires_at"]
    );
    let item = json!({"from": from, "to": to, "amount": 1, "pending": true});
    let batch = json!({"atomic": true, "transfers": [item]});
    let done = server.post("/transfers/batch", &batch).ok();
    let id = text(&done["results"][0], "transfer_id");
    assert_ne!(server.transfer_of(&id)["expires_at"], Value::Null);
    let at_once = made(&server, &from, &to, &json!({}));
    assert_eq!(server.transfer_of(&at_once)["expires_at"], Value::Null);
}

fn with_pending(notes: &Value) -> Value {
    florin_tests::bank::with(json!({"pending": true}), notes)
}

/// Makes a transfer of 5 with further fields, and returns its id.
#[track_caller]
fn made(client: &Client, from: &str, to: &str, more: &Value) -> String {
    let body = florin_tests::bank::with(json!({"from": from, "to": to, "amount": 5}), more);
    text(&client.post("/transfers", &body).created(), "transfer_id")
}

fn ids(list: &[Value]) -> Vec<String> {
    list.iter().map(|entry| text(entry, "id")).collect()
}

fn statuses(list: &[Value]) -> Vec<String> {
    list.iter().map(|entry| text(entry, "status")).collect()
}

fn query(
    entity: Option<&String>,
    status: Option<&str>,
    reference: Option<&str>,
    limit: usize,
) -> String {
    let mut query = format!("/transfers?limit={limit}");
    let filters = [
        ("entity", entity.map(String::as_str)),
        ("status", status),
        ("reference", reference),
    ];
    for (name, value) in filters {
        if let Some(value) = value {
            query += &format!("&{name}={value}");
        }
    }
    query
}
