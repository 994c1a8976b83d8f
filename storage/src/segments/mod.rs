//! The journal's files and their formats, from the inside out: records are gathered in a [`chunk`],
//! packed into a [`frame`] and written as [`rows`] of a [`segment`], with the [`personal`] fields
//! beside them. A commit first goes to the write-ahead log ([`wal`]); the [`tail`] holds what the
//! segment does not have yet.

pub(crate) mod chain;
pub(crate) mod chunk;
pub(crate) mod copying;
pub(crate) mod frame;
pub(crate) mod head;
pub(crate) mod personal;
mod rows;
pub(crate) mod segment;
pub(crate) mod tables;
mod tail;
pub(crate) mod wal;
