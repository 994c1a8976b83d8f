//! Each event is published once, whatever ends in the middle: Florin, the brokers, or the
//! connection.

use std::time::Duration;

use florin_tests::broker::{Broker, Names};
use florin_tests::executable::STOP_BOUND;
use florin_tests::poll::within;
use florin_tests::traffic::{Traffic, a_moment, drained, published_once};
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use rustix::process::Signal;

use crate::support::{bus_is, florin};

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn florin_killed_again_and_again_publishes_each_event_once() {
    let (broker, names) = (Broker::shared(), Names::new("killed"));
    // With small transactions, more moments are inside one.
    let mut server = florin(broker, &names, &[("kafka.transaction_events_max", "40")]);
    let traffic = Traffic::new(&server, 1);
    let mut random = SmallRng::seed_from_u64(7);
    for _ in 0..6 {
        // The kill waits until Florin publishes, because a kill during the start is tested below.
        bus_is(&server, "connected");
        let kill = server.signaller();
        traffic.during(server.client(), || {
            a_moment(&mut random, 50, 700);
            kill(Signal::KILL);
        });
        server.ended();
        server.start_again();
    }
    // Now Florin is killed during its start.
    for _ in 0..3 {
        let kill = server.signaller();
        traffic.during(server.client(), || {
            a_moment(&mut random, 0, 900);
            kill(Signal::KILL);
        });
        server.ended();
        server.start_again();
    }
    let published = published_once(&mut server, broker, &names);
    assert!(published.records > 100, "{published:?}");
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_broker_killed_under_load_loses_and_doubles_nothing() {
    let (broker, names) = (Broker::own(), Names::new("broker"));
    let settings = [
        ("kafka.transaction_events_max", "200"),
        ("kafka.transaction_timeout_ms", "5000"),
    ];
    let mut server = florin(&broker, &names, &settings);
    let traffic = Traffic::new(&server, 2);
    let mut random = SmallRng::seed_from_u64(8);
    for _ in 0..2 {
        bus_is(&server, "connected");
        traffic.during(server.client(), || {
            a_moment(&mut random, 100, 1_000);
            broker.kill(1);
            let before = traffic.answered();
            a_moment(&mut random, 1_000, 3_000);
            assert!(traffic.answered() > before, "Florin serves without Kafka");
            broker.start(1);
        });
        drained(&server);
    }
    published_once(&mut server, &broker, &names);
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_broker_that_falls_silent_only_delays_events() {
    let (broker, names) = (Broker::own(), Names::new("silent"));
    let settings = [("kafka.transaction_timeout_ms", "2000")];
    let mut server = florin(&broker, &names, &settings);
    let traffic = Traffic::new(&server, 3);
    let mut random = SmallRng::seed_from_u64(9);
    drained(&server);
    traffic.during(server.client(), || {
        broker.pause(1);
        let health = bus_is(&server, "away");
        assert_eq!(health["status"], "degraded", "{health}");
        assert!(health["bus"]["reason"].is_string(), "{health}");
        let before = traffic.answered();
        a_moment(&mut random, 300, 300);
        assert!(traffic.answered() > before, "Florin serves without Kafka");
    });
    // It stops within its bound though no broker answers.
    server.signal(Signal::TERM);
    let ended = server.ended_within(STOP_BOUND).expect("within its bound");
    assert_eq!(ended.code(), Some(0), "{}", server.log());
    server.start_again();
    traffic.during(server.client(), || {
        a_moment(&mut random, 300, 300);
        broker.resume(1);
    });
    published_once(&mut server, &broker, &names);
}

/// Florin itself is stopped in the middle of transactions for longer than their timeout. The broker
/// aborts them and fences Florin, though there is no other instance.
#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_transaction_slower_than_its_timeout_is_made_again() {
    let (broker, names) = (Broker::shared(), Names::new("slow"));
    let settings = [
        ("kafka.transaction_timeout_ms", "1000"),
        ("kafka.transaction_events_max", "40"),
    ];
    let mut server = florin(broker, &names, &settings);
    let traffic = Traffic::new(&server, 4);
    let mut random = SmallRng::seed_from_u64(10);
    bus_is(&server, "connected");
    let signal = server.signaller();
    traffic.during(server.client(), || {
        a_moment(&mut random, 200, 500);
        signal(Signal::STOP);
        // Brokers look for expired transactions every 10 s.
        a_moment(&mut random, 12_000, 12_000);
        signal(Signal::CONT);
        a_moment(&mut random, 500, 500);
    });
    published_once(&mut server, broker, &names);
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn without_kafka_florin_serves_and_the_outbox_drains_when_it_is_back() {
    let (broker, names) = (Broker::own(), Names::new("away"));
    broker.stop(1);
    let mut server = florin(&broker, &names, &[]);
    let traffic = Traffic::new(&server, 5);
    let health = bus_is(&server, "away");
    assert_eq!(health["status"], "degraded", "{health}");
    let durable = health["journal"]["durable_sequence"].as_u64().unwrap();
    assert_eq!(health["outbox"]["records"], durable, "{health}");
    assert!(health["outbox"]["oldest_age_seconds"].as_f64().unwrap() > 0.0);
    let reason = health["bus"]["reason"].as_str().unwrap();
    assert!(reason.contains("Connection refused"), "{reason}");
    let metrics = server.get("/metrics").text();
    assert!(metrics.contains("\nflorin_outbox_queue_size "), "{metrics}");
    // It stops within its bound, and continues at its position.
    server.signal(Signal::TERM);
    let ended = server.ended_within(STOP_BOUND).expect("within its bound");
    assert_eq!(ended.code(), Some(0), "{}", server.log());
    server.start_again();
    broker.start(1);
    drained(&server);
    let health = bus_is(&server, "connected");
    assert_eq!(
        (&health["status"], &health["bus"]["reason"]),
        (&"ok".into(), &().into())
    );
    // The broker also goes away during publication.
    broker.stop(1);
    let mut random = SmallRng::seed_from_u64(11);
    traffic.during(server.client(), || a_moment(&mut random, 300, 300));
    bus_is(&server, "away");
    server.signal(Signal::TERM);
    let ended = server.ended_within(STOP_BOUND).expect("within its bound");
    assert_eq!(ended.code(), Some(0), "{}", server.log());
    server.start_again();
    within(Duration::from_millis(300), || None::<()>);
    broker.start(1);
    published_once(&mut server, &broker, &names);
}
