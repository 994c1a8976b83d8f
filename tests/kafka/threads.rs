//! The threads that carry events and messages: a thread that ends because of a fault is started
//! again, health reports it meanwhile, and nothing is lost.

use std::path::Path;

use florin_storage::threads::ThreadName;
use florin_tests::broker::{Broker, Names};
use florin_tests::faulty::{SWITCHES, break_thread, mend_thread};
use florin_tests::health::reason_about;
use florin_tests::poll::eventually;
use florin_tests::server::Server;
use florin_tests::topic::Isolation;
use florin_tests::traffic::drained;

use crate::support::variables;

fn is_reported(server: &Server, thread: ThreadName) -> bool {
    reason_about(server, "thread_ended", &thread.name().into()).is_some()
}

#[test]
#[ignore = "needs a Kafka broker: .ci/run kafka"]
fn a_thread_of_kafka_that_ends_is_started_again_and_every_event_leaves() {
    let broker = Broker::shared();
    let names = Names::new("threads");
    let switches = tempfile::tempdir().unwrap();
    let mut variables = variables(broker, &names, &[]);
    let folder = switches.path().to_str().unwrap().to_owned();
    variables.push((SWITCHES.to_owned(), folder));
    let executable = Path::new(env!("CARGO_BIN_EXE_florin-faulty"));
    let server = Server::of(executable, variables);
    for thread in [
        ThreadName::Publisher,
        ThreadName::Outbox,
        ThreadName::Consumer,
        ThreadName::DeadLetters,
    ] {
        break_thread(switches.path(), thread);
        eventually(&format!("health tells that {thread} ended"), || {
            is_reported(&server, thread).then_some(())
        });
        server.account_of(1);
        mend_thread(switches.path(), thread);
        eventually(&format!("{thread} works again"), || {
            (!is_reported(&server, thread)).then_some(())
        });
    }
    drained(&server);
    broker.produce_by_java(&names.of("deposit-requests"), &[("key", "poison")]);
    eventually("the message becomes a dead letter", || {
        (server.list("/admin/dlq").len() == 1).then_some(())
    });
    let letters = broker.read(&names.of("deposit-requests.dlq"), Isolation::Committed);
    assert_eq!(letters.len(), 1, "{letters:?}");
}
