//! Events between the parts of Florin, as services and operators see them.

mod cards;
mod catalogue;
mod replays;
mod services;
