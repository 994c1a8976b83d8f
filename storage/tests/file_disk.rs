//! The real disk: each directory has one owner, is private to it, and keeps a journal across
//! restarts.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may stop at the first surprise.

mod common;

use florin_storage::{Disk, Error, FileDisk, Journal, OpenHow, ShadowDisk, ViewOptions, ViewStore};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

/// Returns an empty directory for one test.
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

#[test]
fn a_directory_stays_locked_when_its_lock_file_is_removed() {
    let path = directory("lock-file-removed");
    let disk = FileDisk::open(&path).unwrap();
    std::fs::remove_file(path.join("LOCK")).unwrap();
    for _ in 0..2 {
        for opened in [FileDisk::open(&path), FileDisk::to_inspect(&path)] {
            assert!(matches!(opened, Err(Error::Locked { .. })), "{opened:?}");
        }
        std::fs::write(path.join("LOCK"), "1\n").unwrap();
    }
    disk.check_held().unwrap();
    drop(disk);
    FileDisk::open(&path).unwrap();
}

#[test]
fn a_directory_that_was_moved_or_replaced_is_not_changed_any_more() {
    let (path, moved) = (directory("moved"), directory("moved-to"));
    let disk = FileDisk::open(&path).unwrap();
    drop(disk.open("journal/a", OpenHow::Create).unwrap());
    std::fs::rename(&path, &moved).unwrap();
    for is_replaced in [false, true] {
        if is_replaced {
            drop(FileDisk::open(&path).unwrap());
            std::fs::write(path.join("journal/a"), b"another's").unwrap();
        }
        assert!(disk.check_held().is_err());
        assert!(disk.open("journal/b", OpenHow::Create).is_err());
        assert!(disk.rename("journal/a", "journal/b").is_err());
        assert!(disk.remove("journal/a").is_err());
    }
    assert_eq!(std::fs::read(path.join("journal/a")).unwrap(), b"another's");
    std::fs::remove_dir_all(&path).unwrap();
    std::fs::rename(&moved, &path).unwrap();
    disk.check_held().unwrap();
    disk.remove("journal/a").unwrap();
}

#[test]
fn a_directory_that_is_inspected_is_left_as_it_is() {
    let path = directory("inspected");
    std::fs::create_dir_all(path.join("journal")).unwrap();
    let disk = FileDisk::to_inspect(&path).unwrap();
    assert!(matches!(FileDisk::open(&path), Err(Error::Locked { .. })));
    let shadow = ShadowDisk::over(Arc::new(disk));
    let file = shadow.open("journal/a", OpenHow::Create).unwrap();
    file.write_at(0, b"a").unwrap();
    file.sync().unwrap();
    drop((file, shadow));
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(path.join("journal")).unwrap().count(), 0);
}
