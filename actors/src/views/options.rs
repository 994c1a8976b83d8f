//! The options of the projector and of the indexes that it maintains.

/// The options of the projector.
#[derive(Debug, Clone, Copy)]
pub struct ProjectorOptions {
    /// The number of records after which the views are written.
    pub flush_records_max: u64,
    /// The number of milliseconds after which the views are written.
    pub flush_millis_max: u64,
    /// The number of states that stay in memory after they were written.
    pub states_kept_max: usize,
    /// The number of idempotency keys kept in segments. Above it the oldest keys are removed.
    pub keys_max: u64,
    /// The number of milliseconds for which idempotency keys are kept.
    pub keys_millis_max: u64,
    /// The number of bytes of memory that the indexes may take. Above it the filters of old
    /// segments are unloaded.
    pub index_memory_bytes_max: u64,
    /// The number of records of an entity from one milestone of its history to the next.
    pub milestone_records: u64,
}
