//! The value types of requests and answers. The types of requests check their bounds while they are
//! read, so that an error has the path of its field.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use florin_actors::messages::{
    self as core, AMOUNT_MAX, Country, EntityId, IdError, Overdraft, Timestamp,
};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

/// Reads a string through `make`; `what` completes the sentence "expected …".
pub fn text<'de, D, T, E>(
    deserializer: D,
    what: &'static str,
    make: fn(&str) -> Result<T, E>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: fmt::Display,
{
    struct Text<T, E>(&'static str, fn(&str) -> Result<T, E>);

    impl<T, E: fmt::Display> Visitor<'_> for Text<T, E> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<X: Error>(self, text: &str) -> Result<T, X> {
            (self.1)(text).map_err(X::custom)
        }
    }

    deserializer.deserialize_str(Text(what, make))
}

/// Makes the type of a string in a request, which is checked while it is read.
macro_rules! text_value {
    ($(#[$doc:meta])* $name:ident($inner:ty), $what:literal, $make:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name(pub $inner);

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::http::values::text(deserializer, $what, $make).map(Self)
            }
        }
    };
}

pub(crate) use text_value;

text_value! {
    /// A name of 1 to 255 characters.
    Name(Arc<str>), "a string of 1 to 255 characters",
    |text| core::name(text).map(|()| Arc::from(text))
}

text_value! {
    /// A caller's own reference, at most 255 characters.
    Reference(String), "a string of at most 255 characters",
    |text| core::reference(text).map(|()| text.to_owned())
}

text_value! {
    /// An idempotency key: 1 to 255 visible ASCII characters.
    Key(Arc<str>), "a string of 1 to 255 visible ASCII characters",
    |text| core::key(text).map(|()| Arc::from(text))
}

text_value! {
    /// A country, ISO 3166-1 alpha-2.
    CountryCode(Country), "a country of ISO 3166-1 alpha-2", str::parse
}

text_value! {
    /// The code of a currency of ISO 4217 or of an asset. The settings define which assets exist.
    CurrencyCode(Box<str>), "the code of a currency of ISO 4217, or of an asset",
    |text| core::currency_code(text).map(|()| Box::from(text))
}

text_value! {
    /// The id of an entity.
    Id(EntityId), "a UUID", str::parse::<EntityId>
}

impl Id {
    /// Returns whether a deserializer's sentence says that a text is not an id.
    pub fn is_refused_by(sentence: &str) -> bool {
        sentence == IdError.to_string()
    }
}

/// An amount of money in minor units, 1 to 2^53 − 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Amount(pub core::Amount);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Minor;

        impl Visitor<'_> for Minor {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an integer from 1 to {AMOUNT_MAX}")
            }

            fn visit_u64<X: Error>(self, minor_units: u64) -> Result<Amount, X> {
                core::Amount::new(minor_units)
                    .map(Amount)
                    .map_err(X::custom)
            }
        }

        deserializer.deserialize_u64(Minor)
    }
}

/// A number of seconds, 1 to 315,360,000 (ten years).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seconds(pub u32);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer from 1 to 315360000")
            }

            fn visit_u64<X: Error>(self, seconds: u64) -> Result<Seconds, X> {
                match u32::try_from(seconds) {
                    Ok(seconds @ 1..=315_360_000) => Ok(Seconds(seconds)),
                    _ => Err(X::custom("must be an integer from 1 to 315360000")),
                }
            }
        }

        deserializer.deserialize_u64(Number)
    }
}

/// A JSON object that is read as a struct. The deserializer that serde derives would also accept an
/// array of the fields' values.
#[derive(Debug)]
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
            }
        }

        deserializer.deserialize_map(Fields(PhantomData))
    }
}

/// Reads a field that is an object or `null`.
pub fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let field = Option::<Object<T>>::deserialize(deserializer)?;
    Ok(field.map(|Object(fields)| fields))
}

/// A list of 1 to `MAX` entries, each an object.
#[derive(Debug)]
pub struct UpTo<T, const MAX: usize>(pub Vec<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for UpTo<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T, const MAX: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Entries<T, MAX> {
            type Value = UpTo<T, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an array of 1 to {MAX} entries")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
                let wrong = || A::Error::custom(format_args!("must have 1 to {MAX} entries"));
                let mut entries = Vec::new();
                while let Some(Object(entry)) = array.next_element()? {
                    if entries.len() == MAX {
                        return Err(wrong());
                    }
                    entries.push(entry);
                }
                if entries.is_empty() {
                    return Err(wrong());
                }
                Ok(UpTo(entries))
            }
        }

        deserializer.deserialize_seq(Entries(PhantomData))
    }
}

/// Reads a field that may be `null`, and distinguishes `null` from a missing field.
pub fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// Reads a field whose `null` is a value of `T`, and distinguishes it from a missing field.
pub fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The amount by which a balance may go below zero: minor units, 0 to 2^53 − 1, or null for no
/// limit. In JSON it is an integer or null, so the schemas of fields describe it as an optional
/// integer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OverdraftLimit(pub Overdraft);

impl Serialize for OverdraftLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Overdraft::Limit(limit) => serializer.serialize_u64(limit),
            Overdraft::Unlimited => serializer.serialize_none(),
        }
    }
}

impl<'de> Deserialize<'de> for OverdraftLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Limit;

        impl Visitor<'_> for Limit {
            type Value = OverdraftLimit;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an integer from 0 to {AMOUNT_MAX}, or null")
            }

            fn visit_u64<X: Error>(self, minor_units: u64) -> Result<OverdraftLimit, X> {
                Overdraft::limit(minor_units)
                    .map(OverdraftLimit)
                    .map_err(X::custom)
            }

            fn visit_unit<X: Error>(self) -> Result<OverdraftLimit, X> {
                Ok(OverdraftLimit(Overdraft::Unlimited))
            }
        }

        deserializer.deserialize_any(Limit)
    }
}

impl From<Overdraft> for OverdraftLimit {
    fn from(overdraft: Overdraft) -> Self {
        Self(overdraft)
    }
}

impl From<OverdraftLimit> for Overdraft {
    fn from(limit: OverdraftLimit) -> Self {
        limit.0
    }
}

/// A caller's own data: at most 32 pairs of strings, 4 KiB in total, without duplicate names.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pairs(pub core::Metadata);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;

        impl<'de> Visitor<'de> for Map {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of at most 32 strings and 4096 bytes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    if pairs.insert(name, value).is_some() {
                        return Err(A::Error::custom("has a name twice"));
                    }
                }
                core::Metadata::new(pairs)
                    .map(Pairs)
                    .map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_map(Map)
    }
}

/// A point in time, written in RFC 3339, in UTC, with microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Time(pub Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A total over many entities, as a decimal string.
#[derive(Debug, Clone, Copy, PartialEq, ToSchema)]
#[schema(value_type = String, pattern = "^-?[0-9]+$")]
pub struct Decimal(pub i128);

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// The status of a command that was executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = CompletedStatus)]
pub enum Completed {
    /// The command was executed.
    Completed,
}

/// The status of a command that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = FailedStatus)]
pub enum Failed {
    /// The command was refused.
    Failed,
}
