//! The answers that both the views and the runtime give.

use crate::words::{Currency, PersonalValues};

/// An entity's view with its personal values.
#[derive(Debug, Clone, PartialEq)]
pub struct WithPersonal<V> {
    /// The view.
    pub view: V,
    /// The personal values, if there are any that weren't erased.
    pub personal: Option<PersonalValues>,
}

impl<V> WithPersonal<V> {
    /// Returns a personal value by its place in the order of sealing; `None` if it was erased.
    pub fn personal_value(&self, place: usize) -> Option<&str> {
        self.personal.as_ref()?.get(place).map(AsRef::as_ref)
    }
}

/// A page of a list, and the position where the next page starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T, C> {
    /// The entries.
    pub entries: Vec<T>,
    /// The position where the next page starts; `None` at the end.
    pub next: Option<C>,
}

impl<T, C> Page<T, C> {
    /// Converts the entries.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U, C> {
        Page {
            entries: self.entries.into_iter().map(convert).collect(),
            next: self.next,
        }
    }
}

/// The totals of all postings in a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// The sum of all debits, as a positive number.
    pub debits: u128,
    /// The sum of all credits.
    pub credits: u128,
}

/// The totals of all postings of the ledger, up to a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialBalance {
    /// The last record that is counted.
    pub as_of_sequence: u64,
    /// The totals by currency, sorted.
    pub currencies: Vec<(Currency, Totals)>,
}
