//! The rule of the source code itself: imports go one way. `lib.rs` of a crate lists its folders
//! and files, the lowest first; each imports only those before it, and no files import each other.

use std::path::Path;

use florin_tests::imports::Sources;

fn sources(name: &str) -> Sources {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    Sources::read(&folder)
}

#[track_caller]
fn imports_go_one_way(name: &str) {
    let sources = sources(name);
    assert!(sources.order().len() > 3, "{:?}", sources.order());
    let (upward, circles) = (sources.upward(), sources.circles());
    assert!(upward.is_empty(), "{name}:\n{}", upward.join("\n"));
    assert!(circles.is_empty(), "{name}: {circles:#?}");
}

#[test]
fn imports_of_storage_go_one_way() {
    imports_go_one_way("storage");
}

#[test]
fn imports_of_config_go_one_way() {
    imports_go_one_way("config");
}

#[test]
fn imports_of_actors_go_one_way() {
    imports_go_one_way("actors");
}

#[test]
fn imports_of_gateway_go_one_way() {
    imports_go_one_way("gateway");
}

#[test]
fn entities_import_words_only() {
    let sources = sources("actors");
    let files = sources.files_below("entities");
    assert!(files.len() > 8, "{files:?}");
    for file in files {
        for used in sources.uses(&file) {
            let is_own = used.starts_with("entities/") || used.starts_with("words/");
            assert!(is_own, "{file} imports {used}");
        }
    }
}

#[test]
fn no_folder_has_more_than_about_twenty_files() {
    for name in ["storage", "config", "actors", "gateway"] {
        for (folder, files) in sources(name).folders() {
            assert!(files <= 24, "{name}/src/{folder} has {files} files");
        }
    }
}

/// The walk through the code in the documentation of `runtime/mod.rs` names files that exist.
#[test]
fn the_way_of_a_withdrawal_names_files_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join("actors/src/runtime/mod.rs")).unwrap();
    let steps = text.lines().filter_map(|line| line.strip_prefix("//! "));
    let named = steps.filter_map(|step| step.split('`').nth(1));
    let named: Vec<&str> = named.filter(|name| name.ends_with(".rs")).collect();
    assert!(named.len() > 10, "{named:?}");
    for name in named {
        assert!(root.join(name).is_file(), "{name}");
    }
}
