//! The table of all settings. A row consists of documentation, name and type, default, and rule.
//! The structs, the defaults, the validation and the reference are made from it; a new setting is
//! one row here.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::origin::Origins;
use crate::rule::Rule;
use crate::values::{
    Compression, CursorLost, Incomplete, KafkaStart, Lanes, LogFormat, LogLevel, SaslMechanism,
    Secret, Security, Switch,
};
use crate::{ConfigError, Origin};

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    /// The name, as `section.key`.
    pub name: &'static str,
    /// The allowed values.
    pub rule: Rule,
    /// The description, line by line.
    pub description: &'static [&'static str],
}

impl Row {
    /// Returns the setting's name within its section.
    pub(crate) fn key(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, key)| key)
    }
}

/// One section of the table.
#[derive(Debug)]
pub(crate) struct Section {
    pub name: &'static str,
    pub description: &'static [&'static str],
    pub rows: &'static [Row],
}

macro_rules! settings {
    ($(
        $(#[doc = $section_doc:literal])+
        $section:ident: $Section:ident {
            $( $(#[doc = $doc:literal])+ $key:ident: $kind:ty = $default:expr, $rule:expr; )+
        }
    )+) => {
        /// All settings of a Florin process, valid when [`Settings::load`] has returned them.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Settings {
            $( $(#[doc = $section_doc])+ pub $section: $Section, )+
            /// The origins of the values.
            #[serde(skip)]
            pub(crate) origins: Origins,
            /// Warnings about variables that look like settings but are not.
            #[serde(skip)]
            pub(crate) warnings: Vec<String>,
        }

        $(
            $(#[doc = $section_doc])+
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
            #[serde(default, deny_unknown_fields)]
            pub struct $Section {
                $( $(#[doc = $doc])+ pub $key: $kind, )+
            }

            impl Default for $Section {
                fn default() -> Self {
                    Self { $( $key: $default, )+ }
                }
            }
        )+

        /// Every section with its settings, in the order of the reference.
        pub(crate) const TABLE: &[Section] = &[$(
            Section {
                name: stringify!($section),
                description: &[$( $section_doc ),+],
                rows: &[$(
                    Row {
                        name: concat!(stringify!($section), ".", stringify!($key)),
                        rule: $rule,
                        description: &[$( $doc ),+],
                    },
                )+],
            },
        )+];
    };
}

const fn integer(min: i64, max: i64) -> Rule {
    Rule::Integer { min, max }
}

const fn text(max: usize) -> Rule {
    Rule::Text { max }
}

const KIB: i64 = 1 << 10;
const MIB: i64 = 1 << 20;
const GIB: i64 = 1 << 30;

settings! {
    /// The address that the process listens on, and its data directory.
    server: Server {
        /// The address to listen on. Only loopback is allowed: there is no authentication yet, so
        /// any client that reaches the port can move money.
        host: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST), Rule::Loopback;
        /// The port to listen on. With 0 the system chooses a free port, which the log line of the
        /// start names.
        port: u16 = 8080, integer(0, 65_535);
        /// The folder of the journal and the views. It is created if it is missing. Only one
        /// process at a time may use it.
        data_dir: PathBuf = "./florin-data".into(), Rule::Path;
        /// The longest time that a stop may take to finish accepted work, in seconds.
        shutdown_seconds_max: u64 = 30, integer(1, 600);
    }
    /// The services that run in this process, and the addresses of the others.
    services: Services {
        /// The services of this process, separated by commas: `core` (accounts, wallets, transfers
        /// and the ledger; `account` is an alias) and `card`. If this is set and `server.data_dir`
        /// is not, the data directory is a folder in the default of `server.data_dir`, named after
        /// the services.
        run: String = "core,card".into(), Rule::Services;
        /// The address of the core if it runs in another process, for example
        /// `http://127.0.0.1:8081`. Requests for it are forwarded. If the address is empty, they
        /// are answered with 503 `service_unavailable`.
        core_url: String = String::new(), text(2_048);
        /// The address of the card service if it runs in another process. It works like
        /// `services.core_url`.
        card_url: String = String::new(), text(2_048);
        /// The longest wait for another process's answer to a forwarded request, in milliseconds.
        /// After it the request is answered with 503 `service_unavailable`. Commands may wait in
        /// the other process for 30 seconds.
        peer_wait_ms_max: u64 = 35_000, integer(1, 600_000);
        /// The behavior of the card service while it can't prove that it has read every account
        /// event. `refuse` answers requests for new cards with 503 `service_unavailable`. `serve`
        /// creates the cards from what is known, even for accounts that may have been frozen or
        /// deleted meanwhile.
        incomplete: Incomplete = Incomplete::Refuse, Rule::OneOf(Incomplete::WORDS);
    }
    /// Limits of HTTP. A request that exceeds one is refused early, never served late.
    gateway: Gateway {
        /// The number of threads that serve HTTP in addition to the ledger's thread. With 0 HTTP is
        /// served on the ledger's thread. `auto` is 0 with one core, otherwise all cores but two,
        /// at least 2.
        lanes: Lanes = Lanes::Auto, Rule::AutoOrInteger { max: 256 };
        /// The number of connections that are served at a time. On further connections only health
        /// checks and metrics are answered; everything else gets 503 `overloaded`.
        connections_max: usize = 10_000, integer(1, 1_000_000);
        /// The longest time that a client may take to send a request's head, in seconds.
        header_read_seconds_max: u64 = 10, integer(1, 300);
        /// The longest time that a client may take to send a request's body, in seconds.
        body_read_seconds_max: u64 = 30, integer(1, 600);
        /// The largest body that is accepted, in bytes. A larger one is answered with 413.
        body_bytes_max: usize = 1 << 20, integer(KIB, 16 * MIB);
        /// The largest body of a batch that is accepted, in bytes. A larger one is answered with
        /// 413.
        batch_bytes_max: usize = 16 << 20, integer(KIB, 64 * MIB);
        /// The number of bytes of a body that is too large that are read and discarded, so that the
        /// client sees the answer. After them the connection is closed.
        body_bytes_drained_max: usize = 8 << 20, integer(0, 64 * MIB);
        /// The number of commands between admission and answer. Further ones are answered with 503
        /// `overloaded`.
        in_flight_commands_max: usize = 8_192, integer(1, 1_000_000);
        /// The number of commands that are accepted (202) and not yet executed. Beyond it, a
        /// command that is to be accepted first is answered with 503 `overloaded`.
        accepted_commands_max: usize = 65_536, integer(1, 10_000_000);
        /// The memory for batches, in bytes. It applies three times: to bodies above 64 KiB that
        /// are being read, to the items of batches that are being executed, and to the items of
        /// batches that are accepted (202) and not yet executed. A batch is admitted while the
        /// others of its kind take less than this; otherwise it is answered with 503 `overloaded`.
        batches_bytes_max: usize = 256 << 20, integer(MIB, 1 << 40);
        /// The longest time that a connection may be idle between requests, in seconds.
        keep_alive_idle_seconds_max: u64 = 75, integer(1, 3_600);
        /// The time after which a command that is not confirmed is answered with 504, in
        /// milliseconds, unless the request sets another time (`Prefer: wait`).
        confirmation_wait_ms: u64 = 5_000, integer(1, 30_000);
        /// The number of rows on a list's page if the request has no `limit`.
        page_default: usize = 50, integer(1, 1_000);
        /// The largest `limit` that a request may have.
        page_max: usize = 1_000, integer(1, 1_000);
        /// The longest time that a list waits until its view contains everything that was durable
        /// when the request arrived, in milliseconds. After it the request is answered with 503
        /// `view_behind`.
        list_wait_ms_max: u64 = 2_000, integer(0, 30_000);
    }
    /// The rules of the ledger.
    ledger: Ledger {
        /// The currency of an account that is created without one.
        default_currency: String = "USD".into(), Rule::Currency;
        /// The assets that may be used in addition to the currencies of ISO 4217, each with the
        /// number of decimal places of its unit: `USDC = 6, BTC8 = 8`. An asset that is removed, or
        /// whose scale is changed, stays readable, but commands that would move it are refused.
        assets: String = String::new(), Rule::Assets;
        /// The time after which a pending transfer expires if its request sets none, in seconds. 0
        /// means never.
        hold_expiry_seconds: u32 = 0, integer(0, 315_360_000);
        /// The largest record that one command may create, in bytes.
        record_bytes_max: usize = 16 << 20, integer(64 * KIB, 64 * MIB);
    }
    /// The actors: each entity in memory has one.
    actors: Actors {
        /// The time after which an idle entity is removed from memory, in seconds. It is loaded
        /// again when it is needed.
        idle_seconds_max: u64 = 600, integer(1, 86_400);
        /// The number of entities in memory, about 1.2 KiB each. Beyond it, entities that have been
        /// idle for a second are removed.
        live_max: usize = 1_000_000, integer(1_000, 100_000_000);
        /// The number of an actor's faults within the window after which it is still restarted. The
        /// next fault takes it out of service (503 `actor_quarantined`) until an operator resumes
        /// it.
        restarts_max: u32 = 5, integer(0, 1_000);
        /// The window in which an actor's faults are counted together, in seconds.
        restart_window_seconds: u64 = 60, integer(1, 86_400);
        /// The pause before an actor's first restart, in milliseconds. Each further restart within
        /// the window doubles it.
        backoff_ms_min: u64 = 50, integer(1, 60_000);
        /// The longest pause before a restart, in milliseconds.
        backoff_ms_max: u64 = 5_000, integer(1, 600_000);
    }
    /// The clock.
    clock: Clock {
        /// The largest jump ahead of the system time that is accepted at once, in seconds. After a
        /// larger jump, time continues by the monotonic clock, so that nothing expires because of
        /// the jump, until an operator confirms it.
        jump_seconds_max: u64 = 300, integer(1, 31_536_000);
    }
    /// The journal: the files that hold every accepted change.
    journal: Journal {
        /// The size at which a segment is sealed and the next one begins, in bytes. Opening after a
        /// crash takes longer with larger segments.
        segment_bytes_max: u64 = 256 << 20, integer(MIB, GIB);
        /// The size of the write-ahead log, in bytes. A checkpoint is made when a sixteenth of the
        /// log is in use. Commits wait for a checkpoint when the log is full.
        wal_bytes: u64 = 8 << 20, integer(64 * KIB, GIB);
        /// The size of the records that wait to be written, in bytes. Beyond it, commands are
        /// answered with 503 `overloaded`.
        queue_bytes_max: usize = 64 << 20, integer(MIB, 4 * GIB);
        /// The size up to which records share a frame, in bytes. A larger record gets a frame of
        /// its own. The maximum is what fits into 64 KiB on the disk.
        frame_bytes_max: usize = 65_472, integer(4 * KIB, 65_472);
        /// The page cache of the segment that is being written, in bytes.
        cache_bytes: usize = 64 << 20, integer(MIB, 4 * GIB);
        /// The time for which erasures of personal data are collected before they are carried out
        /// on the disk, in seconds. All erasures in one segment need one rewrite of its file.
        erase_interval_seconds: u64 = 10, integer(1, 3_600);
    }
    /// The views: data that is derived from the journal, and rebuilt from it when it is deleted.
    views: Views {
        /// The number of records after which changes held in memory are written out.
        flush_records_max: u64 = 500_000, integer(1, 10_000_000);
        /// The time after which they are written out even if there are fewer records, in seconds.
        flush_seconds_max: u64 = 10, integer(1, 3_600);
        /// The number of entity states that stay in memory after they are written, about 300 bytes
        /// each. The next change of such an entity needs no read.
        states_kept_max: usize = 1 << 20, integer(0, 100_000_000);
        /// The page cache of the views' file, in bytes.
        cache_bytes: usize = 256 << 20, integer(MIB, 16 * GIB);
        /// The number of records that the views may be behind the journal. Beyond it, commands are
        /// answered with 503 `view_behind`, so that memory and restart time stay bounded.
        lag_records_max: u64 = 3_000_000, integer(1, 100_000_000);
        /// The distance between two milestones in an entity's history, in records of the entity. A
        /// query by time can enter the history at a milestone.
        milestone_records: u64 = 64, integer(2, 65_536);
        /// The number of entries of the index of ids and keys that are held in memory before they
        /// become a sorted file.
        index_segment_entries: usize = 917_000, integer(1_000, 14_680_064);
    }
    /// The retention of answers to requests with an idempotency key.
    idempotency: Idempotency {
        /// The number of keys that are kept. Beyond it, the oldest are removed.
        keys_max: u64 = 50_000_000, integer(1_000, 1_000_000_000);
        /// The memory for the index of keys and operations, in bytes. Beyond it, the filters of the
        /// oldest segments are dropped, and these segments are looked up on the disk. The newest
        /// entries, about 35 MB for each `views.index_segment_entries`, stay in memory in any case.
        memory_bytes_max: u64 = 256 << 20, integer(0, 1 << 40);
        /// The number of days after which a key is removed.
        retention_days: u64 = 7, integer(1, 3_650);
    }
    /// Kafka. Without brokers, events go over the embedded bus.
    kafka: Kafka {
        /// The brokers as `host:port`, separated by commas. Setting them turns Kafka on.
        /// `KAFKA_BROKERS` sets it too.
        brokers: String = String::new(), Rule::Brokers;
        /// The topic of account events. `KAFKA_TOPIC` sets it too.
        account_topic: String = "account-events".into(), text(249);
        /// The consumer group of this process's services, instead of their own (`card-service`,
        /// `ledger-service`). `KAFKA_GROUP_ID` sets it too.
        group_id: String = String::new(), text(249);
        /// The topics of event types that do not go to the topics of the reference: `type = topic
        /// topic; type = topic`. A type without a topic is not published.
        bindings: String = String::new(), text(16_384);
        /// Commands are read from `deposit-requests`, `withdrawal-requests` and `transfer-requests`
        /// if this is `on`. Any client that can write to these topics can move money. `auto` means
        /// `on` if all brokers are on loopback, or if the connection to them is secured by SASL or
        /// a client certificate.
        commands: Switch = Switch::Auto, Rule::OneOf(Switch::WORDS);
        /// The number of partitions of a topic that Florin creates.
        partitions: i32 = 3, integer(1, 10_000);
        /// The number of partitions of single topics, if it is not `kafka.partitions`: `topic =
        /// number; topic = number`.
        topic_partitions: String = String::new(), text(16_384);
        /// The position from which the reading of a command topic's partition continues. `own` is
        /// the journal's own position; if the journal does not determine the position, the
        /// partition is not read. `group` is the offset of the consumer group if there is one; use
        /// it to read messages again on purpose. `earliest` is like `own`, but if the journal does
        /// not determine the position, reading starts at the oldest message.
        start_from: KafkaStart = KafkaStart::Own, Rule::OneOf(KafkaStart::WORDS);
        /// The number of replicas of a topic that Florin creates.
        replication: i32 = 1, integer(1, 32);
        /// The retention of messages of a topic that Florin creates, in hours.
        retention_hours: i64 = 168, integer(1, 876_000);
        /// The compression of messages.
        compression: Compression = Compression::Snappy, Rule::OneOf(Compression::WORDS);
        /// The transactional id, which no other process may use. If it is empty, it is `florin-`
        /// followed by the journal's id.
        transactional_id: String = String::new(), text(249);
        /// The behavior at the start if the cursor topic has no cursor of this node, or an older
        /// one than the node knows. `stop` ends the process with exit code 6. `continue` goes on
        /// from the node's own mark; a few events behind the mark may then be published a second
        /// time, with the same `ce_id`.
        cursor_lost: CursorLost = CursorLost::Stop, Rule::OneOf(CursorLost::WORDS);
        /// The largest number of events in one Kafka transaction.
        transaction_events_max: usize = 10_000, integer(1, 1_000_000);
        /// The longest time that a Kafka transaction may take before the broker aborts it, in
        /// milliseconds.
        transaction_timeout_ms: i32 = 15_000, integer(1_000, 900_000);
        /// The longest time that a consumer may be silent before its group continues without it, in
        /// milliseconds.
        session_timeout_ms: i32 = 45_000, integer(1_000, 1_800_000);
        /// The largest number of attempts at a message, including the first one, before it becomes a
        /// dead letter.
        attempts_max: u32 = 5, integer(1, 1_000);
        /// The pause before the first retry of a message, in milliseconds. Each further one doubles
        /// it.
        retry_ms_min: u64 = 100, integer(1, 60_000);
        /// The longest pause between attempts, in milliseconds.
        retry_ms_max: u64 = 10_000, integer(1, 600_000);
        /// The number of times that a dead letter may be redriven.
        redrives_max: u32 = 10, integer(1, 1_000);
        /// The security of the connection to the brokers. `ssl`, `sasl_ssl` and the SCRAM
        /// mechanisms need an executable that was built with `--features tls`.
        security: Security = Security::Plaintext, Rule::OneOf(Security::WORDS);
        /// The SASL mechanism for `sasl_plaintext` and `sasl_ssl`.
        sasl_mechanism: SaslMechanism = SaslMechanism::Plain, Rule::OneOf(SaslMechanism::WORDS);
        /// The SASL user name.
        sasl_username: String = String::new(), text(1_024);
        /// The SASL password.
        sasl_password: Secret = Secret::default(), Rule::Secret;
        /// A PEM file with the certificates of the authorities that may sign the brokers'
        /// certificates; empty: the system's authorities.
        tls_ca_file: String = String::new(), text(4_096);
        /// A PEM file with Florin's own certificate; empty: none.
        tls_certificate_file: String = String::new(), text(4_096);
        /// A PEM file with the key of that certificate.
        tls_key_file: String = String::new(), text(4_096);
        /// The password of that key.
        tls_key_password: Secret = Secret::default(), Rule::Secret;
    }
    /// The disk that holds `server.data_dir`.
    disk: Disk {
        /// The free space below which commands are answered with 503 `disk_low`, before the disk is
        /// full, in bytes.
        free_bytes_min: u64 = 256 << 20, integer(16 * MIB, 1 << 40);
    }
    /// The log, on standard error.
    log: Log {
        /// The format of a log line: `text` for people, `json` for machines.
        format: LogFormat = LogFormat::Text, Rule::OneOf(LogFormat::WORDS);
        /// The least severe level that is logged.
        level: LogLevel = LogLevel::Info, Rule::OneOf(LogLevel::WORDS);
        /// If this is true, the lines that a consumer logs for each event, such as `Received
        /// account event: …` and `Updated account cache: …`, are at INFO. Otherwise they are at
        /// DEBUG.
        documents: bool = false, Rule::Boolean;
    }
}

impl Settings {
    /// Returns the origin of the value of the setting `name` (`section.key`).
    #[must_use]
    pub fn origin(&self, name: &str) -> Origin {
        self.origins.of(name)
    }

    /// Returns one sentence for each environment variable that is not read and whose name is almost
    /// that of a setting. The process starts anyway: the variables may belong to another program.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Creates the error for a value that only its user can recognise as wrong, for example an
    /// unknown currency. `name` is `section.key`, and `allowed` describes the allowed values.
    #[must_use]
    pub fn refuse(&self, name: &'static str, value: &str, allowed: &str) -> ConfigError {
        ConfigError::Invalid {
            name,
            value: format!("{value:?}"),
            origin: self.origin(name),
            allowed: allowed.to_owned(),
        }
    }
}
