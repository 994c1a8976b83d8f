//! Reading of events of older versions: a chain of steps, each of which converts a value to the
//! next version. Readers only have to know the present version.

use serde_json::Value as Json;

use crate::events::EventType;

/// Converts a value to the next version. An error says what the value lacks.
type Step = fn(Json) -> Result<Json, String>;

/// The reason why an event can't be read. The failure is permanent, so the event becomes a dead
/// letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The type is unknown in every version.
    #[error("there is no event type `{0}`")]
    Type(String),
    /// The type is known, but not this version of it: the version is newer, or never existed.
    #[error(
        "version {version} of the event type `{name}` is unknown, {present} is the newest here"
    )]
    Version {
        /// The type's name without version.
        name: String,
        /// The version in the event.
        version: String,
        /// The newest known version.
        present: u32,
    },
    /// A value of an older version lacks a field that this version always had.
    #[error("a value of `{name}` version {version} can't be read: {detail}")]
    Value {
        /// The type's name without version.
        name: String,
        /// The version whose step failed.
        version: u32,
        /// A description of the fault.
        detail: String,
    },
}

/// Returns the steps of a type, beginning with version 1. There is one step fewer than versions.
const fn steps(event_type: EventType) -> &'static [Step] {
    // No type has a second version yet.
    let _ = event_type;
    &[]
}

/// Reads an event by its `ce_type`. Returns its type, and its value converted to the type's present
/// version.
///
/// # Errors
/// Returns an error if the type or version is unknown, or if the value doesn't fit its version.
pub fn read(ce_type: &str, value: Json) -> Result<(EventType, Json), Unreadable> {
    let (event_type, version) = event_type(ce_type)?;
    let value = climb(event_type.short(), version, steps(event_type), value)?;
    Ok((event_type, value))
}

/// Returns the type and version in a `ce_type`.
pub(super) fn event_type(ce_type: &str) -> Result<(EventType, u32), Unreadable> {
    let unknown = || Unreadable::Type(ce_type.to_owned());
    let named = ce_type.strip_prefix("florin.").ok_or_else(unknown)?;
    let (short, version) = named.rsplit_once(".v").ok_or_else(unknown)?;
    let mut known = EventType::ALL.iter().copied();
    let event_type = known
        .find(|known| known.short() == short)
        .ok_or_else(unknown)?;
    let version = number(short, version, event_type.version())?;
    Ok((event_type, version))
}

/// Parses a version number from 1 to the present version. Signs and leading zeros are not allowed.
fn number(name: &str, version: &str, present: u32) -> Result<u32, Unreadable> {
    let digits = version.bytes().all(|byte| byte.is_ascii_digit()) && !version.starts_with('0');
    let read = version.parse().ok().filter(|_| digits);
    read.filter(|version| (1..=present).contains(version))
        .ok_or_else(|| Unreadable::Version {
            name: name.to_owned(),
            version: version.to_owned(),
            present,
        })
}

/// Converts a value from its version to the present one.
fn climb(name: &str, version: u32, steps: &[Step], value: Json) -> Result<Json, Unreadable> {
    let from = version.saturating_sub(1) as usize;
    let mut above = steps.iter().enumerate().skip(from);
    above.try_fold(value, |value, (place, step)| {
        step(value).map_err(|detail| Unreadable::Value {
            name: name.to_owned(),
            version: place as u32 + 1,
            detail,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The steps of a type with three versions: the first has one name, the second has first and
    /// last name, and the third renames them and adds the number of letters.
    const STEPS: &[Step] = &[
        |value| {
            let name = value["name"].as_str().ok_or("name is missing")?;
            let (first, last) = name.split_once(' ').ok_or("name has one word")?;
            Ok(json!({"id": value["id"], "first": first, "last": last}))
        },
        |mut value| {
            let fields = value.as_object_mut().ok_or("is no object")?;
            let first = fields.remove("first").ok_or("first is missing")?;
            let last = fields.remove("last").ok_or("last is missing")?;
            let letters = first.as_str().map_or(0, |text| text.chars().count());
            fields.insert("given_name".to_owned(), first);
            fields.insert("family_name".to_owned(), last);
            fields.insert("letters".to_owned(), json!(letters));
            Ok(value)
        },
    ];

    fn climbed(version: &str, bytes: &[u8]) -> Result<Json, Unreadable> {
        let version = number("person", version, 3)?;
        climb(
            "person",
            version,
            STEPS,
            serde_json::from_slice(bytes).unwrap(),
        )
    }

    #[test]
    fn each_version_s_golden_bytes_are_read_as_the_present_one() {
        let present = json!({
            "id": 7, "given_name": "Ada", "family_name": "Lovelace", "letters": 3,
        });
        let golden: [(&str, &[u8]); 3] = [
            ("1", br#"{"id":7,"name":"Ada Lovelace"}"#),
            ("2", br#"{"id":7,"first":"Ada","last":"Lovelace"}"#),
            (
                "3",
                br#"{"id":7,"given_name":"Ada","family_name":"Lovelace","letters":3}"#,
            ),
        ];
        for (version, bytes) in golden {
            assert_eq!(
                climbed(version, bytes),
                Ok(present.clone()),
                "version {version}"
            );
        }
    }

    #[test]
    fn a_value_that_is_none_of_its_version_names_the_step() {
        let failed = |version, bytes| match climbed(version, bytes).unwrap_err() {
            Unreadable::Value {
                version, detail, ..
            } => (version, detail),
            other => panic!("{other}"),
        };
        assert_eq!(
            failed("1", br#"{"id":7}"#),
            (1, "name is missing".to_owned())
        );
        assert_eq!(
            failed("2", br#"{"first":"A"}"#),
            (2, "last is missing".to_owned())
        );
        assert_eq!(failed("2", b"[]"), (2, "is no object".to_owned()));
    }

    #[test]
    fn unknown_types_and_versions_are_told_apart() {
        let of = |name: &str| read(name, json!({})).unwrap_err();
        for name in [
            "",
            "florin",
            "florin.account.created",
            "account.created",
            "account.created.v1",
            "florin.account.opened.v1",
            "other.account.created.v1",
            "florin..v1",
        ] {
            assert_eq!(of(name), Unreadable::Type(name.to_owned()));
        }
        for version in ["0", "2", "01", "+1", "-1", "1.0", "", "4294967297"] {
            let unknown = Unreadable::Version {
                name: "account.created".to_owned(),
                version: version.to_owned(),
                present: 1,
            };
            assert_eq!(of(&format!("florin.account.created.v{version}")), unknown);
        }
    }

    #[test]
    fn every_type_has_a_step_for_each_version_but_the_last() {
        for event_type in EventType::ALL {
            let versions = event_type.version() as usize;
            assert_eq!(steps(*event_type).len(), versions - 1, "{event_type}");
        }
    }

    /// Checks that the golden events of each version of each type are readable. A line contains the
    /// `ce_type`, the event's id and key, which are not used here, and the value.
    #[test]
    fn golden_events_are_read() {
        let golden = include_str!("golden_events_1.txt");
        let mut seen = std::collections::BTreeSet::new();
        for line in golden.lines() {
            let mut parts = line.splitn(4, ' ');
            let (name, bytes) = (parts.next().unwrap(), parts.nth(2).unwrap());
            let written: Json = serde_json::from_slice(bytes.as_bytes()).unwrap();
            let (event_type, value) = read(name, written.clone()).unwrap();
            assert_eq!(event_type.cloud(), name);
            assert_eq!(value, written, "the present version is read as it is");
            let schema = crate::events::schema(event_type);
            assert_eq!(crate::events::check(&schema, &value), Ok(()), "{line}");
            seen.insert(event_type);
        }
        let all: Vec<_> = EventType::ALL.to_vec();
        assert_eq!(
            seen.into_iter().collect::<Vec<_>>(),
            all,
            "types without an example"
        );
    }
}
