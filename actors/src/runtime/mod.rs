//! The machinery around the entities: one actor host, the directory, the order of records,
//! idempotency, confirmation, and the way back.

mod accepting;
mod answering;
mod batches;
mod beside;
mod clock;
mod confirmation;
mod copying;
mod core;
mod deadline;
mod directory;
mod envelope;
mod erasing;
mod expiry;
mod guarded_clock;
mod heads;
mod host;
mod id_hasher;
mod inbox;
mod index;
mod intercept;
mod lane;
mod ledger;
mod loading;
mod node;
mod observer;
mod options;
mod overlay;
mod passivation;
mod permits;
mod random;
mod reading;
mod recovery;
mod reply;
mod seat;
mod sequencing;
mod supervision;
mod tree;
mod turn;
mod waiting;
mod warming;

pub(crate) use self::answering::read_holder;
pub use self::beside::Beside;
pub use self::clock::{Clock, SystemClock};
pub use self::confirmation::{Confirmation, Left, Slot};
pub use self::core::Core;
pub use self::deadline::{SLACK, within};
pub(crate) use self::id_hasher::IdHasher;
pub use self::inbox::Inbox;
#[cfg(test)]
pub(crate) use self::index::search;
pub(crate) use self::index::{key_hash, operation_entry};
pub use self::intercept::Intercept;
pub use self::lane::Lane;
pub(crate) use self::loading::{apply, contained, read_record};
pub use self::node::Node;
pub use self::observer::Observer;
pub use self::options::{Limits, NodeOptions, StartError, Threads};
pub use self::passivation::PassivationOptions;
pub use self::permits::{Permit, Permits};
pub use self::reply::{
    Account, ActorView, Decided, Health, Operation, Page, Reply, Totals, TrialBalance, Unavailable,
};
pub use self::seat::Present;
pub use self::supervision::SupervisionOptions;
pub(crate) use self::supervision::note_quarantine;
pub use self::tree::{ACTOR_STATES, ActorFilter};

#[cfg(test)]
mod actix_pins;
#[cfg(test)]
mod tests;
