//! An account whose code fails: other accounts are not affected, it comes back with the right
//! state, one fault too many takes it out of service, a restart keeps it there, and an operator
//! resumes it.

use florin_tests::faulty::{heal, infect};
use florin_tests::http::Request;
use florin_tests::poll::eventually;
use serde_json::{Value, json};

use crate::faults::switched::{Faulty, deposit};

/// The backoff is very short, and the sixth fault takes the actor out of service.
const SETTINGS: &[(&str, &str)] = &[
    ("actors.backoff_ms_min", "1"),
    ("actors.backoff_ms_max", "2"),
];

fn actor(faulty: &Faulty, id: &str) -> Value {
    let page = faulty
        .server
        .get("/admin/actors?kind=account&limit=1000")
        .ok();
    let actors = page["data"].as_array().unwrap();
    let found = actors.iter().find(|actor| actor["id"] == *id);
    found.cloned().unwrap_or_default()
}

fn resume(id: &str) -> Request {
    Request::post(&format!("/admin/actors/account/{id}/resume"), &json!({}))
}

fn transfer(from: &str, to: &str) -> Request {
    Request::post("/transfers", &json!({"from": from, "to": to, "amount": 1}))
}

#[test]
fn a_fault_of_one_account_is_told_and_harms_nobody_else() {
    let faulty = Faulty::start(SETTINGS);
    let (sick, well) = (faulty.server.account_of(10), faulty.server.account_of(10));
    infect(faulty.switches(), &sick);
    let poison = transfer(&well, &sick).key("poison");
    let problem = faulty.server.send(&poison).problem(500, "actor_faulted");
    let operation = problem["operation_id"].as_str().unwrap();
    faulty.server.send(&deposit(&well, 5)).ok();
    assert_eq!(faulty.server.balance(&well), 15);
    heal(faulty.switches(), &sick);
    eventually("it is back", || {
        let actor = actor(&faulty, &sick);
        (actor["state"] == "live" && actor["restarts"] == 1).then_some(())
    });
    let fault = actor(&faulty, &sick)["last_fault"].clone();
    assert!(
        fault.as_str().unwrap().contains("the test asked for it"),
        "{fault}"
    );
    assert_eq!(actor(&faulty, &well)["last_fault"], Value::Null);
    // The same request is refused without being executed. Without a key it is executed.
    let again = faulty.server.send(&poison);
    assert!(again.replayed());
    again.problem(500, "actor_faulted");
    let told = faulty.server.get(&format!("/operations/{operation}")).ok();
    assert_eq!(told["error"]["code"], "actor_faulted");
    faulty.server.send(&transfer(&well, &sick)).ok();
    assert_eq!(faulty.server.balance(&sick), 11);
    faulty.server.logs("restarted");
    let log = faulty.server.log();
    let line = log.lines().find(|line| line.contains("restarted")).unwrap();
    for field in [sick.as_str(), "reason", "restarts", "backoff_ms"] {
        assert!(line.contains(field), "{field} is not in {line}");
    }
    let metrics = faulty.server.get("/metrics").text();
    let restarts = "florin_actor_restarts_total{kind=\"account\",reason=\"panic\"} 1";
    assert!(metrics.contains(restarts), "{metrics}");
}

#[test]
fn the_sixth_fault_in_a_minute_takes_an_account_out_of_service_until_it_is_resumed() {
    let mut faulty = Faulty::start(SETTINGS);
    let (sick, well) = (faulty.server.account_of(10), faulty.server.account_of(10));
    infect(faulty.switches(), &sick);
    for _ in 0..6 {
        let refused = faulty.server.send(&deposit(&sick, 1));
        refused.problem(500, "actor_faulted");
    }
    heal(faulty.switches(), &sick);
    let out_of_service = |faulty: &Faulty| {
        for request in [
            deposit(&sick, 1),
            transfer(&well, &sick),
            transfer(&sick, &well),
        ] {
            let refused = faulty.server.send(&request);
            refused.problem(503, "actor_quarantined");
            assert!(refused.header("Retry-After").is_some());
        }
        assert_eq!(faulty.server.balance(&sick), 10);
        let page = faulty.server.get("/admin/actors?state=quarantined").ok();
        assert_eq!(page["data"][0]["id"], sick);
        faulty.server.send(&deposit(&well, 1)).ok();
    };
    out_of_service(&faulty);
    faulty.server.restart();
    out_of_service(&faulty);
    faulty.server.crash();
    out_of_service(&faulty);
    let resumed = faulty.server.send(&resume(&sick).key("resume")).ok();
    assert_eq!(resumed["status"], "completed");
    let done = faulty.server.send(&deposit(&sick, 1)).ok();
    assert_eq!(
        (&done["balance"], &done["version"]),
        (&json!(11), &json!(3))
    );
    assert!(faulty.server.send(&resume(&sick).key("resume")).replayed());
    faulty.server.crash();
    faulty.server.send(&deposit(&sick, 1)).ok();
    faulty.server.send(&transfer(&sick, &well)).ok();
}

#[test]
fn holds_expire_though_hundreds_of_an_account_out_of_service_can_not() {
    // This is more than the node expires at a time.
    const HOLDS: u64 = 300;
    let faulty = Faulty::start(SETTINGS);
    let server = &faulty.server;
    let (well, to) = (server.account_of(1_000), server.account());
    let hold = |from: &str, seconds: u32| {
        let hold = json!({
            "from": from, "to": to, "amount": 1, "pending": true, "expires_in_seconds": seconds,
        });
        server.post("/transfers", &hold).created();
    };
    let held = |id: &str| server.read(id)["held"].as_u64().unwrap();
    // On a slow machine the holds may expire before their account is out of service. Then the test
    // tries again with more time.
    let mut seconds = 2;
    let (sick, stuck) = eventually("an account is out of service with its holds", || {
        let sick = server.account_of(1_000);
        (0..HOLDS).for_each(|_| hold(&sick, seconds));
        infect(faulty.switches(), &sick);
        for _ in 0..6 {
            server.send(&deposit(&sick, 1)).json();
        }
        hold(&well, seconds);
        heal(faulty.switches(), &sick);
        seconds *= 2;
        let stuck = held(&sick);
        (stuck == HOLDS).then_some((sick, stuck))
    });
    eventually("the other's hold expires", || {
        (held(&well) == 0).then_some(())
    });
    assert_eq!(held(&sick), stuck);
    server.send(&resume(&sick)).ok();
    eventually("they all expire", || (held(&sick) == 0).then_some(()));
}

#[test]
fn what_there_is_not_cannot_be_resumed() {
    let faulty = Faulty::start(SETTINGS);
    let id = faulty.server.account();
    let unknown = "01901234-5678-7fff-bfff-ffffffffffa5";
    faulty
        .server
        .send(&resume(unknown))
        .problem(404, "not_found");
    faulty.server.send(&resume("7")).problem(400, "invalid_id");
    let other_kind = Request::post(&format!("/admin/actors/external/{id}/resume"), &json!({}));
    faulty.server.send(&other_kind).problem(404, "not_found");
    let no_kind = Request::post(&format!("/admin/actors/nothing/{id}/resume"), &json!({}));
    faulty.server.send(&no_kind).problem(404, "route_not_found");
    faulty.server.send(&resume(&id)).ok();
    // The resume of an account in service changes nothing.
    faulty.server.send(&deposit(&id, 1)).ok();
}
