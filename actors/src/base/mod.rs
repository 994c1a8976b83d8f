//! The parts that the views, the runtime and the buses share: clocks, randomness, the reading of
//! records, and the forms in which entities and pages are returned.

mod answers;
mod clock;
mod guarded_clock;
mod id_hasher;
mod index_entries;
mod outbox;
mod present;
mod quarantine;
mod random;
mod read_fault;
mod records;

pub use answers::{Page, Totals, TrialBalance, WithPersonal};
pub use clock::{Clock, Moment, SystemClock};
pub use guarded_clock::GuardedClock;
pub use id_hasher::IdHasher;
pub use index_entries::{key_hash, operation_entry, search};
pub use outbox::Outbox;
pub use present::{Present, apply};
pub use quarantine::note_quarantine;
pub use random::Random;
pub use read_fault::ReadFault;
pub use records::{contained, lost_personal, panic_text, read_personal, read_record, read_row};
