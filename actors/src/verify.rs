//! `florin verify`: the journal proved from its first record to its last.
//!
//! The chain is recomputed; every record is replayed through the entities, and its postings,
//! balances, versions and links are compared with what the replay makes of them; every currency
//! must sum to zero; the views must agree. Nothing is mended.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use florin_storage::{
    Disk, Frame, Head, Journal, Options, Position, Reader, ViewError, verify_chain,
};

use crate::entities::State;
use crate::messages::{
    AccountEvent, Currency, EntityId, Event, Kind, MoneyEvent, Overdraft, Personal, Posting,
    Record, Timestamp,
};
use crate::record_codec::{decode_personal, decode_record};
use crate::runtime::{IdHasher, Present, apply};
use crate::views;

/// Frames that may be read ahead of those replayed.
const FRAMES_AHEAD: usize = 64;

/// What is wrong, or why it can't be told.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is no journal to verify.
    #[error("there is no journal here")]
    NoJournal,
    /// The journal's form or chain.
    #[error(transparent)]
    Journal(#[from] florin_storage::Error),
    /// The views can't be read.
    #[error(transparent)]
    Views(#[from] ViewError),
    /// A record says what can't be.
    #[error("record {sequence}: {fault}")]
    Record {
        /// The record.
        sequence: u64,
        /// What is wrong with it.
        fault: String,
    },
    /// Two things that must agree don't.
    #[error("{0}")]
    Disagreement(String),
}

/// What was proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Where the chain ends.
    pub head: Head,
    /// Frames whose links were recomputed.
    pub frames: u64,
    /// Records replayed.
    pub records: u64,
    /// Accounts found.
    pub accounts: u64,
    /// Personal rows taken off the disk, each by an erasure that is recorded.
    pub erased: u64,
    /// Personal rows whose erasure is recorded and not yet carried out.
    pub to_erase: u64,
    /// The sum of all balances of each currency: zero, or there would be no report.
    pub currencies: Vec<Currency>,
    /// The record up to which the views agree; `None` if there are none.
    pub views: Option<u64>,
}

/// Verifies a data directory that no server has open. `noted`: a head noted earlier, which the
/// chain must contain.
///
/// # Errors
/// The first thing found wrong.
pub fn verify(disk: Arc<dyn Disk>, noted: Option<[u8; 32]>) -> Result<Report, VerifyError> {
    if !has_journal(disk.as_ref())? {
        return Err(VerifyError::NoJournal);
    }
    let opened = Journal::open(Arc::clone(&disk), Options::new([0; 16]), 0)?;
    let report = audit(disk.as_ref(), &opened.reader, noted);
    // The journal was opened with care and nothing was written: the mark is right either way.
    opened.committer.finish()?;
    report
}

/// Whether a data directory has a journal: opening would make one.
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
    let snapshots = views::read_all(disk)?;
    let mut noted_seen = noted.is_none();
    let (send, frames) = mpsc::sync_channel(FRAMES_AHEAD);
    let (verified, replayed) = thread::scope(|scope| {
        let replaying = scope.spawn(|| replay(frames, snapshots.as_ref()));
        let verified = verify_chain(reader, 1, |frame| {
            noted_seen |= noted == Some(frame.link);
            // Who replays has found a fault and left; the rest of the chain is looked at even so.
            let _ = send.send(ReadFrame::decode(reader, frame));
            Ok(())
        });
        drop(send);
        (verified, replaying.join())
    });
    let verified = verified?;
    let (replay, views_agree) = match replayed {
        Ok(replayed) => replayed?,
        Err(panic) => resume_unwind(panic),
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
            "the noted head is nowhere in the chain: the journal was cut short or exchanged".into(),
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
    })
}

/// A frame as it is replayed.
struct ReadFrame {
    link: [u8; 32],
    last_sequence: u64,
    /// By sequence; what can't be read is the last.
    records: Vec<(u64, Result<ReadRecord, String>)>,
}

/// A record, and whether the personal row is there of the account that it opens, if it opens one.
struct ReadRecord {
    record: Record,
    personal: Option<Result<bool, String>>,
}

impl ReadFrame {
    /// Reads all that its replay needs.
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

/// Replays what comes, and says up to where the views agree with it.
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

/// The ledger as the records make it.
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
            if !floor && change.kind() == Some(Kind::Account) {
                self.accounts += 1;
                match &read.personal {
                    Some(Ok(true)) => {}
                    Some(Ok(false)) => {
                        self.personal.missing.insert(record.sequence);
                    }
                    Some(Err(fault)) => return Err(fault.clone()),
                    None => return Err("an account's first event doesn't open it".to_owned()),
                }
            }
        }
        for beside in record.erased() {
            self.personal.erase(beside);
        }
        self.check_postings(record)
    }

    /// The postings are what the events moved, the balances what the replay makes of them, and
    /// together they sum to zero.
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
                return Err(format!("{}'s version skips some", change.entity));
            }
            let Some(posting) = own.last() else {
                if moved != 0 {
                    return Err(format!("{} moved {moved} without a posting", change.entity));
                }
                continue;
            };
            if posted != moved {
                return Err(format!(
                    "{}'s postings are not what its events moved",
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
            // A hold's post gives what was set aside, whatever the overdraft limit is by now.
            let debited = |event: &Event| matches!(event.money(), Some(MoneyEvent::Debited(_)));
            if let (true, Overdraft::Limit(limit)) =
                (change.events.iter().any(debited), posting.overdraft)
                && posting.balance - i128::from(posting.held) + i128::from(limit) < 0
            {
                return Err(format!("{} was debited past its floor", change.entity));
            }
            *sums.entry(posting.currency).or_default() += moved;
        }
        match sums.into_iter().find(|(_, sum)| *sum != 0) {
            Some((currency, sum)) => Err(format!("its postings in {currency} sum to {sum}")),
            None => Ok(()),
        }
    }

    /// The snapshots are what the records up to here make of their entities.
    fn compare(
        &self,
        frame: &ReadFrame,
        link: [u8; 32],
        snapshots: &[(EntityId, Present)],
    ) -> Result<(), VerifyError> {
        if frame.link != link {
            return Err(VerifyError::Disagreement(format!(
                "the chain's link at record {} is not the one that the views noted",
                frame.last_sequence
            )));
        }
        for (entity, snapshot) in snapshots {
            if self.entities.get(entity) != Some(snapshot) {
                return Err(VerifyError::Disagreement(format!(
                    "the snapshot of {entity} is not what its records make of it"
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

    /// Every currency's balances sum to zero.
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

/// Which personal rows are missing, and which erasures are recorded.
#[derive(Default)]
struct PersonalRows {
    /// Records whose row isn't there, as long as no erasure of it was found.
    missing: BTreeSet<u64>,
    erased: u64,
    to_erase: u64,
}

impl PersonalRows {
    /// Takes a recorded erasure in.
    fn erase(&mut self, beside: u64) {
        if self.missing.remove(&beside) {
            self.erased += 1;
        } else {
            self.to_erase += 1;
        }
    }

    /// No row is missing but by an erasure.
    fn all_erased(&self) -> Result<(), VerifyError> {
        match self.missing.first() {
            Some(sequence) => Err(VerifyError::Record {
                sequence: *sequence,
                fault:
                    "the personal values beside it are missing, and no erasure of them is recorded"
                        .to_owned(),
            }),
            None => Ok(()),
        }
    }
}

/// Whether the personal row of a record is there, if it opens an account; it must be the one that was
/// sealed.
fn find_personal(reader: &Reader, record: &Record) -> Option<Result<bool, String>> {
    let opened = record
        .changes
        .iter()
        .find_map(|change| match change.events.first() {
            Some(Event::Account(AccountEvent::Opened(opened))) => Some(opened),
            _ => None,
        })?;
    let proves = |row: Vec<u8>| {
        let row = decode_personal(&row).map_err(|error| error.to_string())?;
        match opened.holder {
            Personal::Sealed(hash) if row.proves(0, hash) => Ok(true),
            _ => Err("the personal values beside it are not the sealed ones".to_owned()),
        }
    };
    let row = reader.personal(record.sequence);
    Some(
        row.map_err(|error| error.to_string())
            .and_then(|row| row.map_or(Ok(false), proves)),
    )
}
