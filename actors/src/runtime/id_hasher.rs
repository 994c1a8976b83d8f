//! The hash of maps by id: ids are drawn at random by Florin itself, so folding them is enough.

use std::hash::{BuildHasherDefault, Hasher};

/// Folds what it is given.
#[derive(Debug, Default, Clone, Copy)]
pub struct FoldHasher(u64);

/// Builds [`FoldHasher`]s.
pub type IdHasher = BuildHasherDefault<FoldHasher>;

impl Hasher for FoldHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_u128(&mut self, value: u128) {
        self.write_u64((value >> 64) as u64);
        self.write_u64(value as u64);
    }
}
