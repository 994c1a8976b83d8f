//! The keys of a batch's items, as a search of the journal found them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::IdHasher;
use crate::record::Record;

/// The result of searching the journal for the keys of a batch's items.
#[derive(Debug, Default)]
pub struct KnownKeys {
    /// The last record covered by the index segments that were searched.
    pub through: u64,
    /// The settling record of each key that was searched; `None` if no record settled the key.
    pub found: HashMap<u128, Option<KnownKey>, IdHasher>,
}

/// The record that settled a key.
#[derive(Debug)]
pub struct KnownKey {
    /// The sequence of that record.
    pub sequence: u64,
    /// The record. If it only accepted the command, this is the record that executed the command,
    /// if there is one.
    pub record: Arc<Record>,
}
