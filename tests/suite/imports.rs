//! The rule of the source code itself: imports go one way. `lib.rs` of a crate lists its folders
//! and files, the lowest first; each imports only those before it, and no files import each other.

use std::path::Path;

use florin_tests::imports::Sources;

fn sources(name: &str) -> Sources {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    Sources::read(&folder)
}

/// The files of the ledger, which import each other until the ledger is divided into components. No
/// file may be added.
const LEDGER: [&str; 13] = [
    "runtime/accepting.rs",
    "runtime/batches.rs",
    "runtime/directory.rs",
    "runtime/envelope.rs",
    "runtime/host.rs",
    "runtime/ledger.rs",
    "runtime/options.rs",
    "runtime/overlay.rs",
    "runtime/passivation.rs",
    "runtime/recovery.rs",
    "runtime/supervision.rs",
    "runtime/turn.rs",
    "runtime/waiting.rs",
];

/// Checks a crate; `circle` are the files that may import each other.
#[track_caller]
fn imports_go_one_way(name: &str, circle: &[&str]) {
    let sources = sources(name);
    assert!(sources.order().len() > 3, "{:?}", sources.order());
    let (upward, mut circles) = (sources.upward(), sources.circles());
    assert!(upward.is_empty(), "{name}:\n{}", upward.join("\n"));
    circles.retain(|files| !files.iter().all(|file| circle.contains(&file.as_str())));
    assert!(circles.is_empty(), "{name}: {circles:#?}");
}

#[test]
fn imports_of_storage_go_one_way() {
    imports_go_one_way("storage", &[]);
}

#[test]
fn imports_of_config_go_one_way() {
    imports_go_one_way("config", &[]);
}

#[test]
fn imports_of_actors_go_one_way() {
    imports_go_one_way("actors", &LEDGER);
}

#[test]
fn imports_of_gateway_go_one_way() {
    imports_go_one_way("gateway", &[]);
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

/// A folder of the core that is not divided yet. It may not grow.
const UNDIVIDED: (&str, usize) = ("runtime", 39);

#[test]
fn no_folder_has_more_than_about_twenty_files() {
    for name in ["storage", "config", "actors", "gateway"] {
        for (folder, files) in sources(name).folders() {
            let most = if folder == UNDIVIDED.0 {
                UNDIVIDED.1
            } else {
                24
            };
            assert!(files <= most, "{name}/src/{folder} has {files} files");
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
