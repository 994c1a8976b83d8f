//! Idempotency keys. A repeated key would measure a replay, which costs a node far less.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

/// A generator of unique keys. A key consists of a random number of this process, the number of
/// this generator, and a counter.
pub struct Keys {
    sequence: u32,
    next: u64,
}

static SEQUENCES: AtomicU32 = AtomicU32::new(0);
static PROCESS: OnceLock<u64> = OnceLock::new();

impl Keys {
    /// The length of a key in bytes: 16, 6 and 12 hexadecimal digits with dashes between.
    pub const LEN: usize = 36;

    pub fn new() -> Self {
        Self {
            sequence: SEQUENCES.fetch_add(1, Ordering::Relaxed),
            next: 0,
        }
    }

    /// Writes the next key to `key`, which has `LEN` bytes.
    pub fn write_next(&mut self, key: &mut [u8]) {
        let process = *PROCESS.get_or_init(|| SmallRng::from_os_rng().random());
        write_number(&mut key[..16], process, 16);
        key[16] = b'-';
        write_number(&mut key[17..23], self.sequence.into(), 16);
        key[23] = b'-';
        write_number(&mut key[24..], self.next, 16);
        self.next += 1;
    }

    /// Returns the next key as text.
    pub fn next_text(&mut self) -> String {
        let mut key = vec![0; Self::LEN];
        self.write_next(&mut key);
        key.into_iter().map(char::from).collect()
    }
}

/// Writes a number with leading zeros over all of `digits`.
pub fn write_number(digits: &mut [u8], mut number: u64, base: u64) {
    for digit in digits.iter_mut().rev() {
        // The digit is below 16, so the cast is exact.
        *digit = b"0123456789abcdef"[(number % base) as usize];
        number /= base;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_never_come_twice_across_sequences() {
        let mut keys = std::collections::HashSet::new();
        for mut sequence in [Keys::new(), Keys::new()] {
            for _ in 0..500 {
                let key = sequence.next_text();
                assert_eq!(key.len(), Keys::LEN);
                assert!(keys.insert(key));
            }
        }
    }

    #[test]
    fn numbers_are_padded() {
        let mut digits = [b'x'; 4];
        write_number(&mut digits, 0xaf, 16);
        assert_eq!(&digits, b"00af");
        write_number(&mut digits, 907, 10);
        assert_eq!(&digits, b"0907");
    }
}
