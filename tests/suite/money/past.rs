//! The past: balances at a time, and movements between two times.

use std::time::SystemTime;

use florin_actors::messages::Timestamp;
use florin_tests::bank::{UNKNOWN_ID, money, text};
use florin_tests::http::Client;
use florin_tests::poll::eventually;
use florin_tests::server::{Server, Shared};
use serde_json::{Value, json};

static SERVER: Shared = Shared::new();

#[test]
fn a_balance_without_a_time_is_the_present_one() {
    let server = SERVER.server();
    let id = text(&server.open(&json!({"overdraft_limit": 5})), "id");
    server.deposit(&id, 100).ok();
    server.held(&id, &server.account(), 30);
    let path = format!("/accounts/{id}/balance");
    let answer = server.get(&path);
    let now = answer.ok();
    assert_eq!(money(&now), json!([100, 30, 75, 3]));
    assert_eq!((&now["id"], &now["currency"]), (&json!(id), &json!("USD")));
    assert_eq!(answer.header("etag"), Some("\"3\""));
    assert_eq!(at(&server, &path, present()), now);
}

#[test]
fn a_time_that_can_not_be_told_is_refused() {
    let server = SERVER.server();
    let id = server.account_of(1);
    let wallet = server.wallet_of(1, &json!({}));
    for path in [format!("/accounts/{id}"), format!("/wallets/{wallet}")] {
        for time in [
            "2026-01-01T00:00:00",
            "2026-01-01",
            "2026-01-01 00:00:00",
            "2026-13-01T00:00:00Z",
            "1767225600",
            "now",
            "",
        ] {
            for asked in ["balance?at", "transactions?from", "transactions?to"] {
                let problem = server
                    .get(&format!("{path}/{asked}={}", time.replace(' ', "%20")))
                    .problem(400, "invalid_request");
                assert!(asked.ends_with(&text(&problem, "field")), "{problem}");
            }
        }
        let ahead = present() + 3_600_000_000;
        let ahead = format!("{path}/balance?at={}", time(ahead));
        let problem = server.get(&ahead).problem(400, "invalid_request");
        assert_eq!(problem["field"], "at");
        let before = format!("{path}/balance?at=1969-07-20T20:17:40Z");
        server.get(&before).problem(404, "not_found");
    }
    let unknown = format!("/accounts/{UNKNOWN_ID}");
    let past = time(present());
    for asked in [
        format!("balance?at={past}"),
        format!("transactions?from={past}"),
    ] {
        server
            .get(&format!("{unknown}/{asked}"))
            .problem(404, "not_found");
    }
    // A malformed request is refused before the entity is looked up.
    let ahead = time(present() + 3_600_000_000);
    server
        .get(&format!("{unknown}/balance?at={ahead}"))
        .problem(400, "invalid_request");
}

#[test]
fn a_time_may_be_of_any_zone() {
    let server = SERVER.server();
    let id = server.account_of(10);
    server.deposit(&id, 5).ok();
    let first = micros(&movements(&server, &id, "")[1]);
    let after = first + 1;
    let utc = time(after);
    let hours = |text: &str, zone: &str| format!("{}{zone}", text.trim_end_matches('Z'));
    let east = hours(&time(after + 2 * 3_600_000_000), "%2B02:00");
    let west = hours(&time(after - 5 * 3_600_000_000), "-05:00");
    for time in [&utc, &east, &west] {
        let then = server
            .get(&format!("/accounts/{id}/balance?at={time}"))
            .ok();
        assert_eq!(money(&then), json!([10, 0, 10, 2]), "{time}");
    }
}

#[test]
fn a_balance_leaves_out_what_happens_at_its_time() {
    let server = SERVER.server();
    let opened = server.open(&json!({}));
    let id = text(&opened, "id");
    for amount in [100, 20] {
        server.deposit(&id, amount).ok();
    }
    server.withdraw(&id, 50).ok();
    let path = format!("/accounts/{id}/balance");
    let created = parsed(&text(&opened, "created_at"));
    server
        .get(&format!("{path}?at={}", time(created)))
        .problem(404, "not_found");
    let answer = server.get(&format!("{path}?at={}", time(created + 1)));
    assert_eq!(money(&answer.ok()), json!([0, 0, 0, 1]));
    assert_eq!(answer.header("etag"), None, "it is not the present version");
    let rows = movements(&server, &id, "");
    let times: Vec<i64> = rows.iter().rev().map(micros).collect();
    let left = [
        json!([0, 0, 0, 1]),
        json!([100, 0, 100, 2]),
        json!([120, 0, 120, 3]),
        json!([70, 0, 70, 4]),
    ];
    for (place, moved) in times.iter().enumerate() {
        assert_eq!(money(&at(&server, &path, *moved)), left[place]);
        assert_eq!(money(&at(&server, &path, moved + 1)), left[place + 1]);
    }
}

#[test]
fn the_end_of_a_month_is_the_beginning_of_the_next_also_for_what_happens_at_that_moment() {
    let server = SERVER.server();
    let (id, other) = (server.account(), server.account());
    for amount in [100, 20, 3] {
        server.deposit(&id, amount).ok();
        server.transfer(&id, &other, 7).ok();
        server.withdraw(&id, 1).ok();
    }
    let path = format!("/accounts/{id}/balance");
    let rows = movements(&server, &id, "");
    let first = micros(&rows[rows.len() - 1]);
    let balance = |moment: i64| at(&server, &path, moment)["balance"].as_i64().unwrap();
    // The end of the month is each movement's own microsecond once, and the microseconds before and
    // after it.
    for moved in &rows {
        let moved = micros(moved);
        for boundary in [moved - 1, moved, moved + 1] {
            let sum = |from: i64, to: i64| {
                let query = format!("&from={}&to={}", time(from), time(to));
                let rows = movements(&server, &id, &query);
                rows.iter()
                    .map(|row| row["amount"].as_i64().unwrap())
                    .sum::<i64>()
            };
            let end = micros(&rows[0]) + 1;
            let (month, next) = (sum(first, boundary), sum(boundary, end));
            assert_eq!(
                month,
                balance(boundary),
                "the closing balance at {boundary}"
            );
            assert_eq!(balance(boundary) + next, balance(end), "from {boundary} on");
        }
    }
}

#[test]
fn a_past_balance_knows_the_holds_and_limits_of_then() {
    let server = SERVER.server();
    let to = server.account();
    let wallet = server.wallet_of(0, &json!({"per_day": 1_000}));
    for (area, id) in [("accounts", server.account()), ("wallets", wallet)] {
        let path = format!("/{area}/{id}");
        let (balance, settings) = (format!("{path}/balance"), path.clone());
        let mut seen = Vec::new();
        let mut note = || {
            let now = server.get(&balance).ok();
            let noted = (moment(), now);
            seen.push(noted);
        };
        server
            .post(&format!("{path}/deposit"), &json!({"amount": 100}))
            .ok();
        note();
        let transfer = server.held(&id, &to, 60);
        note();
        server
            .patch(&settings, &json!({"overdraft_limit": 30}))
            .ok();
        note();
        let part = json!({"amount": 20, "final": false});
        server.settle(&transfer, "post", &part).ok();
        note();
        server.patch(&settings, &json!({"status": "FROZEN"})).ok();
        note();
        server
            .patch(&settings, &json!({"overdraft_limit": null}))
            .ok();
        note();
        if area == "wallets" {
            server
                .patch(&settings, &json!({"limits": {"per_day": null}}))
                .ok();
            note();
        }
        server.settle(&transfer, "void", &json!({})).ok();
        note();
        let expected = [
            json!([100, 0, 100, 2]),
            json!([100, 60, 40, 3]),
            json!([100, 60, 70, 4]),
            json!([80, 40, 70, 5]),
            json!([80, 40, 70, 6]),
            json!([80, 40, null, 7]),
        ];
        for ((_, now), expected) in seen.iter().zip(&expected) {
            assert_eq!(money(now), *expected);
        }
        for (moment, then) in &seen {
            assert_eq!(at(&server, &balance, *moment), *then, "{area}");
        }
    }
}

#[test]
fn a_past_balance_is_kept_when_its_account_is_deleted() {
    let server = SERVER.server();
    let id = server.account_of(10);
    let had = moment();
    server.withdraw(&id, 10).ok();
    server.delete(&format!("/accounts/{id}")).ok();
    let path = format!("/accounts/{id}/balance");
    assert_eq!(money(&at(&server, &path, had)), json!([10, 0, 10, 2]));
    assert_eq!(money(&at(&server, &path, moment())), json!([0, 0, 0, 4]));
}

#[test]
fn movements_are_listed_from_a_time_to_another() {
    let server = SERVER.server();
    let id = server.account();
    for amount in 1..=6 {
        server.deposit(&id, amount).ok();
    }
    let all = movements(&server, &id, "");
    let times: Vec<i64> = all.iter().map(micros).collect();
    let between = |from: Option<i64>, to: Option<i64>| {
        let from = from.map(|from| format!("&from={}", time(from)));
        let to = to.map(|to| format!("&to={}", time(to)));
        let query = from.unwrap_or_default() + &to.unwrap_or_default();
        movements(&server, &id, &query)
    };
    // The newest movement comes first. `from` is inclusive, `to` is exclusive.
    assert_eq!(between(Some(times[5]), None), all);
    assert_eq!(between(Some(times[5] + 1), None), all[..5]);
    assert_eq!(between(Some(times[2]), None), all[..3]);
    assert_eq!(between(None, Some(times[0])), all[1..]);
    assert_eq!(between(None, Some(times[0] + 1)), all);
    assert_eq!(between(Some(times[4]), Some(times[1])), all[2..5]);
    assert_eq!(between(Some(times[3]), Some(times[3])), all[..0]);
    assert_eq!(between(Some(times[0]), Some(times[5])), all[..0]);
    assert_eq!(between(None, Some(times[5])), all[..0]);
    assert_eq!(between(Some(times[0] + 1), None), all[..0]);
    // Only lists of movements may name a time in the future.
    assert_eq!(between(None, Some(present() + 3_600_000_000)), all);
}

#[test]
fn a_cursor_is_bound_to_its_times() {
    let server = SERVER.server();
    let (id, other) = (server.account(), server.account());
    for _ in 0..6 {
        server.deposit(&id, 1).ok();
        server.deposit(&other, 1).ok();
    }
    let times: Vec<i64> = movements(&server, &id, "").iter().map(micros).collect();
    let (from, to) = (time(times[5]), time(times[0]));
    let path = format!("/accounts/{id}/transactions?limit=2&from={from}&to={to}");
    let first = server.get(&path).ok();
    let cursor = text(&first, "next_cursor");
    let second = server.get(&format!("{path}&cursor={cursor}")).ok();
    let of = |page: &Value| page["data"][0]["version"].clone();
    assert_eq!((of(&first), of(&second)), (json!(6), json!(4)));
    let list = |id: &str, query: &str| {
        format!("/accounts/{id}/transactions?limit=2&cursor={cursor}{query}")
    };
    for foreign in [
        list(&id, ""),
        list(&id, &format!("&from={from}")),
        list(&id, &format!("&to={to}")),
        list(&id, &format!("&from={to}&to={from}")),
        list(&id, &format!("&from={from}&to={}", time(times[1]))),
        list(&other, &format!("&from={from}&to={to}")),
    ] {
        server.get(&foreign).problem(400, "invalid_cursor");
    }
}

#[test]
fn the_past_of_an_entity_with_thousands_of_records_is_right() {
    const MOVEMENTS: usize = 2_500;
    let mut server = Server::with(&[
        ("views.flush_records_max", "700"),
        ("views.index_segment_entries", "1000"),
    ]);
    let (id, other) = (server.account(), server.account());
    let mut holds = Vec::new();
    for n in 1..=MOVEMENTS {
        server.deposit(&id, 2).ok();
        if n % 500 == 0 {
            holds.push(server.held(&id, &other, 1));
        }
        if n % 900 == 0 {
            let path = format!("/accounts/{id}");
            server.patch(&path, &json!({"overdraft_limit": n})).ok();
        }
    }
    let check = |server: &Client| {
        let rows = movements(server, &id, "&limit=1000");
        assert_eq!(rows.len(), MOVEMENTS);
        let path = format!("/accounts/{id}/balance");
        for n in [
            1, 2, 63, 64, 65, 499, 500, 501, 900, 901, 1_024, 1_999, 2_499, 2_500,
        ] {
            let row = &rows[MOVEMENTS - n];
            let then = at(server, &path, micros(row) + 1);
            let held = (n - 1) / 500;
            let overdraft = (n - 1) / 900 * 900;
            let balance = 2 * n;
            assert_eq!(
                money(&then),
                json!([balance, held, balance - held + overdraft, row["version"]]),
                "after {n}"
            );
        }
        for (newest, oldest) in [(0, 10), (700, 705), (1_000, 2_200), (2_490, 2_499)] {
            let (from, to) = (micros(&rows[oldest]), micros(&rows[newest]));
            let query = format!("&limit=300&from={}&to={}", time(from), time(to));
            let found = movements(server, &id, &query);
            assert_eq!(found, rows[newest + 1..=oldest], "{newest} to {oldest}");
        }
    };
    check(&server);
    server.restart();
    check(&server);
    server.crash();
    check(&server);
}

/// Returns a balance at a time, after waiting until the server's clock has reached it.
#[track_caller]
fn at(server: &Client, path: &str, micros: i64) -> Value {
    let target = format!("{path}?at={}", time(micros));
    let answer = eventually("that time has come", || {
        let answer = server.get(&target);
        (answer.status != 400).then_some(answer)
    });
    answer.ok()
}

#[track_caller]
fn movements(client: &Client, id: &str, query: &str) -> Vec<Value> {
    let limit = if query.contains("limit=") {
        ""
    } else {
        "&limit=50"
    };
    let query = format!("{limit}{query}");
    client.list(&format!("/accounts/{id}/transactions?{}", &query[1..]))
}

#[track_caller]
fn micros(row: &Value) -> i64 {
    parsed(&text(row, "timestamp"))
}

#[track_caller]
fn parsed(text: &str) -> i64 {
    let time: Timestamp = text.parse().expect("a time");
    time.as_micros()
}

fn time(micros: i64) -> String {
    Timestamp::from_micros(micros).to_string()
}

fn present() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(since.unwrap().as_micros()).unwrap()
}

/// Returns a time between the last answer and the next request: the clock has moved past it.
fn moment() -> i64 {
    let moment = present();
    eventually("the clock goes on", || (present() > moment).then_some(()));
    moment
}
