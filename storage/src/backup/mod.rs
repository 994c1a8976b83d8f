//! Backups: [`write`](mod@write) copies a journal that is in use, [`manifest`] describes the copy, and
//! [`restore`] checks it and makes a journal of it again.

pub(crate) mod manifest;
pub(crate) mod restore;
pub(crate) mod write;
