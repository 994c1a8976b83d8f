//! Finds environment variables whose names are almost those of settings, for example
//! `FLORIN_SERVER_PORT`. They are not read, and a warning tells the user so.

use crate::environment::{ENV_ALIASES, ENV_PREFIX, env_name};
use crate::settings::TABLE;

/// The number of letters in a name that may be wrong, missing or added.
const EDITS_MAX: usize = 1;

/// Returns the variable that was probably meant by a variable that is not read, if its name is
/// almost a setting's.
pub(crate) fn meant(name: &str) -> Option<String> {
    let plain = plain(name);
    if let Some(rest) = plain.strip_prefix("FLORIN_") {
        let rows = || TABLE.iter().flat_map(|section| section.rows);
        let whole = |row_name: &str| self::plain(row_name);
        // Matches the whole name, then the key alone if only one setting has it, then the whole
        // name with one typing error.
        let named = rows().find(|row| whole(row.name) == rest).or_else(|| {
            let mut keyed = rows().filter(|row| self::plain(row.key()) == rest);
            // Only one setting has the key `port`, but several have `cache_bytes`: such a key is
            // ambiguous.
            let found = keyed.next()?;
            keyed.next().is_none().then_some(found)
        });
        let named = named.or_else(|| rows().find(|row| is_near(&whole(row.name), rest)));
        return named.map(|row| env_name(row.name));
    }
    let alias = ENV_ALIASES.iter().map(|(alias, ..)| *alias);
    // Short names are too similar to many others.
    let mut long = alias.filter(|alias| alias.contains('_'));
    let found = long.find(|alias| is_near(alias, &plain))?;
    Some(found.to_owned())
}

/// Returns a name in capitals, with one underscore between its words.
fn plain(name: &str) -> String {
    debug_assert!(ENV_PREFIX.starts_with("FLORIN_"));
    let words = name.split(|character: char| !character.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("_").to_ascii_uppercase()
}

/// Returns whether one name becomes the other when one letter is changed, added or removed.
fn is_near(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len().abs_diff(other.len()) > EDITS_MAX {
        return false;
    }
    let same = |(a, b): &(&u8, &u8)| a == b;
    let start = one.iter().zip(other).take_while(same).count();
    let end = one[start..]
        .iter()
        .rev()
        .zip(other[start..].iter().rev())
        .take_while(same)
        .count();
    one.len().max(other.len()) - start - end <= EDITS_MAX
}
