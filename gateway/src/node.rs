//! From the settings to a core: the disk, the clock, the bounds.

use std::sync::Arc;
use std::time::Duration;

use florin_actors::messages::Assets;
use florin_actors::runtime::{
    Limits, NodeOptions, Observer, PassivationOptions, SupervisionOptions, Threads,
};
use florin_actors::views::ProjectorOptions;
use florin_config::Settings;
use florin_storage::{Disk, FileDisk};
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use tokio::runtime::Handle;

use crate::run::Seams;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Opens the data directory and locks it.
///
/// # Errors
/// Another process uses it, or the system refuses.
pub fn open_disk(settings: &Settings) -> Result<Arc<dyn Disk>, florin_storage::Error> {
    Ok(Arc::new(FileDisk::open(&settings.server.data_dir)?))
}

/// Opens the data directory and locks it, if there is a journal: opening makes what is missing,
/// and who only reads must not.
///
/// # Errors
/// As [`open_disk`].
pub fn open_existing(settings: &Settings) -> Result<Option<Arc<dyn Disk>>, florin_storage::Error> {
    if settings.server.data_dir.join("journal").is_dir() {
        open_disk(settings).map(Some)
    } else {
        Ok(None)
    }
}

/// What a node starts with.
///
/// # Errors
/// The system gives no randomness.
pub fn options(
    settings: &Settings,
    assets: Assets,
    disk: Arc<dyn Disk>,
    observer: Arc<dyn Observer>,
    seams: Seams,
    beside: Handle,
) -> Result<NodeOptions, rand::rand_core::OsError> {
    let mut seed = [0; 32];
    OsRng.try_fill_bytes(&mut seed)?;
    let limits = limits(settings);
    Ok(NodeOptions {
        disk,
        clock: seams.clock,
        seed,
        limits,
        assets,
        observer,
        threads: Threads::Real(beside),
        intercept: seams.intercept,
    })
}

fn limits(settings: &Settings) -> Limits {
    let (gateway, journal, views) = (&settings.gateway, &settings.journal, &settings.views);
    let actors = &settings.actors;
    Limits {
        in_flight_max: gateway.in_flight_commands_max,
        accepted_max: gateway.accepted_commands_max,
        items_bytes_max: gateway.batches_bytes_max,
        queue_bytes_max: journal.queue_bytes_max as u64,
        record_bytes_max: settings.ledger.record_bytes_max,
        segment_bytes_max: journal.segment_bytes_max,
        wal_bytes: journal.wal_bytes,
        frame_bytes_max: journal.frame_bytes_max,
        journal_cache_bytes: journal.cache_bytes,
        views_cache_bytes: views.cache_bytes,
        lag_records_max: views.lag_records_max,
        list_wait: Duration::from_millis(gateway.list_wait_ms_max),
        read_wait: Duration::from_millis(gateway.confirmation_wait_ms),
        index_entries_max: views.index_segment_entries,
        free_bytes_min: settings.disk.free_bytes_min,
        erase_interval: Duration::from_secs(journal.erase_interval_seconds),
        clock_jump_max: Duration::from_secs(settings.clock.jump_seconds_max),
        supervision: SupervisionOptions {
            restarts_max: actors.restarts_max,
            window: Duration::from_secs(actors.restart_window_seconds),
            backoff_min: Duration::from_millis(actors.backoff_ms_min),
            backoff_max: Duration::from_millis(actors.backoff_ms_max),
        },
        passivation: PassivationOptions {
            idle: Duration::from_secs(actors.idle_seconds_max),
            live_max: actors.live_max,
        },
        projector: ProjectorOptions {
            flush_records_max: views.flush_records_max,
            flush_millis_max: views.flush_seconds_max * 1_000,
            states_kept_max: views.states_kept_max,
            keys_max: settings.idempotency.keys_max,
            keys_millis_max: settings.idempotency.retention_days * DAY_MS,
            index_memory_bytes_max: settings.idempotency.memory_bytes_max,
            milestone_records: views.milestone_records,
        },
    }
}
