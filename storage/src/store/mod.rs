//! The embedded store, redb, on a [disk's](crate::disk) file. [`containment`] turns its panics into
//! errors, [`page_sums`] finds pages that changed on the disk. The journal and the views use it.

pub(crate) mod containment;
mod page_sums;
pub(crate) mod redb_file;
