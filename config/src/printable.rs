//! Makes text from outside safe to print.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns a text in the form in which it may be shown to people: in a log line, an error message
/// or a problem's detail. The result is one line, and it shows every character.
///
/// Characters that move the cursor, end the line, are invisible, or change the direction of the
/// following text are escaped as in Rust (`\n`, `\u{202e}`). Otherwise a name or a path that a
/// caller chose could forge a second log line, or hide a part of the first one.
///
/// ```
/// use florin_config::printable;
/// assert_eq!(printable("Zoë"), "Zoë");
/// assert_eq!(printable("a\nb\u{202e}c"), "a\\nb\\u{202e}c");
/// ```
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_hidden(character) {
            // Writing to a String can't fail.
            let _ = write!(shown, "{}", character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Returns a JSON text in which the characters that [`printable`] escapes are escaped as in JSON.
/// The JSON value is unchanged, because these characters occur only in strings. The exception is
/// line ends between values, which are kept.
///
/// ```
/// use florin_config::printable_json;
/// assert_eq!(printable_json("[\"a\u{202e}b\"]\n"), "[\"a\\u202eb\"]\n");
/// ```
#[must_use]
pub fn printable_json(text: &str) -> Cow<'_, str> {
    let is_escaped = |character: char| character != '\n' && is_hidden(character);
    if !text.chars().any(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_escaped(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Returns whether a character is a control character, or a Unicode format character that hides or
/// reorders others.
#[must_use]
pub const fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_hidden_characters_stays_as_it_is() {
        for text in ["", "plain", "Zoë 北京 \u{1f600}", "a \"quoted\" \\ text"] {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn controls_and_characters_that_change_the_direction_are_spelled_out() {
        for (text, shown) in [
            ("a\nb", "a\\nb"),
            ("a\r\tb", "a\\r\\tb"),
            ("\u{1b}[2Jx", "\\u{1b}[2Jx"),
            ("\u{85}\u{9b}", "\\u{85}\\u{9b}"),
            ("abc\u{202e}txt.exe", "abc\\u{202e}txt.exe"),
            ("\u{2066}a\u{2069}", "\\u{2066}a\\u{2069}"),
            ("\u{200f}\u{61c}", "\\u{200f}\\u{61c}"),
            ("a\u{2028}b", "a\\u{2028}b"),
            ("pay\u{200b}pal", "pay\\u{200b}pal"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }
}
