//! The settled keys and operations: each leads to the record that settled it.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use florin_storage::SortedSegment;

use super::index::{Found, Index, key_hash, operation_entry, prepared};
use crate::record::Record;
use crate::runtime::beside::Beside;
use crate::words::OperationId;

/// The interval at which an index is checked for whether it will soon need its next generation.
const PREPARE_CHECK: Duration = Duration::from_secs(1);

/// The index of idempotency keys and the index of operations.
#[derive(Debug)]
pub struct Settled {
    keys: RefCell<Index>,
    operations: RefCell<Index>,
}

impl Settled {
    /// Creates the settled keys and operations that these indexes hold.
    pub const fn new(keys: Index, operations: Index) -> Self {
        Self {
            keys: RefCell::new(keys),
            operations: RefCell::new(operations),
        }
    }

    /// Notes the operations and keys that a record settles; `key` is the hash of the record's own
    /// key.
    pub fn note(&self, record: &Record, key: Option<u128>) {
        let mut operations = self.operations.borrow_mut();
        for operation in record.operations() {
            operations.insert(operation_entry(operation), record.sequence);
        }
        let mut keys = self.keys.borrow_mut();
        if let Some(key) = key {
            keys.insert(key, record.sequence);
        }
        for key in record.item_keys() {
            keys.insert(key_hash(&record.caller, key), record.sequence);
        }
    }

    /// Lets an operation lead to a record that another operation made: the first request's record,
    /// for a repeat whose caller knows only the repeat's operation.
    pub fn lead(&self, operation: OperationId, sequence: u64) {
        let entry = operation_entry(operation);
        self.operations.borrow_mut().insert(entry, sequence);
    }

    /// Looks a key up by its hash.
    pub fn key(&self, hash: u128) -> Found {
        self.keys.borrow().find(hash)
    }

    /// Looks an operation up by its entry.
    pub fn operation(&self, entry: u128) -> Found {
        self.operations.borrow().find(entry)
    }

    /// Returns the last record whose keys are in segments on disk.
    pub fn keys_covered(&self) -> u64 {
        self.keys.borrow().covered()
    }

    /// Returns the number of keys.
    pub fn keys(&self) -> u64 {
        self.keys.borrow().len()
    }

    /// Prepares the next generations of the indexes before they are needed; runs forever.
    pub async fn prepare_generations(&self, beside: &Beside) {
        loop {
            tokio::time::sleep(PREPARE_CHECK).await;
            for index in [&self.keys, &self.operations] {
                let Some(entries) = index.borrow().wants_spare() else {
                    continue;
                };
                if let Some(spare) = beside.run(move || prepared(entries)).await {
                    index.borrow_mut().keep_spare(spare);
                }
            }
        }
    }

    /// Replaces the index segments on disk with the current ones.
    pub fn sealed(&self, keys: Vec<Arc<SortedSegment>>, operations: Vec<Arc<SortedSegment>>) {
        self.keys.borrow_mut().sealed(keys);
        self.operations.borrow_mut().sealed(operations);
    }
}
