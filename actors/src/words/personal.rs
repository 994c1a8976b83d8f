//! Personal values. They are plain in requests; everything that is stored in the hash chain keeps
//! only salted hashes of them. The values themselves are stored beside the chain, so that they can
//! be erased.

use std::sync::Arc;

use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};

/// A personal value: plain in a request, a salted hash in everything that is stored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub enum Personal {
    /// The salted hash. The value is in the record's [`PersonalRow`].
    Sealed([u8; 16]),
    /// The value itself, which is never serialized.
    #[serde(skip)]
    Plain(Arc<str>),
}

impl Personal {
    /// Moves a plain value to `row` and leaves its salted hash in its place.
    pub fn seal(&mut self, row: &mut PersonalRow) {
        if let Self::Plain(value) = self {
            let hash = row.hash(row.values.len(), value);
            row.values.push(Arc::clone(value));
            *self = Self::Sealed(hash);
        }
    }
}

impl Serialize for Personal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Sealed(hash) => {
                serializer.serialize_newtype_variant("Personal", 0, "Sealed", hash)
            }
            Self::Plain(_) => Err(S::Error::custom("a personal value must be sealed first")),
        }
    }
}

/// The personal values of an entity, in the order in which its command sealed them.
pub type PersonalValues = Arc<[Arc<str>]>;

/// The personal values of one record, stored beside the hash chain so that they can be erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonalRow {
    salt: [u8; 16],
    values: Vec<Arc<str>>,
}

impl PersonalRow {
    /// Creates a row without values.
    pub const fn new(salt: [u8; 16]) -> Self {
        Self {
            salt,
            values: Vec::new(),
        }
    }

    /// Returns the salt of every hash of this row.
    pub const fn salt(&self) -> [u8; 16] {
        self.salt
    }

    /// Returns the value at an index, counted in the order of sealing.
    pub fn value(&self, place: usize) -> Option<&Arc<str>> {
        self.values.get(place)
    }

    /// Returns all values, in the order of sealing; `None` if there are none.
    pub fn values(&self) -> Option<PersonalValues> {
        (!self.values.is_empty()).then(|| self.values.iter().cloned().collect())
    }

    /// Returns whether the value at an index is the one that was sealed to `hash`.
    pub fn proves(&self, place: usize, hash: [u8; 16]) -> bool {
        self.values
            .get(place)
            .is_some_and(|value| self.hash(place, value) == hash)
    }

    fn hash(&self, place: usize, value: &str) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.salt);
        hasher.update(&(place as u64).to_be_bytes());
        hasher.update(value.as_bytes());
        let mut hash = [0; 16];
        hash.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        hash
    }
}
