//! A read model's file: its rows, and how far it is in each partition, in the same transaction. A
//! thread of its own writes what waits together and syncs once.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use dashmap::DashMap;
use florin_storage::{Disk, ViewError, ViewOptions, ViewStore, decode, encode};
use tokio::sync::oneshot;

use crate::bus::{Failure, Handling, Message};

const CACHE_BYTES: usize = 8 << 20;
const ROWS: &str = "rows";
const PLACES: &str = "places";
/// Raised when the form of the rows of any model changes.
const SCHEMA: u32 = 1;

/// A topic and a partition of it.
type Partition = (String, i32);

/// What one message changes.
struct Change {
    row: Option<(Vec<u8>, Vec<u8>)>,
    partition: Partition,
    /// The offset behind the message.
    next: i64,
    done: oneshot::Sender<Result<(), String>>,
}

#[derive(Default)]
struct Waiting {
    changes: Vec<Change>,
    closed: bool,
}

/// What the writer's thread shares with the model.
struct Shared {
    store: ViewStore,
    waiting: Mutex<Waiting>,
    came: Condvar,
    /// The offset to go on from, by partition: what is durable.
    places: DashMap<Partition, i64>,
}

/// A read model's file.
pub struct ReadModel {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

impl fmt::Debug for ReadModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadModel")
            .field("places", &self.shared.places)
            .finish_non_exhaustive()
    }
}

impl ReadModel {
    /// Opens the file and gives `take` every row. A damaged file is made anew: its topics are then
    /// read from their beginnings.
    ///
    /// # Errors
    /// What the disk refused.
    pub fn open(
        disk: &Arc<dyn Disk>,
        file: &str,
        mut take: impl FnMut(&[u8], &[u8]),
    ) -> Result<Self, ViewError> {
        let options = ViewOptions {
            cache_bytes: CACHE_BYTES,
            forget_cached: true,
        };
        let store = match ViewStore::open(disk.as_ref(), file, SCHEMA, options) {
            Err(error @ ViewError::Unusable { .. }) => {
                tracing::warn!(%error, "a read model is made anew");
                disk.remove(file)
                    .map_err(|source| florin_storage::Error::Io {
                        file: file.to_owned(),
                        source,
                    })?;
                ViewStore::open(disk.as_ref(), file, SCHEMA, options)?
            }
            opened => opened?,
        };
        let places = DashMap::new();
        let read = store.read()?;
        for row in read.range(PLACES, ..)? {
            let (key, value) = row?;
            places.insert(decode::<Partition>(&key)?, decode::<i64>(&value)?);
        }
        for row in read.range(ROWS, ..)? {
            let (key, value) = row?;
            take(&key, &value);
        }
        drop(read);
        let shared = Arc::new(Shared {
            store,
            waiting: Mutex::default(),
            came: Condvar::new(),
            places,
        });
        let own = Arc::clone(&shared);
        let writer = std::thread::Builder::new()
            .name("read-model".to_owned())
            .spawn(move || own.write())
            .map_err(|source| florin_storage::Error::Io {
                file: file.to_owned(),
                source,
            })?;
        Ok(Self {
            shared,
            writer: Some(writer),
        })
    }

    /// The offset to go on from in a partition; 0 before anything came from there.
    pub fn place(&self, topic: &str, partition: i32) -> i64 {
        let place = self.shared.places.get(&(topic.to_owned(), partition));
        place.map_or(0, |place| *place)
    }

    /// Sets a row, if the message does, and notes that the model is past the message. Ends once both
    /// are durable; in the order of the calls.
    pub fn put(&self, message: &Message, row: Option<(Vec<u8>, Vec<u8>)>) -> Handling {
        let (done, told) = oneshot::channel();
        let change = Change {
            row,
            partition: (message.topic.to_string(), message.partition),
            next: message.offset + 1,
            done,
        };
        self.shared.lock().changes.push(change);
        self.shared.came.notify_one();
        Box::pin(async move {
            let failed = |detail| Failure::Transient {
                reason: "disk",
                detail,
            };
            match told.await {
                Ok(written) => written.map_err(failed),
                Err(_) => Err(failed("the read model is closed".to_owned())),
            }
        })
    }
}

impl Drop for ReadModel {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.came.notify_one();
        if let Some(writer) = self.writer.take() {
            // One that panicked has told its callers so.
            let _ = writer.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what comes, until the model is closed and nothing waits.
    fn write(&self) {
        loop {
            let idle = |waiting: &mut Waiting| waiting.changes.is_empty() && !waiting.closed;
            let waiting = self.came.wait_while(self.lock(), idle);
            let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
            let changes = std::mem::take(&mut waiting.changes);
            drop(waiting);
            if changes.is_empty() {
                return;
            }
            let written = self.commit(&changes).map_err(|error| {
                tracing::error!(%error, "a read model was not written");
                error.to_string()
            });
            for change in changes {
                if written.is_ok() {
                    let mut place = self.places.entry(change.partition).or_default();
                    *place = change.next.max(*place);
                }
                // Whoever handed it over may be gone.
                let _ = change.done.send(written.clone());
            }
        }
    }

    fn commit(&self, changes: &[Change]) -> Result<(), ViewError> {
        self.store.write(|write| {
            for change in changes {
                if let Some((key, value)) = &change.row {
                    write.put(ROWS, key, value)?;
                }
                let (mut key, mut value) = (Vec::new(), Vec::new());
                encode(&change.partition, &mut key)?;
                let known = match write.get(PLACES, &key)? {
                    Some(known) => decode::<i64>(&known)?,
                    None => 0,
                };
                // A dead letter that is handled later lies behind.
                encode(&change.next.max(known), &mut value)?;
                write.put(PLACES, &key, &value)?;
            }
            Ok(())
        })
    }
}
