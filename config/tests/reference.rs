//! Tests that `docs/reference/settings.md` matches the table of settings.

use std::fs;
use std::path::Path;

use florin_config::{reference, reference_markdown};

#[test]
fn the_reference_page_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/settings.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, reference_markdown()).unwrap();
    }
    let page = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        page == reference_markdown(),
        "docs/reference/settings.md is old; UPDATE_DOCS=1 cargo test -p florin-config writes it"
    );
}

#[test]
fn every_setting_says_what_it_does_and_what_it_allows() {
    for doc in reference() {
        assert!(
            doc.description.ends_with('.'),
            "{}: {}",
            doc.name,
            doc.description
        );
        assert!(
            !doc.default.is_empty() && !doc.bounds.is_empty(),
            "{}",
            doc.name
        );
    }
}
