//! The index: sorted files of keys and sequences, each written once ([`writer`]) and then only read
//! ([`segment`]).

pub(crate) mod layout;
pub(crate) mod segment;
pub(crate) mod writer;
