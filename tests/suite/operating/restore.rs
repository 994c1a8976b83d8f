//! Restores that are refused: of an altered or incomplete backup, onto other data, or after an
//! interrupted restore.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use florin_tests::executable;
use florin_tests::server::{Server, copy_folder};
use serde_json::{Value, json};

use super::backup::{
    DATA_DAMAGED, DATA_IN_USE, FAILED, Place, back_up, back_up_running, contents, export, made,
    restore, segments,
};

#[test]
fn a_backup_that_was_interrupted_is_none() {
    let (server, place) = sample();
    let backup = place.at("backup");
    let cut = place.at("cut");
    copy_folder(&backup, &cut);
    fs::remove_file(cut.join("manifest.json")).unwrap();
    for none in [&cut, &place.at("missing"), &server.data_dir()] {
        let target = place.at("target");
        let refused = restore(none, &target);
        assert_eq!(refused.code(), Some(FAILED), "{refused:?}");
        assert!(refused.stderr.contains("manifest.json"), "{refused:?}");
        assert!(!target.exists(), "a folder was made for nothing");
    }
    // At any moment of the kill there is either a whole backup or none.
    let mut server = server;
    for round in 0..4 {
        server.start_again();
        let backup = place.at(&format!("killed-{round}"));
        let ended = thread::scope(|scope| {
            let running = scope.spawn(|| back_up_running(&server, &backup));
            for _ in 0..round {
                thread::yield_now();
            }
            server.signaller()(rustix::process::Signal::KILL);
            running.join().unwrap()
        });
        server.ended();
        let whole = backup.join("manifest.json").exists();
        assert!(whole || ended.code() != Some(0), "{ended:?}");
        let told = restore(&backup, &place.at(&format!("killed-{round}-restored")));
        assert_eq!(
            told.code(),
            Some(if whole { 0 } else { FAILED }),
            "{told:?}"
        );
    }
}

#[test]
fn anything_altered_in_a_backup_is_refused_before_anything_is_written() {
    type Alteration<'a> = (&'a PathBuf, &'a dyn Fn(&mut Vec<u8>));
    let (_server, place) = sample();
    let backup = place.at("backup");
    let segment = fs::read_dir(backup.join("segments"))
        .unwrap()
        .next()
        .unwrap();
    let segment = Path::new("segments").join(segment.unwrap().file_name());
    let manifest = Path::new("manifest.json").to_path_buf();
    let flip = |bytes: &mut Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    };
    let halve = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2);
    let behead = |bytes: &mut Vec<u8>| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        let mut manifest: Value = serde_json::from_str(&text).unwrap();
        manifest["sequence"] = json!(1);
        *bytes = manifest.to_string().into_bytes();
    };
    let elsewhere = |bytes: &mut Vec<u8>| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replace("segments/", "../segments/").into_bytes();
    };
    let alterations: [Alteration<'_>; 6] = [
        (&segment, &flip),
        (&segment, &halve),
        (&segment, &Vec::clear),
        (&manifest, &halve),
        (&manifest, &behead),
        (&manifest, &elsewhere),
    ];
    for (number, (file, alter)) in alterations.into_iter().enumerate() {
        let altered = place.at(&format!("altered-{number}"));
        copy_folder(&backup, &altered);
        let mut bytes = fs::read(altered.join(file)).unwrap();
        alter(&mut bytes);
        fs::write(altered.join(file), bytes).unwrap();
        assert_damaged(&altered, &place.at(&format!("target-{number}")));
    }
    let altered = place.at("altered");
    copy_folder(&backup, &altered);
    fs::remove_file(altered.join(&segment)).unwrap();
    assert_damaged(&altered, &place.at("target"));
}

#[test]
fn nothing_is_written_over() {
    let (mut server, place) = sample();
    let (backup, data) = (place.at("backup"), server.data_dir());
    // The target is a whole backup, an incomplete one, or another folder that isn't empty.
    let cut = place.at("cut");
    copy_folder(&backup, &cut);
    fs::remove_file(cut.join("manifest.json")).unwrap();
    for used in [&backup, &cut, &data] {
        let before = contents(used);
        let refused = back_up(&data, used, &[]);
        assert_eq!(refused.code(), Some(FAILED), "{refused:?}");
        assert!(refused.stderr.contains("not empty"), "{refused:?}");
        assert_eq!(contents(used), before);
    }
    let records = export(&data);
    let refused = restore(&backup, &data);
    assert_eq!(refused.code(), Some(FAILED), "{refused:?}");
    assert!(refused.stderr.contains("not empty"), "{refused:?}");
    assert_eq!(export(&data), records);
    server.start_again();
    let refused = back_up_running(&server, &backup);
    assert_eq!(refused.code(), Some(FAILED), "{refused:?}");
    assert!(refused.stderr.contains("not empty"), "{refused:?}");
    let refused = restore(&backup, &data);
    assert_eq!(refused.code(), Some(DATA_IN_USE), "{refused:?}");
    assert_eq!(server.sequence(), records.len() as u64);
    // The first backup is unchanged.
    assert_eq!(restore(&backup, &place.at("restored")).code(), Some(0));
}

#[test]
fn a_restore_that_was_interrupted_is_no_journal() {
    let (_server, place) = sample();
    let restored = place.at("restored");
    assert_eq!(restore(&place.at("backup"), &restored).code(), Some(0));
    // This file exists from the beginning of a restore to its end.
    fs::write(restored.join("journal/restoring"), "").unwrap();
    let data = restored.to_str().unwrap();
    for task in ["verify", "export", "serve"] {
        let refused = executable::run(&[task, "--data-dir", data], &[("PORT", "0")]);
        assert_eq!(refused.code(), Some(DATA_DAMAGED), "{task}: {refused:?}");
        assert!(refused.stderr.contains("restore"), "{refused:?}");
    }
}

/// Returns a stopped server and a backup of it.
fn sample() -> (Server, Place) {
    let mut server = Server::start();
    let (one, other) = (server.account_of(500), server.account());
    for _ in 0..20 {
        server.transfer(&one, &other, 3).created();
    }
    let place = Place::new();
    made(&back_up_running(&server, &place.at("backup")));
    assert_eq!(server.stop().code(), Some(0));
    (server, place)
}

#[track_caller]
fn assert_damaged(backup: &Path, target: &Path) {
    let refused = restore(backup, target);
    assert_eq!(refused.code(), Some(DATA_DAMAGED), "{refused:?}");
    assert_eq!(refused.stderr.lines().count(), 1, "{refused:?}");
    assert_eq!(segments(target), 0);
}
