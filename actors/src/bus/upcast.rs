//! Reading events of older versions: a chain of steps, each from one version to the next, up to the
//! present one. A reader knows the present version alone.

use serde_json::Value as Json;

use super::event_type::EventType;

/// Makes a value of the next version out of one; an error says what it lacks.
type Step = fn(Json) -> Result<Json, String>;

/// Why an event can't be read. It never will be: a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It has no type that is known here, whichever version.
    #[error("there is no event type `{0}`")]
    Type(String),
    /// The type is known, this version of it is not: it is newer, or there never was one.
    #[error(
        "version {version} of the event type `{name}` is unknown, {present} is the newest here"
    )]
    Version {
        /// The type's name without version.
        name: String,
        /// The version as it came.
        version: String,
        /// The newest one that is known.
        present: u32,
    },
    /// A value of an older version lacks what that version always had.
    #[error("a value of `{name}` version {version} can't be read: {detail}")]
    Value {
        /// The type's name without version.
        name: String,
        /// The version whose step failed.
        version: u32,
        /// What is wrong.
        detail: String,
    },
}

/// The steps of a type from version 1 on: one fewer than it has versions.
const fn steps(event_type: EventType) -> &'static [Step] {
    // No type has a second version yet.
    let _ = event_type;
    &[]
}

/// Reads an event by its `ce_type`: its type, and its value as the type's present version has it.
///
/// # Errors
/// Its type or version is unknown, or its value is none of that version.
pub fn read(ce_type: &str, value: Json) -> Result<(EventType, Json), Unreadable> {
    let (event_type, version) = event_type(ce_type)?;
    let value = climb(event_type.short(), version, steps(event_type), value)?;
    Ok((event_type, value))
}

/// The type and version that a `ce_type` names.
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

/// A version's number, 1 up to the present one, written without sign and leading zeros.
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

/// Takes a value from its version through all steps above it.
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

    /// A type of three versions: the first has one name, the second two, the third calls them
    /// otherwise and counts its letters.
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

    /// What was written in each version of each type, and what is read of it: name, bytes and, for
    /// an older version, the present value.
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
            let schema = super::super::schema(event_type);
            assert_eq!(
                super::super::schemas::check(&schema, &value),
                Ok(()),
                "{line}"
            );
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
