//! Real Kafka brokers for tests, started by `scripts/kafka`: one broker that the tests of a process
//! share, and separate clusters for single tests. They end with the tests' process.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use florin_actors::events::EventType;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::watchdog;

/// A running cluster of brokers with its own folder.
#[derive(Debug)]
pub struct Broker {
    folder: PathBuf,
    brokers: u32,
    /// The variables that `up` printed: `KAFKA_BROKERS`, and more with `--sasl`.
    told: BTreeMap<String, String>,
    /// The process id of each broker that the watchdog watches.
    watched: Mutex<BTreeMap<u32, u32>>,
}

impl Broker {
    /// Returns the broker that all tests of this process share. No test stops it, and each test has
    /// its own topics and ids (see [`Names`]).
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Broker> = OnceLock::new();
        SHARED.get_or_init(Self::own)
    }

    /// Starts a broker for one test, which may kill it.
    pub fn own() -> Self {
        Self::with(1, &[])
    }

    /// Starts a cluster of this many brokers for one test. `more` are further arguments of `up`,
    /// such as `--sasl`.
    ///
    /// # Panics
    /// Panics if they don't start.
    pub fn with(brokers: u32, more: &[&str]) -> Self {
        let folder = watchdog::folder("kafka");
        let mut broker = Self {
            folder,
            brokers,
            told: BTreeMap::new(),
            watched: Mutex::default(),
        };
        let count = brokers.to_string();
        let mut arguments = vec!["up", "--port", "0", "--brokers", &count];
        arguments.extend(more);
        let told = broker.script(&arguments);
        let lines = told.lines().filter_map(|line| line.split_once('='));
        broker.told = lines.map(|(k, v)| (k.into(), v.into())).collect();
        (1..=brokers).for_each(|id| broker.watch(id));
        broker
    }

    /// Returns the brokers' addresses as `host:port`, separated by commas.
    pub fn address(&self) -> &str {
        self.told("KAFKA_BROKERS")
    }

    /// Returns the variable that `up` printed under this name, such as `KAFKA_CA`.
    ///
    /// # Panics
    /// Panics if `up` didn't print it.
    pub fn told(&self, name: &str) -> &str {
        self.told.get(name).expect("printed by `up`")
    }

    /// Returns the cluster's folder. With `--sasl` it contains the client files of Kafka's tools.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Kills a broker, as `kill -9` does.
    pub fn kill(&self, id: u32) {
        self.one("kill", id);
        self.forget(id);
    }

    /// Asks a broker to stop, and waits until it has stopped.
    pub fn stop(&self, id: u32) {
        self.one("stop", id);
        self.forget(id);
    }

    /// Starts a broker again, and waits until it is ready.
    pub fn start(&self, id: u32) {
        self.one("start", id);
        self.watch(id);
    }

    /// Pauses a broker's process: its connections stay open but silent.
    pub fn pause(&self, id: u32) {
        self.one("pause", id);
    }

    /// Resumes a paused broker.
    pub fn resume(&self, id: u32) {
        self.one("resume", id);
    }

    /// Runs one of Kafka's own tools, such as `kafka-console-consumer`, against these brokers.
    pub fn tool(&self, name: &str, arguments: &[&str]) -> Output {
        let mut command = self.command(&["tool", name]);
        command.args(arguments).output().expect("bash runs")
    }

    /// Writes messages with the Java console producer. Each message is a key and a value without
    /// tabs.
    ///
    /// # Panics
    /// Panics if the producer fails.
    #[track_caller]
    pub fn produce_by_java(&self, topic: &str, messages: &[(&str, &str)]) {
        let arguments = ["--topic", topic, "--reader-property", "parse.key=true"];
        let mut command = self.command(&["tool", "kafka-console-producer"]);
        command.args(arguments).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("bash runs");
        let mut input = child.stdin.take().expect("piped");
        for (key, value) in messages {
            writeln!(input, "{key}\t{value}").expect("it reads");
        }
        drop(input);
        let output = child.wait_with_output().expect("its own child");
        assert!(output.status.success(), "{output:?}");
    }

    /// Deletes every message of a topic.
    ///
    /// # Panics
    /// Panics if the broker doesn't delete them.
    #[track_caller]
    pub fn empty(&self, topic: &str, partitions: i32) {
        let mut all = TopicPartitionList::new();
        for partition in 0..partitions {
            all.add_partition_offset(topic, partition, Offset::End)
                .expect("an offset");
        }
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("a client");
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.build().expect("a runtime");
        let emptied = runtime.block_on(admin.delete_records(&all, &AdminOptions::new()));
        for partition in emptied.expect("the broker answers").elements() {
            partition.error().expect("it is emptied");
        }
    }

    /// Returns the configuration from which every client of these brokers starts.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.address());
        config.set("reconnect.backoff.max.ms", "500");
        config
    }

    fn one(&self, what: &str, id: u32) {
        self.script(&[what, &id.to_string()]);
    }

    /// Runs the script and returns its output.
    #[track_caller]
    fn script(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("bash runs");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "scripts/kafka {arguments:?}: {told}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        told
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/kafka");
        let mut command = Command::new("bash");
        command.arg(script).arg("--dir").arg(&self.folder);
        // A user's own broker must not be used by the test.
        command.args(arguments).env_remove("KAFKA_BROKERS");
        command.stdin(Stdio::null());
        command
    }

    /// Returns the process id of a running broker.
    pub fn pid(&self, id: u32) -> Option<u32> {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.get(&id).copied()
    }

    /// Has the watchdog watch a broker's process.
    fn watch(&self, id: u32) {
        let pid = self.folder.join(format!("broker-{id}/pid"));
        let pid = fs::read_to_string(pid).expect("a running broker has a pid");
        let pid = pid.trim().parse().expect("a number");
        watchdog::watch(pid);
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.insert(id, pid);
    }

    fn forget(&self, id: u32) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pid) = watched.remove(&id) {
            watchdog::forget(pid);
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        for id in 1..=self.brokers {
            // The broker may have ended already, so a failure doesn't matter.
            let _ = self.command(&["kill", &id.to_string()]).output();
            self.forget(id);
        }
        // The watchdog removes the rest.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Names that no other test uses, for a test on a shared broker.
#[derive(Debug, Clone)]
pub struct Names {
    prefix: String,
}

/// Returns each type of event with its default topic. Each test replaces the topics by its own.
fn default_bindings() -> impl Iterator<Item = (&'static str, &'static str)> {
    let types = EventType::ALL.iter();
    types.flat_map(|event_type| {
        let topics = event_type.default_topics().iter();
        topics.map(|topic| (event_type.short(), *topic))
    })
}

impl Names {
    /// Creates names that begin with a test's name and end with a suffix unique to this call.
    pub fn new(test: &str) -> Self {
        static CALLS: AtomicU32 = AtomicU32::new(0);
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("{test}-{}-{call}", std::process::id());
        Self { prefix }
    }

    /// Returns the test's own name for a topic, a group or an id.
    pub fn of(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    /// Returns the test's own topics for events, each once.
    pub fn topics(&self) -> Vec<String> {
        let mut topics: Vec<String> = default_bindings()
            .map(|(_, topic)| self.of(topic))
            .collect();
        topics.sort_unstable();
        topics.dedup();
        topics
    }

    /// Returns the test's own topics for a type of event.
    pub fn topics_of(&self, event_type: &str) -> Vec<String> {
        let bound = default_bindings().filter(|(known, _)| *known == event_type);
        bound.map(|(_, topic)| self.of(topic)).collect()
    }

    /// Returns `kafka.bindings` with the test's own topics.
    pub fn bindings(&self) -> String {
        let each = default_bindings().map(|(event_type, topic)| {
            let topic = self.of(topic);
            format!("{event_type} = {topic}")
        });
        each.collect::<Vec<_>>().join("; ")
    }

    /// Returns the variables that make Florin publish to these brokers under the test's own names.
    pub fn variables(&self, broker: &Broker) -> Vec<(String, String)> {
        vec![
            ("KAFKA_BROKERS".into(), broker.address().into()),
            ("FLORIN__KAFKA__BINDINGS".into(), self.bindings()),
            ("KAFKA_GROUP_ID".into(), self.of("group")),
        ]
    }
}
