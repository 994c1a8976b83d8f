//! The card service: its knowledge of accounts, and the cards that its instances created.

mod account_cache;
mod all_cards;
mod service;
mod start;

pub use account_cache::AccountCache;
pub(super) use account_cache::FILE as ACCOUNTS_FILE;
pub use all_cards::AllCards;
pub(super) use all_cards::FILE as CARDS_FILE;
pub use service::CardService;
pub(super) use start::start;
