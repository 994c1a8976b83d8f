//! A read model and its writer: a separate thread writes all waiting changes together, with the
//! positions after them, and syncs once. While the model can't prove that it reads its topics
//! without a gap, it raises a condition.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use florin_storage::threads::{self, PULSE, ThreadName};
use florin_storage::{Disk, ViewError};
use tokio::sync::oneshot;

use super::file::{ModelFile, ROWS, open_store};
use super::positions::{Advanced, Partition, Positions, write_begin};
use super::replay_count;
use crate::bus::{
    Begin, Continuity, Failure, Handling, KnownLog, Message, Print, Reason, ReplayPart,
};
use crate::conditions::{ConditionCode, Conditions};
use crate::upkeep::Upkeep;

/// The changes to the file for one message.
struct Change {
    row: Option<(Vec<u8>, Vec<u8>)>,
    partition: Partition,
    /// The fingerprint of the message. Writing it moves the position past the message.
    print: Print,
    /// The replay part that the message carries, if the model has a gap that a replay can close.
    part: Option<ReplayPart>,
    /// The generation of positions that was current when the message was read.
    generation: u64,
    done: oneshot::Sender<Result<(), String>>,
}

#[derive(Default)]
struct Waiting {
    changes: Vec<Change>,
    closed: bool,
}

/// The state shared by the model and its writer thread.
struct Shared {
    file: ModelFile,
    conditions: Arc<Conditions>,
    positions: Positions,
    waiting: Mutex<Waiting>,
    came: Condvar,
    /// Held while the file and the positions in memory are changed together.
    turn: Mutex<()>,
}

/// A read model.
pub struct ReadModel {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

impl fmt::Debug for ReadModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadModel")
            .field("positions", &self.shared.positions)
            .finish_non_exhaustive()
    }
}

impl ReadModel {
    /// Opens the file and calls `take` with every row. A file that is found damaged now is
    /// recreated, and its topics are read from their beginning. `rows` returns all rows from
    /// memory.
    ///
    /// # Errors
    /// Returns an error if the disk fails, or the writer thread can't be started.
    pub fn open(
        disk: &Arc<dyn Disk>,
        file: &str,
        upkeep: &Upkeep,
        mut take: impl FnMut(&[u8], &[u8]),
        rows: impl Fn() -> Vec<(Vec<u8>, Vec<u8>)> + Send + Sync + 'static,
    ) -> Result<Self, ViewError> {
        let (store, _) = open_store(disk.as_ref(), file)?;
        let read = store.read()?;
        let positions = Positions::read(&read)?;
        for row in read.range(ROWS, ..)? {
            let (key, value) = row?;
            take(&key, &value);
        }
        drop(read);
        let shared = Arc::new(Shared {
            file: ModelFile::new(Arc::clone(disk), file, store, Box::new(rows)),
            conditions: Arc::clone(&upkeep.conditions),
            positions,
            waiting: Mutex::default(),
            came: Condvar::new(),
            turn: Mutex::default(),
        });
        shared.report_gaps();
        let (own, looking) = (Arc::clone(&shared), Arc::clone(&shared));
        let is_over = move || looking.lock().closed;
        let write = move || {
            own.write();
            Ok(())
        };
        let writer = upkeep
            .spawner
            .start_and_restart(ThreadName::ReadModel, is_over, write)
            .map_err(|source| florin_storage::Error::Io {
                file: file.to_owned(),
                source,
            })?;
        Ok(Self {
            shared,
            writer: Some(writer),
        })
    }

    /// Returns the offset at which to resume a partition; 0 if nothing was read from it yet.
    pub fn position(&self, topic: &str, partition: i32) -> i64 {
        self.shared.positions.next(topic, partition)
    }

    /// Returns a sentence that says why events may be missing from the model; `None` if it has read
    /// its topics without a gap.
    pub fn gap(&self) -> Option<String> {
        self.shared.positions.gap()
    }

    /// Queues a message: writes its row, if it has one, and moves the position past the message.
    /// The handling completes when both are durable. Messages are written in the order of the
    /// calls.
    pub fn put(&self, message: &Message, row: Option<(Vec<u8>, Vec<u8>)>) -> Handling {
        let (done, told) = oneshot::channel();
        let has_gap = self.shared.positions.has_gap();
        let change = Change {
            row,
            partition: (message.topic.to_string(), message.partition),
            print: Print::of(message),
            part: has_gap.then(|| replay_count::part_of(message)).flatten(),
            generation: self.shared.positions.generation(),
            done,
        };
        self.shared.lock().changes.push(change);
        self.shared.came.notify_one();
        Box::pin(async move {
            let closed = || Err("the read model is closed".to_owned());
            let written = told.await.unwrap_or_else(|_| closed());
            written.map_err(|detail| Failure::new(Reason::Disk, detail))
        })
    }
}

impl Drop for ReadModel {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.came.notify_one();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has already reported that through the callers' channels.
            let _ = writer.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes queued changes until the model is closed and no change waits.
    fn write(&self) {
        loop {
            threads::pulse();
            let idle = |waiting: &mut Waiting| waiting.changes.is_empty() && !waiting.closed;
            let waited = self.came.wait_timeout_while(self.lock(), PULSE, idle);
            let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
            let (changes, closed) = (std::mem::take(&mut waiting.changes), waiting.closed);
            drop(waiting);
            if changes.is_empty() {
                if closed {
                    return;
                }
                continue;
            }
            let written = self.commit(&changes);
            self.conditions.note_file(self.file.name(), &written);
            let written = written.map_err(|error| error.to_string());
            for change in changes {
                // The receiver may have been dropped.
                let _ = change.done.send(written.clone());
            }
        }
    }

    /// Writes the changes, then updates the positions in memory.
    fn commit(&self, changes: &[Change]) -> Result<(), ViewError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = self.positions.generation();
        let advanced = self.file.write(&self.positions, |write| {
            let mut advanced = Advanced::default();
            for change in changes {
                if let Some((key, value)) = &change.row {
                    write.put(ROWS, key, value)?;
                }
                if change.generation == generation {
                    let (partition, part) = (&change.partition, change.part.as_ref());
                    advanced.write(write, partition, change.print, part)?;
                }
            }
            Ok(advanced)
        })?;
        for topic in self.positions.advance(advanced) {
            tracing::info!(
                model = self.name(),
                topic,
                "a replay was read completely: no event of the topic is missing any more"
            );
        }
        self.report_gaps();
        Ok(())
    }

    /// Returns the model's name in conditions and log lines: the file name without its extension.
    fn name(&self) -> &str {
        let file = self.file.name();
        file.split('.').next().unwrap_or(file)
    }

    /// Raises the condition while there are gaps, and clears it when there are none.
    fn report_gaps(&self) {
        let code = ConditionCode::ReadModelIncomplete;
        match self.positions.gap() {
            Some(gap) => {
                if self.conditions.raise(code, self.name(), gap.clone()) {
                    tracing::error!(
                        model = self.name(),
                        reason = gap,
                        "a read model can't prove that it has read everything"
                    );
                }
            }
            None => {
                if self.conditions.clear(code, self.name()) {
                    tracing::info!(
                        model = self.name(),
                        "a read model has read everything again"
                    );
                }
            }
        }
    }
}

impl Continuity for ReadModel {
    fn known(&self, topic: &str) -> KnownLog {
        self.shared.positions.known(topic)
    }

    fn begin(&self, topic: &str, log: &str, begin: &Begin) -> Result<(), String> {
        let shared = &self.shared;
        let _turn = shared.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.known(topic);
        let is_known = known.log.as_deref() == Some(log) && known.partitions == begin.partitions;
        if is_known && begin.gap.is_none() {
            return Ok(());
        }
        let written = shared.file.write(&shared.positions, |write| {
            write_begin(write, topic, log, begin, &known)
        });
        written.map_err(|error| error.to_string())?;
        shared.positions.begin(topic, log, begin);
        shared.report_gaps();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use florin_storage::SimulatedDisk;

    use super::*;
    use crate::bus::{self, REPLAY, REPLAY_PART, REPLAY_WHOLE, Seen};

    const TOPIC: &str = "account-events";
    const CLUSTER: &str = "the cluster a";

    struct Model {
        conditions: Arc<Conditions>,
        model: ReadModel,
    }

    impl Model {
        fn open(disk: &SimulatedDisk) -> Self {
            let disk: Arc<dyn Disk> = Arc::new(disk.clone());
            let upkeep = Upkeep::default();
            let model = ReadModel::open(&disk, "model.redb", &upkeep, |_, _| (), Vec::new).unwrap();
            let conditions = upkeep.conditions;
            Self { conditions, model }
        }

        /// Compares the model's position with a log of one partition, as the brokers report it.
        fn take_up(&self, low: i64, high: i64, last: Option<Print>) {
            let known = self.model.known(TOPIC);
            let seen = BTreeMap::from([(0, Seen { low, high, last })]);
            let begin = bus::begin(TOPIC, &known, CLUSTER, &seen);
            self.model.begin(TOPIC, CLUSTER, &begin).unwrap();
        }

        async fn put(&self, message: &Message) {
            self.model.put(message, None).await.unwrap();
        }

        fn is_incomplete(&self) -> bool {
            let lasting = self.conditions.lasting();
            assert_eq!(lasting.is_empty(), self.model.gap().is_none());
            lasting
                .iter()
                .any(|one| one.code == ConditionCode::ReadModelIncomplete && one.subject == "model")
        }
    }

    fn message(offset: i64) -> Message {
        Message {
            topic: TOPIC.into(),
            partition: 0,
            offset,
            incarnation: Default::default(),
            settled_before: 0,
            timestamp_millis: None,
            key: None,
            headers: Vec::new(),
            value: Some(offset.to_string().into_bytes()),
        }
    }

    fn replayed(offset: i64, part: &str, is_whole: bool) -> Message {
        let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        Message {
            headers: vec![
                header(REPLAY, "a"),
                header(REPLAY_PART, part),
                header(REPLAY_WHOLE, &is_whole.to_string()),
            ],
            ..message(offset)
        }
    }

    #[tokio::test]
    async fn a_gap_lasts_until_a_replay_of_everything_was_read_whole_also_over_a_restart() {
        let disk = SimulatedDisk::new();
        let model = Model::open(&disk);
        model.take_up(0, 0, None);
        model.put(&message(0)).await;
        assert!(!model.is_incomplete());
        // Offsets 1 to 4 were removed before they were read.
        model.take_up(5, 5, None);
        assert!(model.is_incomplete());
        assert_eq!(model.model.position(TOPIC, 0), 5);
        for (offset, part, is_whole) in [(5, "1/2", false), (6, "2/2", false), (7, "1/3", true)] {
            model.put(&replayed(offset, part, is_whole)).await;
        }
        // The second part is delivered twice.
        model.put(&replayed(8, "2/3", true)).await;
        model.put(&replayed(9, "2/3", true)).await;
        assert!(model.is_incomplete());
        drop(model);
        let model = Model::open(&disk);
        assert!(model.is_incomplete());
        let last = Some(Print::of(&replayed(9, "2/3", true)));
        model.take_up(5, 11, last);
        model.put(&replayed(10, "3/3", true)).await;
        assert!(!model.is_incomplete());
        drop(model);
        assert!(!Model::open(&disk).is_incomplete());
    }

    #[tokio::test]
    async fn a_second_gap_makes_what_was_read_of_a_replay_worthless() {
        let model = Model::open(&SimulatedDisk::new());
        model.take_up(3, 3, None);
        model.put(&replayed(3, "1/2", true)).await;
        model.take_up(9, 9, None);
        model.put(&replayed(9, "2/2", true)).await;
        assert!(model.is_incomplete());
    }

    #[tokio::test]
    async fn what_was_read_of_an_earlier_incarnation_of_a_topic_does_not_move_its_positions() {
        let model = Model::open(&SimulatedDisk::new());
        model.take_up(0, 0, None);
        let shared = &model.model.shared;
        let late = {
            // Nothing is written until this lock is released.
            let _turn = shared.turn.lock().unwrap();
            let late = model.model.put(&message(70), None);
            shared.positions.begin_generation();
            late
        };
        late.await.unwrap();
        assert_eq!(model.model.position(TOPIC, 0), 0);
        model.put(&message(0)).await;
        assert_eq!(model.model.position(TOPIC, 0), 1);
    }
}
