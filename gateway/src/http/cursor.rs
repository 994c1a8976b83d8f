//! The cursors of lists: the position at which a list continues. They are opaque to callers, and
//! bound to the list and the filters that issued them, so a cursor that is cut, altered or used
//! elsewhere is detected.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::codes::ProblemCode;
use super::problem::Problem;
use super::query::Query;

/// The length of the check at the end of a cursor, in bytes.
const CHECK: usize = 8;

/// The list that a cursor is bound to: its path and its filters.
#[derive(Debug, Clone)]
pub struct List(blake3::Hasher);

impl List {
    /// Returns the list at `path`, without filters.
    pub fn at(path: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"florin cursor 1");
        Self(hasher).and(Some(path))
    }

    /// Adds the value of a filter to the list; `None` means that the filter is not given.
    #[must_use]
    pub fn and(mut self, filter: Option<&str>) -> Self {
        let length = filter.map_or(u64::MAX, |text| text.len() as u64);
        self.0.update(&length.to_be_bytes());
        self.0.update(filter.unwrap_or_default().as_bytes());
        self
    }

    /// Returns the cursor that continues the list at `place`.
    pub fn cursor<const N: usize>(&self, place: [u8; N]) -> String {
        let mut bytes = place.to_vec();
        bytes.extend(self.check(&place));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Returns the place in a cursor of this list, or a problem if the cursor is not of this list.
    pub fn place<const N: usize>(&self, cursor: &str) -> Result<[u8; N], Problem> {
        let foreign = || {
            Problem::of_field(
                ProblemCode::InvalidCursor,
                "cursor",
                "does not belong to this list",
            )
        };
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| foreign())?;
        let (place, check) = bytes.split_first_chunk::<N>().ok_or_else(foreign)?;
        if check == self.check(place) {
            Ok(*place)
        } else {
            Err(foreign())
        }
    }

    /// Returns the place at which a page begins: that of the query's cursor, or `None` if there is
    /// no cursor.
    ///
    /// # Errors
    /// Returns a problem if the cursor is not of this list.
    pub fn after<const N: usize>(&self, query: &Query) -> Result<Option<[u8; N]>, Problem> {
        query
            .get("cursor")
            .map(|cursor| self.place(cursor))
            .transpose()
    }

    /// Returns the cursor that continues the list after the entry that `place` names.
    pub fn text_cursor(&self, place: &str) -> String {
        let mut bytes = place.as_bytes().to_vec();
        bytes.extend(self.check(place.as_bytes()));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Returns the text in a cursor of this list, or a problem if the cursor is not of this list.
    pub fn text(&self, cursor: &str) -> Result<String, Problem> {
        let foreign = || {
            Problem::of_field(
                ProblemCode::InvalidCursor,
                "cursor",
                "does not belong to this list",
            )
        };
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| foreign())?;
        let (place, check) = bytes.split_last_chunk::<CHECK>().ok_or_else(foreign)?;
        if *check != self.check(place) {
            return Err(foreign());
        }
        String::from_utf8(place.to_vec()).map_err(|_| foreign())
    }

    fn check(&self, place: &[u8]) -> [u8; CHECK] {
        let mut check = [0; CHECK];
        check.copy_from_slice(&self.0.clone().update(place).finalize().as_bytes()[..CHECK]);
        check
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        let list = List::at("/accounts").and(Some("ACTIVE")).and(None);
        let cursor = list.cursor(7_u64.to_be_bytes());
        assert_eq!(list.place(&cursor), Ok(7_u64.to_be_bytes()));
        assert!(
            cursor
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        );
    }

    #[test]
    fn a_cursor_cut_altered_or_of_another_list_is_refused() {
        let list = List::at("/accounts").and(Some("ACTIVE")).and(None);
        let cursor = list.cursor(7_u64.to_be_bytes());
        for wrong in [
            &cursor[..cursor.len() - 1],
            &cursor[1..],
            "",
            "!",
            "AAAA",
            &format!("{cursor}A"),
        ] {
            assert!(list.place::<8>(wrong).is_err(), "{wrong}");
        }
        assert!(list.place::<16>(&cursor).is_err());
        for other in [
            List::at("/accounts").and(None).and(Some("ACTIVE")),
            List::at("/accounts").and(None).and(None),
            List::at("/admin/actors").and(Some("ACTIVE")).and(None),
        ] {
            assert!(other.place::<8>(&cursor).is_err());
        }
    }
}
