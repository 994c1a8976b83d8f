//! The shared code of the Kafka tests.

use florin_tests::broker::{Broker, Names};
use florin_tests::executable;
use florin_tests::http::Client;
use florin_tests::poll::eventually;
use florin_tests::server::Server;
use serde_json::Value;

/// Waits until the bus has this state, and returns the health report.
#[track_caller]
pub fn bus_is(client: &Client, state: &str) -> Value {
    eventually(&format!("the bus is {state}"), || {
        let health = client.get("/health").ok();
        (health["bus"]["state"] == state).then_some(health)
    })
}

/// Starts Florin with these brokers, the test's own names and further settings.
#[track_caller]
pub fn florin(broker: &Broker, names: &Names, settings: &[(&str, &str)]) -> Server {
    Server::of(executable::florin(), variables(broker, names, settings))
}

/// Returns the variables for these brokers, the test's own names and further settings.
pub fn variables(
    broker: &Broker,
    names: &Names,
    settings: &[(&str, &str)],
) -> Vec<(String, String)> {
    let mut variables = names.variables(broker);
    variables.extend(Server::variables(settings));
    variables
}

/// Starts Florin with a broker and the test's own consumer group.
#[track_caller]
pub fn grouped(broker: &Broker, names: &Names, settings: &[(&str, &str)]) -> Server {
    let group = names.of("ledger-service");
    let mut all = vec![("kafka.group_id", group.as_str())];
    all.extend(settings);
    florin(broker, names, &all)
}
