//! Taking over a transactional id: the topics are checked, the previous owner is fenced, and the
//! cursor is claimed. The publisher halts if the cursor doesn't fit the journal.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::cursor::{self, PublishCursor, Until};
use super::publisher::{End, Halt, Publisher, hex};
use crate::kafka::fault::Fault;
use crate::kafka::producer::Producer;
use crate::kafka::reach;
use crate::kafka::topics::{self, Retention, TopicFault, Wanted};

/// The time during which a fenced instance checks whether another instance has taken over.
const SUCCESSOR_WAIT: Duration = Duration::from_secs(5);

impl Publisher {
    /// Starts a producer, which fences any older instance, and claims the cursor.
    pub(super) fn take_over(&mut self) -> Result<(Producer, PublishCursor), End> {
        let stop = Arc::clone(&self.stop);
        let go_on = || !stop.load(Ordering::Acquire);
        let metadata = reach::metadata(&self.options, go_on)?;
        let wanted = self.wanted_topics();
        topics::ensure(&self.options, &metadata, &wanted).map_err(|fault| match fault {
            TopicFault::Wrong(reason) => End::Halt(Halt::Topic(reason)),
            TopicFault::Broken(fault) => End::Fault(fault),
        })?;
        let topics = self.options.bindings.all_topics().into_iter();
        self.limits = topics::limits(&self.options, topics)?;
        if self.claimed.is_none() {
            // An instance that may not take over must not fence the current publisher, so the
            // cursor is checked before the producer starts.
            self.resume(cursor::read(&self.options, Until::Stable)?)?;
        }
        let batch_bytes_max = self.limits.values().min().copied();
        let producer = Producer::start_within(&self.options, batch_bytes_max, go_on)?;
        let known = self.resume(cursor::read(&self.options, Until::End)?)?;
        if self.claimed.is_some_and(|claimed| known.epoch > claimed) {
            return Err(End::Halt(Halt::Fenced(
                self.options.transactional_id.clone(),
            )));
        }
        let claim = PublishCursor {
            epoch: known.epoch + 1,
            ..known
        };
        // The previous owner of the transactional id finds this claim and recognizes the takeover.
        producer.begin()?;
        self.put(&producer, &claim)?;
        self.claimed = Some(claim.epoch);
        producer.commit()?;
        self.marks.note(&claim);
        Ok((producer, claim))
    }

    /// Returns the cursor at which to resume, based on the cursor in the topic if there is one. It
    /// must belong to this journal, and must be neither ahead of the journal nor behind the node's
    /// own mark.
    fn resume(&self, found: Option<PublishCursor>) -> Result<PublishCursor, End> {
        if let Some(found) = &found {
            self.check(found)?;
        }
        let topic = self.options.cursor_topic();
        let mark = match self.marks.known() {
            Ok(mark) => mark.filter(|mark| mark.journal_id == self.journal_id),
            Err(_) if found.is_some() => None,
            Err(reason) => {
                let reason = reason.to_owned();
                return Err(End::Halt(Halt::Mark { topic, reason }));
            }
        };
        let at = found.as_ref().map_or(0, |found| found.sequence);
        let Some(mark) = mark.filter(|mark| mark.sequence > at) else {
            return Ok(found.unwrap_or_else(|| PublishCursor {
                journal_id: self.journal_id.clone(),
                epoch: 0,
                sequence: 0,
                link: None,
            }));
        };
        self.check(mark)?;
        let what = match &found {
            Some(found) => format!("only a cursor at record {}", found.sequence),
            None => "no cursor".to_owned(),
        };
        if !self.options.continues_from_mark {
            return Err(End::Halt(Halt::CursorLost {
                id: self.options.transactional_id.clone(),
                topic,
                found: what,
                published: mark.sequence,
            }));
        }
        tracing::warn!(
            topic,
            found = what,
            sequence = mark.sequence,
            "the cursor was lost: publishing continues from the node's own mark \
             (kafka.cursor_lost); events after the mark may be published a second time, with the \
             same ce_id"
        );
        let epoch = found.map_or(0, |found| found.epoch).max(mark.epoch);
        Ok(PublishCursor {
            epoch,
            ..mark.clone()
        })
    }

    /// Checks that the cursor belongs to this journal and is not ahead of it.
    fn check(&self, known: &PublishCursor) -> Result<(), End> {
        let id = self.options.transactional_id.clone();
        if known.journal_id != self.journal_id {
            return Err(End::Halt(Halt::Foreign {
                id,
                theirs: known.journal_id.clone(),
                ours: self.journal_id.clone(),
            }));
        }
        let older = End::Halt(Halt::Older {
            id,
            published: known.sequence,
            durable: self.outbox.reader.durable(),
        });
        if known.sequence > self.outbox.reader.durable() {
            return Err(older);
        }
        if known.sequence > 0 {
            let frames = self
                .outbox
                .reader
                .scan(known.sequence, 1)
                .map_err(unreadable)?;
            let link = frames.first().map(|frame| hex(&frame.link));
            let ends = frames.first().map(|frame| frame.last_sequence);
            if ends != Some(known.sequence) || link != known.link {
                return Err(older);
            }
        }
        Ok(())
    }

    /// Returns whether another instance has claimed the cursor. A fencing error alone doesn't prove
    /// that, because the broker also fences a producer that was too slow.
    pub(super) fn has_successor(&self) -> bool {
        let Some(claimed) = self.claimed else {
            return false;
        };
        let deadline = Instant::now() + SUCCESSOR_WAIT;
        while Instant::now() < deadline && !self.stop.load(Ordering::Acquire) {
            if let Ok(Some(cursor)) = cursor::read(&self.options, Until::Stable)
                && cursor.epoch > claimed
            {
                return true;
            }
            self.rest(Duration::from_millis(200));
        }
        false
    }

    /// Returns the topics that the publisher needs: those of events, and the one of the cursor.
    fn wanted_topics(&self) -> Vec<Wanted> {
        let options = &self.options;
        let events = options
            .bindings
            .all_topics()
            .into_iter()
            .map(|name| Wanted {
                name: name.to_owned(),
                partitions: options.partitions_of(name),
                replication: options.replication,
                retention: Retention::Time(options.retention),
            });
        let cursor = Wanted {
            name: options.cursor_topic(),
            partitions: 1,
            replication: options.replication,
            retention: Retention::LastOfKey,
        };
        events.chain([cursor]).collect()
    }
}

/// Converts a storage error: damage is permanent, any other disk error may be temporary.
fn unreadable(error: florin_storage::Error) -> End {
    if error.is_damage() {
        End::Halt(Halt::Damaged(error.to_string()))
    } else {
        End::Fault(Fault::Broken(error.to_string()))
    }
}
