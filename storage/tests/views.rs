//! A view's file seen from outside: rows and position change together, and a damaged file is
//! reported so that it can be rebuilt.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may stop at the first surprise.

use florin_storage::{
    CrashMode, Disk, OpenHow, Position, SimulatedDisk, ViewError, ViewOptions, ViewStore,
};
use std::ops::Bound;

const NAME: &str = "views/entities.redb";

fn open(disk: &SimulatedDisk, schema_version: u32) -> Result<ViewStore, ViewError> {
    ViewStore::open(disk, NAME, schema_version, ViewOptions::default())
}

fn position(sequence: u64) -> Position {
    Position {
        sequence,
        link: [sequence as u8; 32],
    }
}

#[test]
fn rows_and_position_come_back() {
    let disk = SimulatedDisk::new();
    let store = open(&disk, 1).unwrap();
    assert_eq!(store.position().unwrap(), None);
    assert_eq!(store.read().unwrap().get("accounts", b"a").unwrap(), None);
    let before = store.read().unwrap();
    store
        .write(|write| {
            for key in [b"a", b"b", b"c", b"d"] {
                write.put("accounts", key, &[key[0]; 5])?;
            }
            write.put("meta", b"position", b"a caller's own")?;
            write.remove("accounts", b"b")?;
            assert_eq!(write.get("accounts", b"b")?, None);
            assert_eq!(write.get("accounts", b"c")?, Some(vec![b'c'; 5]));
            write.set_position(position(7))
        })
        .unwrap();
    assert_eq!(before.get("accounts", b"a").unwrap(), None);
    drop((store, before));
    let store = open(&disk, 1).unwrap();
    assert_eq!(store.position().unwrap(), Some(position(7)));
    let read = store.read().unwrap();
    assert_eq!(read.get("accounts", b"a").unwrap(), Some(vec![b'a'; 5]));
    let keys = |range: florin_storage::ViewRange| -> Vec<u8> {
        range.map(|row| row.unwrap().0[0]).collect()
    };
    assert_eq!(keys(read.range("accounts", ..).unwrap()), b"acd");
    assert_eq!(
        keys(read.range("accounts", &b"b"[..]..&b"d"[..]).unwrap()),
        b"c"
    );
    let after = (Bound::Excluded(&b"c"[..]), Bound::Unbounded);
    assert_eq!(keys(read.range("accounts", after).unwrap()), b"d");
    let last = read.range("accounts", ..).unwrap().next_back().unwrap();
    assert_eq!(last.unwrap().0, b"d");
    assert_eq!(keys(read.range("no such table", ..).unwrap()), b"");
}

#[test]
fn a_change_that_fails_leaves_nothing() {
    let disk = SimulatedDisk::new();
    let store = open(&disk, 1).unwrap();
    let error = store.write(|write| {
        write.put("accounts", b"a", b"1")?;
        Err::<(), _>(ViewError::Unusable {
            file: "x".into(),
            reason: "y".into(),
        })
    });
    assert!(error.is_err());
    assert_eq!(store.read().unwrap().get("accounts", b"a").unwrap(), None);
    store
        .write(|write| write.put("accounts", b"a", b"2"))
        .unwrap();
}

#[test]
fn another_schema_or_a_foreign_file_has_to_be_rebuilt() {
    let disk = SimulatedDisk::new();
    drop(open(&disk, 1).unwrap());
    let error = open(&disk, 2).unwrap_err();
    assert!(matches!(error, ViewError::Unusable { .. }), "{error}");
    disk.remove(NAME).unwrap();
    drop(open(&disk, 2).unwrap());

    let file = disk.open(NAME, OpenHow::Existing).unwrap();
    file.set_len(0).unwrap();
    file.write_at(0, &[7; 9_000]).unwrap();
    file.sync().unwrap();
    let error = open(&disk, 2).unwrap_err();
    assert!(matches!(error, ViewError::Unusable { .. }), "{error}");
    file.set_len(100).unwrap();
    let error = open(&disk, 2).unwrap_err();
    assert!(matches!(error, ViewError::Unusable { .. }), "{error}");
}

#[test]
fn rows_and_position_agree_after_a_crash_at_any_io() {
    let workload = |disk: &SimulatedDisk| -> Result<(), ViewError> {
        let store = open(disk, 1)?;
        for sequence in 1..8u64 {
            store.write(|write| {
                for row in 0..30u64 {
                    write.put("rows", &row.to_be_bytes(), &sequence.to_be_bytes())?;
                }
                write.set_position(position(sequence))
            })?;
        }
        Ok(())
    };
    let whole = SimulatedDisk::new();
    workload(&whole).unwrap();
    for point in 0..whole.io_count() {
        for mode in [CrashMode::LoseAll, CrashMode::Torn] {
            let disk = SimulatedDisk::new();
            disk.fail_at(point);
            let _ = workload(&disk);
            disk.crash(point, mode);
            let store = match open(&disk, 1) {
                Ok(store) => store,
                // A file whose creation was interrupted is rebuilt like any other.
                Err(ViewError::Unusable { .. }) if point < 20 => continue,
                Err(error) => panic!("crash at I/O {point}: {error}"),
            };
            let reached = store
                .position()
                .unwrap()
                .map_or(0, |position| position.sequence);
            let read = store.read().unwrap();
            for row in 0..30u64 {
                let value = read.get("rows", &row.to_be_bytes()).unwrap();
                let wanted = (reached > 0).then(|| reached.to_be_bytes().to_vec());
                assert_eq!(value, wanted, "crash at I/O {point}");
            }
        }
    }
}

#[test]
fn a_view_that_is_being_made_when_the_power_goes_is_whole_or_not_there() {
    for io in 0.. {
        let mut is_made = false;
        for seed in 0..6 {
            let disk = SimulatedDisk::new();
            disk.fail_at(io);
            is_made = open(&disk, 1).is_ok();
            disk.crash(seed, CrashMode::Torn);
            let exists = disk.exists(NAME).unwrap();
            assert!(exists || !is_made, "io {io}, seed {seed}");
            // A leftover temporary file does not prevent opening the view.
            for _ in 0..2 {
                let opened = open(&disk, 1);
                assert!(opened.is_ok(), "io {io}, seed {seed}: {opened:?}");
            }
        }
        if is_made {
            assert!(io > 5);
            break;
        }
    }
}

/// Returns the bytes of a view's file with 300 rows.
fn sample() -> Vec<u8> {
    let disk = SimulatedDisk::new();
    let store = open(&disk, 1).unwrap();
    store
        .write(|write| {
            for row in 0..300u64 {
                write.put("rows", &row.to_be_bytes(), &[3; 40])?;
            }
            write.set_position(position(1))
        })
        .unwrap();
    drop(store);
    disk.contents(NAME).unwrap()
}

fn disk_with(bytes: &[u8]) -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let file = disk.open(NAME, OpenHow::Create).unwrap();
    file.write_at(0, bytes).unwrap();
    file.sync().unwrap();
    disk
}

#[test]
fn a_byte_rotten_before_opening_is_found_or_matters_not() {
    let whole = sample();
    let mut found = 0;
    // Each byte of the file's own header is altered, because wrong sizes and offsets there could
    // lead anywhere; of the rest, samples are altered.
    for at in (8..44).chain((0..whole.len()).step_by(509)) {
        let disk = disk_with(&whole);
        assert!(disk.rot(NAME, at, 0x11));
        let store = match open(&disk, 1) {
            Ok(store) => store,
            // The error is the file's fault, not the disk's: the file is created again.
            Err(error) => {
                assert!(
                    matches!(error, ViewError::Unusable { .. }),
                    "byte {at}: {error}"
                );
                found += 1;
                continue;
            }
        };
        // A view that opens is complete, as of the last transaction or the one before.
        let reached = store.position().unwrap();
        let rows = store.read().unwrap().range("rows", ..).unwrap();
        let rows: Vec<_> = rows.map(Result::unwrap).collect();
        assert_eq!(rows.len(), reached.map_or(0, |_| 300), "byte {at}");
        assert!(rows.iter().all(|(_, value)| *value == [3; 40]));
        store.write(|write| write.put("rows", b"x", b"y")).unwrap();
    }
    assert!(found > 0);
}

#[test]
fn a_row_rotten_while_it_is_open_is_never_served() {
    let whole = sample();
    let options = ViewOptions {
        cache_bytes: 0,
        forget_cached: false,
    };
    let (mut refused, mut served) = (0, 0);
    for at in (0..whole.len()).step_by(1_009) {
        let disk = disk_with(&whole);
        let store = ViewStore::open(&disk, NAME, 1, options).unwrap();
        assert!(disk.rot(NAME, at, 0x11));
        for row in (0..300u64).step_by(7) {
            let read = store
                .read()
                .and_then(|read| read.get("rows", &row.to_be_bytes()));
            match read {
                Ok(Some(value)) => {
                    assert_eq!(value, [3; 40], "byte {at}");
                    served += 1;
                }
                Err(ViewError::Unusable { .. }) => refused += 1,
                other => panic!("byte {at}: {other:?}"),
            }
        }
        if let Ok(range) = store.read().and_then(|read| read.range("rows", ..)) {
            let values = range.map_while(Result::ok);
            assert!(
                values.map(|row| row.1).all(|value| value == [3; 40]),
                "byte {at}"
            );
        }
    }
    assert!(refused > 0 && served > 0);
}
