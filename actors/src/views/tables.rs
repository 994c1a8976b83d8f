//! The file of the view of entities, and its tables.

/// The file of the view of entities.
pub(super) const FILE: &str = "views/entities.redb";
/// The version of the rows' format. When it is raised, the view is rebuilt.
pub(super) const SCHEMA: u32 = 4;
pub(super) const SNAPSHOTS: &str = "snapshots";
pub(super) const ROWS: &str = "rows";
pub(super) const TOTALS: &str = "totals";
/// The table of erasures that are recorded but not carried out. A row is the sequence of the record
/// whose personal values are to be erased.
pub(super) const ERASURES: &str = "erasures";
pub(super) const QUARANTINED: &str = "quarantined";
/// The table of the positions up to which partitions of command topics were read. There is a row
/// for each partition and incarnation of its topic.
pub(super) const INPUTS: &str = "inputs";
