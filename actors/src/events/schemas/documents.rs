//! Tests of the schema files in `docs/reference`, and of their compatibility with the released
//! schemas.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::compatible::breaches;
use super::*;
use crate::events::upcast;

const REGENERATE: &str = "UPDATE_DOCS=1 cargo test -p florin-actors --lib schemas";

fn reference() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference")
}

/// Returns the schemas in a folder: `ce_type` and content.
fn files(folder: &Path) -> Vec<(String, String)> {
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let files = files.filter(|path| path.is_file()).map(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert_eq!(path.extension().unwrap(), "json", "{name}");
        (name, fs::read_to_string(&path).unwrap())
    });
    let mut files: Vec<_> = files.collect();
    files.sort_unstable();
    files
}

fn text(document: &Json) -> String {
    let mut text = serde_json::to_string_pretty(document).unwrap();
    text.push('\n');
    text
}

#[test]
fn the_files_of_the_schemas_are_up_to_date() {
    let folder = reference().join("schemas");
    let mut made: Vec<(String, String)> = schemas()
        .iter()
        .map(|(name, document)| (name.clone(), text(document)))
        .collect();
    made.sort_unstable();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(&folder).unwrap();
        for (name, _) in files(&folder) {
            fs::remove_file(folder.join(format!("{name}.json"))).unwrap();
        }
        for (name, text) in &made {
            fs::write(folder.join(format!("{name}.json")), text).unwrap();
        }
    }
    assert!(
        files(&folder) == made,
        "docs/reference/schemas is old: {REGENERATE}"
    );
}

#[test]
fn the_reference_of_events_is_up_to_date() {
    let mut page = String::from(
        "<!-- Generated from actors/src/events/event_type.rs by `UPDATE_DOCS=1 cargo test -p florin-actors --lib schemas`. -->\n\n\
         # Events\n\n\
         This page lists the event types: their names, the topics that they are published to unless\n\
         `kafka.bindings` sets others, and their schemas. A server shows the same schemas under\n\
         `/schemas/`. The page [events](../concepts/events.md) explains how events are made, ordered and\n\
         read.\n\n\
         | `ce_type` | `event-type` | what happened | topics | schema |\n|---|---|---|---|---|\n",
    );
    for event_type in EventType::ALL {
        let (name, document) = (event_type.cloud(), event_type.document());
        let topics = event_type.default_topics().iter();
        let topics: Vec<String> = topics.map(|topic| format!("`{topic}`")).collect();
        let (topics, what) = (topics.join(", "), event_type.about());
        writeln!(
            page,
            "| `{name}` | `{document}` | {what} | {topics} | [schema](schemas/{name}.json) |"
        )
        .unwrap();
    }
    let path = reference().join("events.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == page,
        "docs/reference/events.md is old: {REGENERATE}"
    );
}

/// Returns the incompatible changes between the released and the present schemas.
fn broken_promises(released: &[(String, String)]) -> Vec<String> {
    let present = schemas();
    let mut broken = Vec::new();
    for (name, text) in released {
        let before: Json = serde_json::from_str(text).unwrap();
        match present.iter().find(|(known, _)| known == name) {
            None => broken.push(format!("{name} was released, and is gone")),
            Some((_, now)) => {
                let breaches = breaches(&before, now).into_iter();
                broken.extend(breaches.map(|breach| format!("{name}: {breach}")));
            }
        }
        if let Err(error) = upcast::event_type(name) {
            broken.push(format!("{name} can be read no more: {error}"));
        }
    }
    broken
}

/// Checks that the present schemas are compatible with the released ones. An incompatible change
/// needs a new version of the type (`event_type.rs`), the released copy in `OLDER`, and a step in
/// `upcast.rs`. Files are copied to `released` by hand at a release and never changed there.
#[test]
fn released_schemas_keep_their_promise() {
    let released = files(&reference().join("schemas/released"));
    assert!(released.len() >= 17, "released schemas are missing");
    assert_eq!(broken_promises(&released), Vec::<String>::new());
}

#[test]
fn a_broken_promise_is_found_in_the_real_schemas() {
    let name = EventType::FundsAdded.cloud();
    let mut released = schema(EventType::FundsAdded);
    released["properties"]["walletName"] = json!({"type": "string"});
    let files = [
        (name.to_owned(), text(&released)),
        ("florin.wallet.renamed.v1".to_owned(), "{}".to_owned()),
    ];
    let broken = broken_promises(&files);
    assert_eq!(broken[0], format!("{name}: $.walletName: is gone"));
    assert_eq!(
        broken[1],
        "florin.wallet.renamed.v1 was released, and is gone"
    );
    assert!(broken[2].contains("can be read no more"), "{broken:?}");
}

#[test]
fn what_a_type_always_has_is_required_and_not_null() {
    let failed = schema(EventType::TransactionFailed);
    let required: Vec<_> = failed["required"].as_array().unwrap().clone();
    assert!(required.contains(&json!("code")) && required.contains(&json!("error")));
    assert_eq!(failed["properties"]["code"]["type"], "string");
    assert_eq!(failed["properties"]["status"]["const"], "FAILED");
    let made = schema(EventType::TransferCompleted);
    assert_eq!(made["properties"]["from"]["type"], "object");
    assert_eq!(made["properties"]["from"].get("anyOf"), None);
    assert_eq!(
        failed["properties"]["reference"]["type"],
        json!(["string", "null"])
    );
    // The field is omitted rather than null.
    assert_eq!(made["properties"]["idempotency_key"]["type"], "string");
    // Readers ignore unknown fields, so the schemas don't forbid additional ones.
    assert_eq!(made.get("additionalProperties"), None);
    assert_eq!(made["properties"]["from"].get("additionalProperties"), None);
}

#[test]
fn a_refinement_names_a_field_that_is_there() {
    for event_type in EventType::ALL {
        let narrowed = narrowed(*event_type);
        let fields = narrowed.schema["properties"].as_object().unwrap().clone();
        let constants = narrowed.constants.iter().map(|(field, _)| field);
        for field in constants.chain(narrowed.always) {
            assert!(fields.contains_key(*field), "{event_type}: {field}");
        }
    }
}
