//! `florin verify`: a check of the journal from its first record to its last.
//!
//! The hash chain is recomputed. Every record is replayed through the entities, and its postings,
//! balances, versions and links are compared with the result of the replay. Every currency must sum
//! to zero, and the views must agree with the journal. Nothing is repaired.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use florin_storage::threads::{Spawner, ThreadName};
use florin_storage::{
    Disk, Frame, Head, Journal, Options, PersonalBytes, Position, Reader, ViewError, verify_chain,
};

use crate::base::{IdHasher, Present, apply};
use crate::entities::{Event, Kind, MoneyEvent, State};
use crate::record::{Posting, Record};
use crate::record_codec::{decode_personal, decode_record};
use crate::views;
use crate::words::{Currency, EntityId, Overdraft, Timestamp};

/// The maximum number of frames that are read ahead of the replay.
const FRAMES_AHEAD: usize = 64;

/// The fault that was found, or the reason why the check could not be completed.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is no journal to verify.
    #[error("there is no journal here")]
    NoJournal,
    /// The journal can't be read, or its format or hash chain is damaged.
    #[error(transparent)]
    Journal(#[from] florin_storage::Error),
    /// The views can't be read.
    #[error(transparent)]
    Views(#[from] ViewError),
    /// A record contradicts the records before it or itself, or can't be decoded.
    #[error("record {sequence}: {fault}")]
    Record {
        /// The sequence of the record.
        sequence: u64,
        /// A description of the fault.
        fault: String,
    },
    /// Two things that must agree don't.
    #[error("{0}")]
    Disagreement(String),
    /// A thread that the verification needs could not be started, or panicked.
    #[error("not verified to the end: {0}")]
    Thread(String),
}

/// The result of a successful verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The head of the chain.
    pub head: Head,
    /// The number of frames whose links were recomputed.
    pub frames: u64,
    /// The number of replayed records.
    pub records: u64,
    /// The number of accounts.
    pub accounts: u64,
    /// The number of personal rows that were removed from the disk, each by a recorded erasure.
    pub erased: u64,
    /// The number of personal rows whose erasure is recorded but not carried out yet.
    pub to_erase: u64,
    /// The currencies of all balances. The balances of each currency sum to zero; otherwise there
    /// would be no report.
    pub currencies: Vec<Currency>,
    /// The sequence of the record at which the views were compared and agree. `None` if there are
    /// no views or they are damaged.
    pub views: Option<u64>,
    /// The reason why the views can't be read, if they are damaged. A node rebuilds damaged views.
    pub views_damage: Option<String>,
}

/// Verifies a data directory that no server has open. `noted` is a chain head that was noted
/// earlier and that the chain must contain.
///
/// # Errors
/// Returns the first fault that is found.
pub fn verify(disk: Arc<dyn Disk>, noted: Option<[u8; 32]>) -> Result<Report, VerifyError> {
    if !has_journal(disk.as_ref())? {
        return Err(VerifyError::NoJournal);
    }
    let opened = Journal::open(Arc::clone(&disk), Options::new([0; 16]), 0)?;
    let report = audit(disk.as_ref(), &opened.reader, noted);
    // If the mark of a clean end was missing, opening the journal has synced and checked its end.
    // Nothing was written since, so the mark is correct in either case.
    opened.committer.finish()?;
    report
}

/// Returns whether a data directory has a journal. Opening a journal would create one.
pub(crate) fn has_journal(disk: &dyn Disk) -> Result<bool, florin_storage::Error> {
    let segments = disk
        .list("journal")
        .map_err(|source| florin_storage::Error::Io {
            file: "journal".to_owned(),
            source,
        })?;
    Ok(segments.iter().any(|name| name.ends_with(".redb")))
}

fn audit(disk: &dyn Disk, reader: &Reader, noted: Option<[u8; 32]>) -> Result<Report, VerifyError> {
    let (snapshots, views_damage) = match views::read_all(disk) {
        Err(ViewError::Unusable { file, reason }) => (None, Some(format!("{file}: {reason}"))),
        read => (read?, None),
    };
    let mut noted_seen = noted.is_none();
    let (send, frames) = mpsc::sync_channel(FRAMES_AHEAD);
    let (verified, replayed) = thread::scope(|scope| {
        let replay = || replay(frames, snapshots.as_ref());
        let replaying = Spawner::default().start_scoped(scope, ThreadName::Recovery, replay);
        let replaying = match replaying {
            Ok(replaying) => replaying,
            Err(error) => return (Err(VerifyError::Thread(error.to_string())), None),
        };
        let verified = verify_chain(reader, 1, |frame| {
            noted_seen |= noted == Some(frame.link);
            // A send error means that the replay has found a fault and stopped. The rest of the
            // chain is verified anyway.
            let _ = send.send(ReadFrame::decode(reader, frame));
            Ok(())
        });
        drop(send);
        let verified = verified.map_err(VerifyError::from);
        (verified, replaying.join().ok().flatten())
    });
    let verified = verified?;
    let (replay, views_agree) = match replayed {
        Some(replayed) => replayed?,
        None => {
            let reason = "the records could not be replayed: the code panicked";
            return Err(VerifyError::Thread(reason.to_owned()));
        }
    };
    if let Some((position, _)) = snapshots.filter(|(position, _)| position.sequence > 0)
        && views_agree.is_none()
    {
        return Err(VerifyError::Disagreement(format!(
            "the journal ends at record {}, the views know record {}: the journal was cut short",
            verified.head.sequence, position.sequence
        )));
    }
    if !noted_seen {
        return Err(VerifyError::Disagreement(
            "the given head is not in the chain: the journal was cut short or replaced".into(),
        ));
    }
    let currencies = replay.conserved()?;
    replay.personal.all_erased()?;
    Ok(Report {
        head: verified.head,
        frames: verified.frames,
        records: verified.records,
        accounts: replay.accounts,
        erased: replay.personal.erased,
        to_erase: replay.personal.to_erase,
        currencies,
        views: views_agree,
        views_damage,
    })
}

/// A decoded frame for the replay.
struct ReadFrame {
    link: [u8; 32],
    last_sequence: u64,
    /// The records by sequence. A record that can't be decoded is the last one.
    records: Vec<(u64, Result<ReadRecord, String>)>,
}

/// A decoded record. If it creates an entity with personal values, `personal` says whether these are
/// present.
struct ReadRecord {
    record: Record,
    personal: Option<Result<bool, String>>,
}

impl ReadFrame {
    /// Decodes the frame's records and reads everything else that the replay needs.
    fn decode(reader: &Reader, frame: &Frame) -> Self {
        let mut records = Vec::with_capacity(frame.records());
        for (sequence, bytes) in frame.iter() {
            let record = decode_record(bytes).map_err(|error| error.to_string());
            let is_unreadable = record.is_err();
            let read = record.map(|record| ReadRecord {
                personal: find_personal(reader, &record),
                record,
            });
            records.push((sequence, read));
            if is_unreadable {
                break;
            }
        }
        Self {
            link: frame.link,
            last_sequence: frame.last_sequence,
            records,
        }
    }
}

/// Replays the frames. Returns the replay and the sequence up to which the views agree with it.
fn replay(
    frames: Receiver<ReadFrame>,
    snapshots: Option<&(Position, Vec<(EntityId, Present)>)>,
) -> Result<(Replay, Option<u64>), VerifyError> {
    let mut replay = Replay::default();
    let mut views_agree = None;
    for frame in frames {
        replay.take_frame(&frame)?;
        if let Some((position, all)) = snapshots
            && position.sequence == frame.last_sequence
        {
            views_agree = Some(position.sequence);
            replay.compare(&frame, position.link, all)?;
        }
    }
    Ok((replay, views_agree))
}

/// The state of the ledger that results from the replayed records.
#[derive(Default)]
struct Replay {
    entities: HashMap<EntityId, Present, IdHasher>,
    accounts: u64,
    personal: PersonalRows,
    time: Timestamp,
}

impl Replay {
    fn take_frame(&mut self, frame: &ReadFrame) -> Result<(), VerifyError> {
        for (sequence, read) in &frame.records {
            let sequence = *sequence;
            let fault = |fault: String| VerifyError::Record { sequence, fault };
            let read = read.as_ref().map_err(|error| fault(error.clone()))?;
            let record = &read.record;
            if record.sequence != sequence {
                return Err(fault(format!(
                    "it says that it is record {}",
                    record.sequence
                )));
            }
            if record.time < self.time {
                return Err(fault("it is older than the record before it".to_owned()));
            }
            self.time = record.time;
            self.take(read).map_err(fault)?;
        }
        Ok(())
    }

    fn take(&mut self, read: &ReadRecord) -> Result<(), String> {
        let record = &read.record;
        for change in &record.changes {
            let present = self.entities.entry(change.entity).or_default();
            let floor = present.state.is_some();
            apply(present, record, change)?;
            if floor {
                continue;
            }
            self.accounts += u64::from(change.kind() == Some(Kind::Account));
            if present.state.as_ref().and_then(State::personal).is_some() {
                match &read.personal {
                    Some(Ok(true)) => {}
                    Some(Ok(false)) => {
                        self.personal.missing.insert(record.sequence);
                    }
                    Some(Err(fault)) => return Err(fault.clone()),
                    None => return Err("it seals no personal values of its new entity".to_owned()),
                }
            }
        }
        for beside in record.erased() {
            self.personal.erase(beside);
        }
        self.check_postings(record)
    }

    /// Checks that the postings equal the amounts moved by the events, that the balances equal the
    /// replayed ones, and that all amounts of a currency sum to zero.
    fn check_postings(&self, record: &Record) -> Result<(), String> {
        let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
        let mut of_changes: Vec<Vec<&Posting>> = vec![Vec::new(); record.changes.len()];
        for posting in &record.postings {
            of_changes
                .get_mut(posting.change as usize)
                .ok_or("a posting belongs to no change")?
                .push(posting);
        }
        for (change, own) in record.changes.iter().zip(of_changes) {
            let events = change.events.iter();
            let moved: i128 = events.map(|event| i128::from(event.moved())).sum();
            let posted: i128 = own.iter().map(|posting| i128::from(posting.amount)).sum();
            if change.raised as usize != own.len().max(1) {
                return Err(format!("the version of {} skips numbers", change.entity));
            }
            let Some(posting) = own.last() else {
                if moved != 0 {
                    return Err(format!("{} moved {moved} without a posting", change.entity));
                }
                continue;
            };
            if posted != moved {
                return Err(format!(
                    "the postings of {} do not match its events",
                    change.entity
                ));
            }
            let state = self
                .entities
                .get(&change.entity)
                .and_then(|known| known.state.as_ref());
            let shown = (
                posting.currency,
                posting.balance,
                posting.held,
                posting.overdraft,
            );
            if state.and_then(State::posted) != Some(shown) {
                return Err(format!(
                    "{}'s balance of {} is not the sum of its postings",
                    change.entity, posting.balance
                ));
            }
            // A post of a hold is not checked against the overdraft limit: its amount was set aside
            // earlier, and the limit may have changed since.
            let debited = |event: &Event| matches!(event.money(), Some(MoneyEvent::Debited(_)));
            if let (true, Overdraft::Limit(limit)) =
                (change.events.iter().any(debited), posting.overdraft)
                && posting.balance - i128::from(posting.held) + i128::from(limit) < 0
            {
                return Err(format!(
                    "{} was debited beyond its overdraft limit",
                    change.entity
                ));
            }
            *sums.entry(posting.currency).or_default() += moved;
        }
        match sums.into_iter().find(|(_, sum)| *sum != 0) {
            Some((currency, sum)) => Err(format!("its postings in {currency} sum to {sum}")),
            None => Ok(()),
        }
    }

    /// Checks that the snapshots equal the replayed entities.
    fn compare(
        &self,
        frame: &ReadFrame,
        link: [u8; 32],
        snapshots: &[(EntityId, Present)],
    ) -> Result<(), VerifyError> {
        if frame.link != link {
            return Err(VerifyError::Disagreement(format!(
                "the chain's link at record {} differs from the one in the views",
                frame.last_sequence
            )));
        }
        for (entity, snapshot) in snapshots {
            if self.entities.get(entity) != Some(snapshot) {
                return Err(VerifyError::Disagreement(format!(
                    "the snapshot of {entity} does not match its records"
                )));
            }
        }
        if snapshots.len() != self.entities.len() {
            return Err(VerifyError::Disagreement(format!(
                "the views hold {} entities, the journal {}",
                snapshots.len(),
                self.entities.len()
            )));
        }
        Ok(())
    }

    /// Checks that the balances of every currency sum to zero, and returns the currencies.
    fn conserved(&self) -> Result<Vec<Currency>, VerifyError> {
        let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
        for present in self.entities.values() {
            if let Some((currency, balance, ..)) = present.state.as_ref().and_then(State::posted) {
                *sums.entry(currency).or_default() += balance;
            }
        }
        match sums.iter().find(|(_, sum)| **sum != 0) {
            Some((currency, sum)) => Err(VerifyError::Disagreement(format!(
                "all balances in {currency} sum to {sum}, not to zero"
            ))),
            None => Ok(sums.into_keys().collect()),
        }
    }
}

/// The bookkeeping of erased personal rows and recorded erasures.
#[derive(Default)]
struct PersonalRows {
    /// The records whose row is erased and for which no recorded erasure was found yet.
    missing: BTreeSet<u64>,
    erased: u64,
    to_erase: u64,
}

impl PersonalRows {
    /// Counts a recorded erasure.
    fn erase(&mut self, beside: u64) {
        if self.missing.remove(&beside) {
            self.erased += 1;
        } else {
            self.to_erase += 1;
        }
    }

    /// Checks that every erased row has a recorded erasure.
    fn all_erased(&self) -> Result<(), VerifyError> {
        match self.missing.first() {
            Some(sequence) => Err(VerifyError::Record {
                sequence: *sequence,
                fault: "the personal data of the record was erased, but no erasure is recorded"
                    .to_owned(),
            }),
            None => Ok(()),
        }
    }
}

/// Returns whether the personal values of a record are present; false if they were erased, `None`
/// if the record has none. Fails if the values are missing without an
/// erasure, or are not the ones that were sealed.
fn find_personal(reader: &Reader, record: &Record) -> Option<Result<bool, String>> {
    if !record.has_personal() {
        return None;
    }
    let proves = |row: Vec<u8>| {
        let row = decode_personal(&row).map_err(|error| error.to_string())?;
        let mut sealed = record.command.sealed().enumerate();
        if sealed.all(|(place, hash)| row.proves(place, hash)) {
            Ok(true)
        } else {
            Err("the personal data of the record does not match its hash".to_owned())
        }
    };
    Some(match reader.personal(record.sequence) {
        Ok(Some(PersonalBytes::Kept(row))) => proves(row),
        Ok(Some(PersonalBytes::Erased)) => Ok(false),
        Ok(None) => Err(
            "the personal data of the record is missing, and there is no erasure mark".to_owned(),
        ),
        Err(error) => Err(error.to_string()),
    })
}
