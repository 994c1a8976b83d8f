//! The ledger: the state that all turns of a node share, and the turns themselves. It lives on one
//! thread.

pub mod accepting;
pub mod answering;
pub mod batches;
pub mod checks;
pub mod loading;
pub mod obstacle;
pub mod overlay;
pub mod passivation;
pub mod sequencer;
pub mod state;
pub mod supervision;
pub mod turn;
pub mod warming;
