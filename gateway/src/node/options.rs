//! Converts the settings to the options of a node, and opens its disk.

use std::sync::Arc;
use std::time::Duration;

use florin_actors::messages::Assets;
use florin_actors::runtime::{
    Limits, NodeOptions, Observer, PassivationOptions, SupervisionOptions, Threads,
};
use florin_actors::upkeep::Upkeep;
use florin_actors::views::ProjectorOptions;
use florin_config::Settings;
use florin_storage::{Disk, FileDisk, ShadowDisk};
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use tokio::runtime::Handle;

use crate::process::Seams;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Opens and locks the data directory.
///
/// # Errors
/// Returns an error if another process uses the directory, or if the system refuses.
pub fn open_disk(settings: &Settings) -> Result<Arc<dyn Disk>, florin_storage::Error> {
    Ok(Arc::new(FileDisk::open(&settings.server.data_dir)?))
}

/// Opens the data directory for a task that only reads, if it contains a journal. The directory is
/// locked, and nothing in it changes: the recovery after a crash is done in memory.
///
/// # Errors
/// Returns the errors of [`open_disk`].
pub fn open_existing(settings: &Settings) -> Result<Option<Arc<dyn Disk>>, florin_storage::Error> {
    let directory = &settings.server.data_dir;
    if !directory.join("journal").is_dir() {
        return Ok(None);
    }
    let disk = Arc::new(FileDisk::to_inspect(directory)?);
    Ok(Some(Arc::new(ShadowDisk::over(disk))))
}

/// Returns the options that a node starts with.
///
/// # Errors
/// Returns an error if the system provides no randomness.
pub fn options(
    settings: &Settings,
    assets: Assets,
    disk: Arc<dyn Disk>,
    observer: Arc<dyn Observer>,
    (seams, upkeep): (Seams, Upkeep),
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
        upkeep,
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
