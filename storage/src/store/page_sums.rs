//! Checksums of a file's pages as they were last read or written. The embedded store checks a whole
//! file when it opens it, but nothing that it reads later: without these sums, a page that decays
//! in between would be served, and written back as if it were intact.

use std::io;
use std::sync::{Mutex, PoisonError};

/// The page size of the embedded store, in bytes.
const PAGE: usize = 4096;

/// The hash of each page: 8 bytes for 4 KiB, 0 if it isn't known.
#[derive(Debug, Default)]
pub(crate) struct PageSums(Mutex<Vec<u64>>);

impl PageSums {
    /// Compares the pages that were read with their known hashes, and notes the hashes that weren't
    /// known.
    ///
    /// # Errors
    /// Returns `InvalidData` for a page that has changed.
    pub(crate) fn read(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        for (page, bytes) in whole_pages(offset, bytes) {
            let sum = sum(bytes);
            let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let known = slot(&mut sums, page);
            if *known != 0 && *known != sum {
                let what = format!("page {page} is not as it was written");
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            *known = sum;
        }
        Ok(())
    }

    /// Notes the hashes of the pages that are about to be written.
    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) {
        let new: Vec<(usize, u64)> = whole_pages(offset, bytes)
            .map(|(page, bytes)| (page, sum(bytes)))
            .collect();
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The hash of a partly written page is unknown.
        let end = offset + bytes.len() as u64;
        for part in [offset / PAGE as u64, end.saturating_sub(1) / PAGE as u64] {
            *slot(&mut sums, part as usize) = 0;
        }
        for (page, sum) in new {
            *slot(&mut sums, page) = sum;
        }
    }

    /// Forgets the pages past a new end.
    pub(crate) fn cut(&self, len: u64) {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sums.truncate((len / PAGE as u64) as usize);
    }
}

/// Iterates over the pages that lie completely within these bytes.
fn whole_pages(offset: u64, bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let skip = (offset.next_multiple_of(PAGE as u64) - offset) as usize;
    let first = offset.div_ceil(PAGE as u64) as usize;
    let within = bytes.get(skip..).unwrap_or_default();
    (first..).zip(within.chunks_exact(PAGE))
}

fn slot(sums: &mut Vec<u64>, page: usize) -> &mut u64 {
    if sums.len() <= page {
        sums.resize(page + 1, 0);
    }
    &mut sums[page]
}

fn sum(page: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&blake3::hash(page).as_bytes()[..8]);
    // 0 means that the hash isn't known.
    u64::from_le_bytes(bytes).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_must_stay_what_it_was() {
        let sums = PageSums::default();
        let (one, other) = (vec![1; 3 * PAGE], vec![2; PAGE]);
        sums.read(0, &one).unwrap();
        sums.read(PAGE as u64, &one[..PAGE]).unwrap();
        assert!(sums.read(PAGE as u64, &other).is_err());
        sums.write(PAGE as u64, &other);
        sums.read(PAGE as u64, &other).unwrap();
        assert!(
            sums.read(0, &[one.clone(), other.clone()].concat())
                .is_err()
        );
        // The hash is unknown after a partial write, and after the file was cut and has grown
        // again.
        sums.write(100, &other[..100]);
        sums.read(0, &other).unwrap();
        sums.cut(PAGE as u64);
        sums.read(PAGE as u64, &one[..PAGE]).unwrap();
        // A read of only a part of a page isn't checked.
        sums.read(10, &other[..PAGE]).unwrap();
    }
}
