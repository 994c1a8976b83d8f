//! Cursors: where a list goes on. Opaque to callers, and bound to the list and filters that gave
//! them out, so that a cut, altered or misplaced one is noticed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::codes::ProblemCode;
use crate::problem::Problem;

/// Bytes of the check at a cursor's end.
const CHECK: usize = 8;

/// What a cursor is bound to: the list's path and its filters.
#[derive(Debug, Clone)]
pub struct Scope(blake3::Hasher);

impl Scope {
    /// The list at `path`.
    pub fn list(path: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"florin cursor 1");
        Self(hasher).and(Some(path))
    }

    /// Filtered so; `None` where that filter is not given.
    #[must_use]
    pub fn and(mut self, filter: Option<&str>) -> Self {
        let length = filter.map_or(u64::MAX, |text| text.len() as u64);
        self.0.update(&length.to_be_bytes());
        self.0.update(filter.unwrap_or_default().as_bytes());
        self
    }

    /// The cursor that goes on at `place`.
    pub fn cursor<const N: usize>(&self, place: [u8; N]) -> String {
        let mut bytes = place.to_vec();
        bytes.extend(self.check(&place));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The place that a cursor of this list names.
    pub fn place<const N: usize>(&self, cursor: &str) -> Result<[u8; N], Problem> {
        let foreign = || {
            Problem::of_field(
                ProblemCode::InvalidCursor,
                "cursor",
                "is none of this list's",
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

    /// The cursor that goes on behind what `place` names.
    pub fn text_cursor(&self, place: &str) -> String {
        let mut bytes = place.as_bytes().to_vec();
        bytes.extend(self.check(place.as_bytes()));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a cursor of this list names.
    pub fn text(&self, cursor: &str) -> Result<String, Problem> {
        let foreign = || {
            Problem::of_field(
                ProblemCode::InvalidCursor,
                "cursor",
                "is none of this list's",
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
        let scope = Scope::list("/accounts").and(Some("ACTIVE")).and(None);
        let cursor = scope.cursor(7_u64.to_be_bytes());
        assert_eq!(scope.place(&cursor), Ok(7_u64.to_be_bytes()));
        assert!(
            cursor
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        );
    }

    #[test]
    fn a_cursor_cut_altered_or_of_another_list_is_refused() {
        let scope = Scope::list("/accounts").and(Some("ACTIVE")).and(None);
        let cursor = scope.cursor(7_u64.to_be_bytes());
        for wrong in [
            &cursor[..cursor.len() - 1],
            &cursor[1..],
            "",
            "!",
            "AAAA",
            &format!("{cursor}A"),
        ] {
            assert!(scope.place::<8>(wrong).is_err(), "{wrong}");
        }
        assert!(scope.place::<16>(&cursor).is_err());
        for other in [
            Scope::list("/accounts").and(None).and(Some("ACTIVE")),
            Scope::list("/accounts").and(None).and(None),
            Scope::list("/admin/actors").and(Some("ACTIVE")).and(None),
        ] {
            assert!(other.place::<8>(&cursor).is_err());
        }
    }
}
