//! Ids: UUIDv7 values whose last byte is the shard, so that any node can route by an id alone.

use std::fmt;
use std::str::FromStr;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Timestamp;

/// The number of shards of a ledger, fixed in the journal's header. An id's shard is its last byte.
pub const SHARDS: usize = 256;

/// The error for a text that is not a UUID in its hyphenated form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not a UUID")]
pub struct IdError;

/// A visitor that reads the sixteen bytes of an id.
struct IdBytes;

impl Visitor<'_> for IdBytes {
    type Value = [u8; 16];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("16 bytes")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<[u8; 16], E> {
        bytes
            .try_into()
            .map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// Creates the id with exactly these bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(u128::from_be_bytes(bytes))
            }

            /// Returns the id's bytes, most significant first.
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0.to_be_bytes()
            }

            /// Returns the id as a number, which is its key in indexes.
            pub const fn as_u128(self) -> u128 {
                self.0
            }

            /// Builds a UUIDv7 from `millis` since 1970, 66 bits of `random` and the shard.
            pub const fn from_parts(millis: u64, random: u128, shard: u8) -> Self {
                let time = (millis as u128 & 0xffff_ffff_ffff) << 80;
                let rand_a = (random & 0xfff) << 64;
                let rand_b = ((random >> 12) & 0x003f_ffff_ffff_ffff) << 8;
                Self(time | (7 << 76) | rand_a | (0b10 << 62) | rand_b | shard as u128)
            }

            /// Builds a UUIDv7 of `time` whose `rand_a` is the fraction of the millisecond (RFC
            /// 9562, section 6.2, method 3), with 54 bits of `random` and the shard. Ids of later
            /// microseconds are greater.
            pub const fn at(time: Timestamp, random: u128, shard: u8) -> Self {
                let fraction = (time.as_micros().rem_euclid(1_000) as u128) * 4_096 / 1_000;
                Self::from_parts(time.as_millis(), random << 12 | fraction, shard)
            }

            /// Returns the shard that this id belongs to: its last byte.
            pub const fn shard(self) -> u8 {
                (self.0 & 0xff) as u8
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
                f.write_str(uuid::Uuid::from_u128(self.0).hyphenated().encode_lower(&mut buffer))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            /// Parses the hyphenated form of 36 characters, with letters of either case.
            fn from_str(text: &str) -> Result<Self, IdError> {
                if text.len() != uuid::fmt::Hyphenated::LENGTH {
                    return Err(IdError);
                }
                uuid::Uuid::try_parse(text).map(|id| Self(id.as_u128())).map_err(|_| IdError)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    // One byte string is cheaper than sixteen elements, at the cost of one more
                    // byte.
                    serializer.serialize_bytes(&self.to_bytes())
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                } else {
                    deserializer.deserialize_bytes(IdBytes).map(Self::from_bytes)
                }
            }
        }
    };
}

id! {
    /// The id of an account or another entity.
    EntityId
}

id! {
    /// The id of a command's operation, and of the transaction and the transfer that the command
    /// made.
    OperationId
}

/// The mask of an id's 54 random bits above the shard, for an id shifted right by the shard's 8
/// bits.
const RANDOM: u128 = (1 << 54) - 1;

impl OperationId {
    /// Returns the operation id of a batch's item. Its random bits are the batch's plus the item's
    /// index plus 1, so that ids are in the order of items and need not be stored.
    pub const fn item(self, index: u32, shard: u8) -> Self {
        let random = (self.0 >> 8).wrapping_add(index as u128 + 1) & RANDOM;
        Self(self.0 & !(RANDOM << 8 | 0xff) | random << 8 | shard as u128)
    }

    /// Returns the index of the item with this operation id in a batch of `items` items. `None` if
    /// the id belongs to another batch or to no item.
    pub const fn index_in(self, batch: Self, items: usize) -> Option<u32> {
        if (self.0 ^ batch.0) & !(RANDOM << 8 | 0xff) != 0 {
            return None;
        }
        let count = (self.0 >> 8).wrapping_sub(batch.0 >> 8) & RANDOM;
        if count == 0 || count > items as u128 {
            return None;
        }
        Some(count as u32 - 1)
    }

    /// Returns the index key of the execution of a command that was accepted first. Its UUID
    /// version is 0, so it is never the id of an operation.
    pub const fn execution(self) -> Self {
        Self(self.0 & !(0xf << 76))
    }

    /// Returns the index key of an operation that a message named with this id. It is never an id
    /// that Florin generated, so no id in a message can hide another operation.
    pub fn external(self) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"florin external");
        hasher.update(&self.to_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        let found_by = Self(u128::from_be_bytes(bytes));
        // UUID version 15 is used neither by ids (version 7) nor by the keys of executions (version
        // 0).
        Self(found_by.0 & !(0xf << 76) | 0xf << 76)
    }

    /// Returns whether Florin could have generated this id: it has UUID version 7.
    pub const fn may_be_own(self) -> bool {
        (self.0 >> 76) & 0xf == 7
    }

    /// Returns the id of the transfer that the operation makes. The operation and the transfer
    /// share one id.
    pub const fn transfer(self) -> EntityId {
        EntityId(self.0)
    }
}

impl EntityId {
    /// Returns the id of the operation that made a transfer. The operation and the transfer share
    /// one id.
    pub const fn operation(self) -> OperationId {
        OperationId(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_version_7_uuid_that_ends_in_its_shard() {
        let id = EntityId::from_parts(0x0190_1234_5678, u128::MAX, 0xa5);
        let uuid = uuid::Uuid::parse_str(&id.to_string()).unwrap();
        assert_eq!(uuid.get_version_num(), 7);
        assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
        assert_eq!(id.shard(), 0xa5);
        assert!(id.to_string().starts_with("01901234-5678-7"));
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn an_item_s_id_leads_back_to_its_place() {
        for random in [0, 7, u128::MAX, u128::MAX - (5 << 12)] {
            let batch = OperationId::from_parts(1_700_000_000_000, random, 9);
            for index in [0, 1, 9_999] {
                let item = batch.item(index, 0xa5);
                let uuid = uuid::Uuid::parse_str(&item.to_string()).unwrap();
                assert_eq!((uuid.get_version_num(), item.shard()), (7, 0xa5));
                assert_eq!(item.index_in(batch, 10_000), Some(index));
                assert_eq!(item.index_in(batch, index as usize), None);
            }
            assert_eq!(batch.index_in(batch, 10_000), None);
            let other = OperationId::from_parts(1_700_000_000_001, random, 9);
            assert_eq!(other.item(0, 9).index_in(batch, 10_000), None);
        }
    }

    #[test]
    fn only_the_hyphenated_form_is_an_id() {
        for text in [
            "",
            "1",
            "0190123456787fffbfffffffffffffa5",
            "{0190}",
            "0190123456-787fff-bfff-ffff-ffffffffa5",
        ] {
            assert_eq!(text.parse::<EntityId>(), Err(IdError), "{text}");
        }
    }
}
