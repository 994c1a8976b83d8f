//! The table of all settings. A row is: its documentation, its name and type, its default, its
//! rule. Structs, defaults, validation and the reference are made from it; a new setting is one
//! row here.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::origin::Origins;
use crate::rule::Rule;
use crate::values::{
    Compression, Lanes, LogFormat, LogLevel, SaslMechanism, Secret, Security, Switch,
};
use crate::{ConfigError, Origin};

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    /// `section.key`.
    pub name: &'static str,
    /// What is allowed.
    pub rule: Rule,
    /// What it does, in lines.
    pub description: &'static [&'static str],
}

impl Row {
    /// The setting's name within its section.
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
        /// All settings of a Florin process, valid once [`Settings::load`] gave them.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Settings {
            $( $(#[doc = $section_doc])+ pub $section: $Section, )+
            /// Where the values came from.
            #[serde(skip)]
            pub(crate) origins: Origins,
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
    /// Where the process listens and keeps its data.
    server: Server {
        /// The address to listen on. Loopback only: there is no authentication yet, and whoever
        /// reaches the port can move money.
        host: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST), Rule::Loopback;
        /// The port to listen on; 0 takes a free one, which the start's log line names.
        port: u16 = 8080, integer(0, 65_535);
        /// The folder of journal and views. It is made when missing; one process at a time.
        data_dir: PathBuf = "./florin-data".into(), Rule::Path;
        /// How long a stop may take to finish what was accepted.
        shutdown_seconds_max: u64 = 30, integer(1, 600);
    }
    /// Which services run in this process, and where the others are.
    services: Services {
        /// The services of this process, with commas between: `core` (accounts, wallets, transfers,
        /// the ledger; `account` is another name for it) and `card`. Where they are named, the data
        /// directory is a folder of that name in `server.data_dir`'s default.
        run: String = "core,card".into(), Rule::Services;
        /// Where the core answers, as `http://127.0.0.1:8081`, where it isn't in this process:
        /// requests to it are passed on. Empty: they get 503 `service_unavailable`.
        core_url: String = String::new(), text(2_048);
        /// The same of the card service.
        card_url: String = String::new(), text(2_048);
        /// How long an answer of another process may take before a request that was passed on to it is
        /// answered 503 `service_unavailable`. Commands may wait there for 30 seconds.
        peer_wait_ms_max: u64 = 35_000, integer(1, 600_000);
    }
    /// Limits of HTTP. Past them a request is refused early, never served late.
    gateway: Gateway {
        /// Threads that carry HTTP beside the ledger's own; 0 serves HTTP on the ledger's thread.
        /// `auto` is 0 with one core, otherwise all cores but two, at least 2.
        lanes: Lanes = Lanes::Auto, Rule::AutoOrInteger { max: 256 };
        /// Connections served at a time; on further ones only health checks and metrics are
        /// answered, everything else gets 503 `overloaded`.
        connections_max: usize = 10_000, integer(1, 1_000_000);
        /// How long a client may take to send a request's head.
        header_read_seconds_max: u64 = 10, integer(1, 300);
        /// How long a client may take to send a request's body.
        body_read_seconds_max: u64 = 30, integer(1, 600);
        /// The largest body that is taken; a larger one is answered 413.
        body_bytes_max: usize = 1 << 20, integer(KIB, 16 * MIB);
        /// The largest body of a batch that is taken; a larger one is answered 413.
        batch_bytes_max: usize = 16 << 20, integer(KIB, 64 * MIB);
        /// How much of a body that is too large is read and thrown away, so that the client sees
        /// the answer; past it the connection closes.
        body_bytes_drained_max: usize = 8 << 20, integer(0, 64 * MIB);
        /// Commands between admission and answer; past it 503 `overloaded`.
        in_flight_commands_max: usize = 8_192, integer(1, 1_000_000);
        /// Commands accepted (202) and not yet executed; past it a further one that is to be
        /// accepted first is answered 503 `overloaded`.
        accepted_commands_max: usize = 65_536, integer(1, 10_000_000);
        /// Memory for batches, in bytes: for bodies above 64 KiB that are being read, as much again for
        /// the items of batches under way, and of those accepted (202) and not yet executed. A batch is
        /// taken while the others of its kind have less than that, otherwise it is answered 503
        /// `overloaded`.
        batches_bytes_max: usize = 256 << 20, integer(MIB, 1 << 40);
        /// How long a connection may idle between requests.
        keep_alive_idle_seconds_max: u64 = 75, integer(1, 3_600);
        /// How long a command may take to be confirmed before it is answered 504, unless the
        /// request says otherwise (`Prefer: wait`).
        confirmation_wait_ms: u64 = 5_000, integer(1, 30_000);
        /// Rows of a list's page when the request names no `limit`.
        page_default: usize = 50, integer(1, 1_000);
        /// The largest `limit` a request may name.
        page_max: usize = 1_000, integer(1, 1_000);
        /// How long a list waits for its view to reach what was durable when the request came;
        /// past it 503 `view_behind`.
        list_wait_ms_max: u64 = 2_000, integer(0, 30_000);
    }
    /// Rules of the ledger.
    ledger: Ledger {
        /// The currency of an account that is created without one.
        default_currency: String = "USD".into(), Rule::Currency;
        /// What may be used beside the currencies of ISO 4217, each with the number of decimal places
        /// of its unit: `USDC = 6, BTC8 = 8`. An asset that is taken out, or gets another scale, stays
        /// readable; commands that would move it are refused.
        assets: String = String::new(), Rule::Assets;
        /// After how many seconds a pending transfer expires whose request doesn't say; 0: never.
        hold_expiry_seconds: u32 = 0, integer(0, 315_360_000);
        /// The largest record one command may make.
        record_bytes_max: usize = 16 << 20, integer(64 * KIB, 64 * MIB);
    }
    /// The actors: each entity in memory has one.
    actors: Actors {
        /// How long an entity may be idle before it leaves memory; it comes back when needed.
        idle_seconds_max: u64 = 600, integer(1, 86_400);
        /// Entities in memory, about 1.2 KiB each; past it those idle for a second leave.
        live_max: usize = 1_000_000, integer(1_000, 100_000_000);
        /// Faults of an actor within the window after which it is started anew; the next one takes
        /// it out of service (503 `actor_quarantined`) until an operator resumes it.
        restarts_max: u32 = 5, integer(0, 1_000);
        /// The window in which an actor's faults count together.
        restart_window_seconds: u64 = 60, integer(1, 86_400);
        /// The pause before an actor's first restart; each further one within the window doubles it.
        backoff_ms_min: u64 = 50, integer(1, 60_000);
        /// The longest pause before a restart.
        backoff_ms_max: u64 = 5_000, integer(1, 600_000);
    }
    /// The clock.
    clock: Clock {
        /// How far the time of day may leap ahead at once. Past it time goes on by the monotonic
        /// clock, so that nothing expires by it, until an operator confirms the leap.
        jump_seconds_max: u64 = 300, integer(1, 31_536_000);
    }
    /// The journal: the files that hold every accepted change.
    journal: Journal {
        /// The size at which a segment is sealed and the next one begun. Opening after a crash
        /// takes longer the larger it is.
        segment_bytes_max: u64 = 256 << 20, integer(MIB, GIB);
        /// The size of the write-ahead log. Checkpoints are made at a sixteenth of it. Commits wait
        /// for one when the log is full.
        wal_bytes: u64 = 8 << 20, integer(64 * KIB, GIB);
        /// Records waiting to be written; past it 503 `overloaded`.
        queue_bytes_max: usize = 64 << 20, integer(MIB, 4 * GIB);
        /// The size up to which records share a frame; a larger record gets a frame of its own.
        /// The most is what fits in 64 KiB on the disk.
        frame_bytes_max: usize = 65_472, integer(4 * KIB, 65_472);
        /// Page cache of the segment that is being written.
        cache_bytes: usize = 64 << 20, integer(MIB, 4 * GIB);
        /// How long erasures of personal data gather before they are carried out on the disk:
        /// those of one segment are one rewrite of its file.
        erase_interval_seconds: u64 = 10, integer(1, 3_600);
    }
    /// The views: what is derived from the journal, and rebuilt from it when deleted.
    views: Views {
        /// Records after which changes held in memory are written out.
        flush_records_max: u64 = 500_000, integer(1, 10_000_000);
        /// The time after which they are, even when there are fewer.
        flush_seconds_max: u64 = 10, integer(1, 3_600);
        /// States of entities that stay in memory once they are written, about 300 bytes each: the
        /// next change of one of them needs no read.
        states_kept_max: usize = 1 << 20, integer(0, 100_000_000);
        /// Page cache of the views' file.
        cache_bytes: usize = 256 << 20, integer(MIB, 16 * GIB);
        /// How many records the views may be behind the journal; past it commands are answered
        /// 503 `view_behind`, so that memory and restart time stay bounded.
        lag_records_max: u64 = 3_000_000, integer(1, 100_000_000);
        /// Of so many records of an entity one is a milestone: its history can be entered there by
        /// time.
        milestone_records: u64 = 64, integer(2, 65_536);
        /// Entries of the index of ids and keys held in memory before they become a sorted file.
        index_segment_entries: usize = 917_000, integer(1_000, 14_680_064);
    }
    /// How long answers to requests with an idempotency key are kept.
    idempotency: Idempotency {
        /// Keys kept; past it the oldest go.
        keys_max: u64 = 50_000_000, integer(1_000, 1_000_000_000);
        /// Memory for the index of keys and operations. Past it the filters of the oldest segments
        /// go, and those segments are looked up on disk; the newest entries, about 35 MB each
        /// `views.index_segment_entries`, stay in memory in any case.
        memory_bytes_max: u64 = 256 << 20, integer(0, 1 << 40);
        /// Days after which a key goes.
        retention_days: u64 = 7, integer(1, 3_650);
    }
    /// Kafka. Without brokers events travel over the embedded bus.
    kafka: Kafka {
        /// The brokers, as `host:port` with commas between; they turn Kafka on. `KAFKA_BROKERS` sets
        /// it too.
        brokers: String = String::new(), text(4_096);
        /// The topic of accounts' events. `KAFKA_TOPIC` sets it too.
        account_topic: String = "account-events".into(), text(249);
        /// The consumer group of the services of this process, in place of their own (`card-service`,
        /// `ledger-service`). `KAFKA_GROUP_ID` sets it too.
        group_id: String = String::new(), text(249);
        /// Which topics a type of event goes to, where not to those of the reference: `type = topic
        /// topic; type = topic`. A type bound to nothing isn't published.
        bindings: String = String::new(), text(16_384);
        /// Whether commands are taken from `deposit-requests`, `withdrawal-requests` and
        /// `transfer-requests`: who can write to them can move money. `auto`: where all brokers are
        /// on loopback, or the connection to them is secured by SASL or by a client's certificate.
        commands: Switch = Switch::Auto, Rule::OneOf(Switch::WORDS);
        /// Partitions of a topic that Florin makes.
        partitions: i32 = 3, integer(1, 10_000);
        /// Replicas of a topic that Florin makes.
        replication: i32 = 1, integer(1, 32);
        /// Hours after which messages of a topic that Florin makes go.
        retention_hours: i64 = 168, integer(1, 876_000);
        /// How messages are compressed.
        compression: Compression = Compression::Snappy, Rule::OneOf(Compression::WORDS);
        /// The transactional id, which must be nobody else's; empty: `florin-` and the journal's id.
        transactional_id: String = String::new(), text(249);
        /// Events of one Kafka transaction at most.
        transaction_events_max: usize = 10_000, integer(1, 1_000_000);
        /// How long a transaction of Kafka's may last before the broker ends it.
        transaction_timeout_ms: i32 = 15_000, integer(1_000, 900_000);
        /// How long a consumer may be silent before its group goes on without it.
        session_timeout_ms: i32 = 45_000, integer(1_000, 1_800_000);
        /// How often a message is tried again before it becomes a dead letter.
        attempts_max: u32 = 5, integer(1, 1_000);
        /// The pause before the first further attempt; each one doubles it.
        retry_ms_min: u64 = 100, integer(1, 60_000);
        /// The longest pause between attempts.
        retry_ms_max: u64 = 10_000, integer(1, 600_000);
        /// How often a dead letter may be redriven.
        redrives_max: u32 = 10, integer(1, 1_000);
        /// How the connection to the brokers is secured. `ssl`, `sasl_ssl` and the SCRAM mechanisms
        /// need an executable that was built with `--features tls`.
        security: Security = Security::Plaintext, Rule::OneOf(Security::WORDS);
        /// How Florin proves who it is, with `sasl_plaintext` and `sasl_ssl`.
        sasl_mechanism: SaslMechanism = SaslMechanism::Plain, Rule::OneOf(SaslMechanism::WORDS);
        /// The name that it proves.
        sasl_username: String = String::new(), text(1_024);
        /// The password of that name.
        sasl_password: Secret = Secret::default(), Rule::Secret;
        /// A file of certificates in PEM of who may vouch for brokers; empty: the system's.
        tls_ca_file: String = String::new(), text(4_096);
        /// A file with Florin's own certificate in PEM; empty: none.
        tls_certificate_file: String = String::new(), text(4_096);
        /// A file with its key in PEM.
        tls_key_file: String = String::new(), text(4_096);
        /// The password of that key.
        tls_key_password: Secret = Secret::default(), Rule::Secret;
    }
    /// The disk under `server.data_dir`.
    disk: Disk {
        /// Free space below which commands are answered 503 `disk_low`, before the disk is full.
        free_bytes_min: u64 = 256 << 20, integer(16 * MIB, 1 << 40);
    }
    /// The log, on standard error.
    log: Log {
        /// How a line looks: `text` for people, `json` for machines.
        format: LogFormat = LogFormat::Text, Rule::OneOf(LogFormat::WORDS);
        /// The least severe level that is logged.
        level: LogLevel = LogLevel::Info, Rule::OneOf(LogLevel::WORDS);
    }
}

impl Settings {
    /// Where the value of the setting `name` (`section.key`) came from.
    #[must_use]
    pub fn origin(&self, name: &str) -> Origin {
        self.origins.of(name)
    }

    /// The error for a value that only the code using it can tell is wrong, such as a currency
    /// that doesn't exist. `name` is `section.key`, `allowed` says what would do.
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
