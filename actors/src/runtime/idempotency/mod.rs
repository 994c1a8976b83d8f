//! Idempotency: which keys and operations were settled, and by which record.

pub mod index;
pub mod item_keys;
pub mod settled;
