//! The card service: what it knows of accounts, and of the cards that its instances made.

mod account_cache;
mod all_cards;
mod service;

pub use account_cache::AccountCache;
pub use all_cards::AllCards;
pub use service::CardService;
