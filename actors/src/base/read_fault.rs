//! The reason why something can't be read, and whether damage of the journal caused it.

use std::fmt;

/// The reason why something can't be read from the journal or the views.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFault {
    text: String,
    is_damage: bool,
}

impl ReadFault {
    /// Creates a fault for a journal that is not as it was written.
    pub fn damage(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            is_damage: true,
        }
    }

    /// Returns whether the journal is not as it was written.
    pub const fn is_damage(&self) -> bool {
        self.is_damage
    }
}

impl fmt::Display for ReadFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<String> for ReadFault {
    fn from(text: String) -> Self {
        Self {
            text,
            is_damage: false,
        }
    }
}

impl From<&str> for ReadFault {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<florin_storage::Error> for ReadFault {
    fn from(error: florin_storage::Error) -> Self {
        Self {
            is_damage: error.is_damage(),
            text: error.to_string(),
        }
    }
}
