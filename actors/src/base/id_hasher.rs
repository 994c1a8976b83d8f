//! The hasher of maps by id: Florin itself draws the ids at random, so a fast hasher that resists no
//! chosen keys is enough.

/// The builder of the hasher.
pub type IdHasher = rustc_hash::FxBuildHasher;
