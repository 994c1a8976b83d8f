//! Checks of the names of holders and merchants: a name is stored beside the record that opens an
//! account or a merchant, and nowhere after its erasure.

use florin_actors::messages::{
    AccountEvent, Change, Command, Event, MerchantEvent, Personal, PersonalRow, Record,
};
use florin_storage::{PersonalBytes, Reader};

use super::history::Request;
use super::judge::{Judge, is_faulted};
use super::model::Touch;

impl Judge {
    /// Notes that a record erases a name. Only an erasure with changes does so.
    ///
    /// # Errors
    /// Returns an error if it erases something else than the model does.
    pub(super) fn note_erasure(
        &mut self,
        record: &Record,
        touched: &[Touch],
    ) -> Result<(), String> {
        let right: Vec<u64> = match (&record.command, touched) {
            (Command::EraseAccount(_) | Command::EraseMerchant(_), [touch]) => {
                let personal = touch.after.personal();
                personal.map(|(opened, ..)| opened).into_iter().collect()
            }
            _ => vec![],
        };
        let erased: Vec<u64> = record.erased().collect();
        if erased != right {
            return Err(format!("it erases {erased:?}, the model {right:?}"));
        }
        for opened in right {
            self.nameless.remove(&opened);
            self.erasures.insert(opened, record.sequence);
        }
        Ok(())
    }

    /// Reports whether a record up to `sequence` erased the name beside record `opened`.
    pub(super) fn is_erased(&self, opened: u64, sequence: u64) -> bool {
        let erased = self.erasures.get(&opened);
        erased.is_some_and(|erased| *erased <= sequence)
    }

    /// Checks that erased names stay erased, also after a restart.
    ///
    /// # Errors
    /// Returns an error if a name is back.
    pub(super) fn stay_erased(&self, reader: &Reader) -> Result<(), String> {
        for opened in self.erasures.keys() {
            match reader.personal(*opened) {
                Ok(Some(PersonalBytes::Erased)) => {}
                found => {
                    return Err(format!(
                        "the name beside record {opened} is back: {found:?}"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Reports whether the personal values are stored beside a record that opens an account or a
/// merchant. Records that open nothing need none. The values must be those that were asked for.
///
/// # Errors
/// Returns an error if there is another name, or a name that should not exist.
pub(super) fn sealed_name(
    record: &Record,
    row: Option<&PersonalRow>,
    request: &Request,
) -> Result<bool, String> {
    let opens = |change: &Change| match change.events.first() {
        Some(Event::Account(AccountEvent::Opened(opened))) => Some(vec![opened.holder.clone()]),
        Some(Event::Merchant(MerchantEvent::Opened(opened))) => {
            Some(vec![opened.name.clone(), opened.email.clone()])
        }
        _ => None,
    };
    match (record.changes.iter().find_map(opens), row) {
        (None, None) => Ok(true),
        (Some(_), None) => Ok(false),
        // A refusal of a faulted command keeps a row without the name, to recognize a repeat of its
        // key.
        (None, Some(row))
            if is_faulted(record) && record.key.is_some() && row.value(0).is_none() =>
        {
            Ok(true)
        }
        (None, Some(_)) => Err("a personal row beside a record that opens nothing".to_owned()),
        (Some(sealed), Some(row)) if are_beside(&sealed, row, &request.personal()) => Ok(true),
        (Some(_), Some(_)) => Err("another name is beside it".to_owned()),
    }
}

/// Reports whether exactly these values are in a row, and are those that were sealed.
fn are_beside(sealed: &[Personal], row: &PersonalRow, values: &[&str]) -> bool {
    let proves = |(place, sealed): (usize, &Personal)| match sealed {
        Personal::Sealed(hash) => row.proves(place, *hash),
        Personal::Plain(_) => false,
    };
    let own = row.values().unwrap_or_else(|| [].into());
    own.iter().map(|value| &**value).eq(values.iter().copied())
        && sealed.len() == values.len()
        && sealed.iter().enumerate().all(proves)
}
