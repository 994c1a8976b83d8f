//! The real disk: one owner a directory, private to it, and a journal that survives on it.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may stop at the first surprise.

mod common;

use florin_storage::{Disk, Error, FileDisk, Journal, OpenHow, ViewOptions, ViewStore};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

/// A directory of the test's own, empty.
fn directory(test: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = std::fs::remove_dir_all(&path);
    path
}

#[test]
fn a_directory_has_one_owner_and_the_second_is_told_who() {
    let path = directory("one-owner");
    let disk = FileDisk::open(&path).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let error = FileDisk::open(&path).unwrap_err();
    let pid = std::process::id();
    assert!(matches!(error, Error::Locked { pid: Some(held), .. } if held == pid));
    let shown = error.to_string();
    assert!(
        shown.ends_with(&format!("in use by another process, pid {pid}")),
        "{shown}"
    );
    drop(disk);
    FileDisk::open(&path).unwrap();
}

#[test]
fn files_do_what_the_seam_says() {
    let disk = FileDisk::open(directory("seam")).unwrap();
    let missing = disk.open("journal/a", OpenHow::Existing).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let file = disk.open("journal/a", OpenHow::Create).unwrap();
    file.write_at(5, b"later").unwrap();
    assert_eq!(file.len().unwrap(), 10);
    let mut bytes = [1; 10];
    file.read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"\0\0\0\0\0later");
    let past = file.read_at(6, &mut bytes).unwrap_err();
    assert_eq!(past.kind(), ErrorKind::UnexpectedEof);
    file.set_len(7).unwrap();
    file.sync().unwrap();
    assert!(file.allocated_bytes().unwrap() >= 7);
    disk.rename("journal/a", "journal/b").unwrap();
    assert_eq!(disk.list("journal").unwrap(), ["b"]);
    disk.forget_cached("journal/b").unwrap();
    let read = disk.open("journal/b", OpenHow::Read).unwrap();
    assert!(read.write_at(0, b"x").is_err());
    disk.remove("journal/b").unwrap();
    assert!(!disk.exists("journal/b").unwrap());
    assert!(disk.list("nowhere").unwrap().is_empty());
    assert!(disk.free_bytes().unwrap() > 0);
    for name in [
        "",
        "../a",
        "/etc/passwd",
        "journal//a",
        "journal/./a",
        "a\\b",
    ] {
        let error = disk.open(name, OpenHow::Create).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}");
    }
}

#[test]
fn a_journal_and_a_view_survive_a_restart() {
    let path = directory("restart");
    for run in 0..4u64 {
        let disk = Arc::new(FileDisk::open(&path).unwrap());
        let mut opened = Journal::open(disk.clone(), common::options(), 1).unwrap();
        assert_eq!(opened.head.sequence, run * 300);
        assert_eq!(opened.clean_start, run > 0 && run % 2 == 0);
        for _ in 0..3 {
            common::append(&mut opened, 100).unwrap();
        }
        common::assert_holds(&opened.reader, (run + 1) * 300);
        common::verify(&opened.reader).unwrap();
        let name = "views/entities.redb";
        let view = ViewStore::open(disk.as_ref(), name, 1, ViewOptions::default()).unwrap();
        view.write(|write| write.put("runs", &run.to_be_bytes(), b"x"))
            .unwrap();
        assert_eq!(
            view.read().unwrap().range("runs", ..).unwrap().count() as u64,
            run + 1
        );
        if run % 2 == 1 {
            opened.committer.finish().unwrap();
        }
    }
}
