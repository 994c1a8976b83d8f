//! Files of a data folder that are deleted or altered while the server is stopped: their content
//! comes back from the journal, or the damage is named.

use std::fs;
use std::path::{Path, PathBuf};

use florin_tests::bank::text;
use florin_tests::http::Request;
use florin_tests::server::{Server, copy_folder};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::verify::{sample, verify};

#[test]
fn views_come_back_when_they_are_deleted() {
    let mut server = Server::start();
    let id = server.account_of(100);
    let other = server.account();
    server.freeze(&other);
    let moved = server.transfer(&id, &other, 40).created();
    let keyed =
        Request::post(&format!("/accounts/{id}/deposit"), &json!({"amount": 1})).key("views");
    let first = server.send(&keyed).ok();
    let seen = |server: &Server| {
        let operation = text(&moved, "operation_id");
        [
            server.read(&id),
            json!(server.list("/accounts?status=FROZEN")),
            json!(server.list(&format!("/accounts/{id}/transactions"))),
            server.get(&format!("/operations/{operation}")).ok(),
            server.get("/ledger/trial-balance").ok(),
        ]
    };
    let before = seen(&server);
    for end in [true, false] {
        if end {
            assert_eq!(server.stop().code(), Some(0));
        } else {
            server.kill();
        }
        fs::remove_dir_all(server.data_dir().join("views")).unwrap();
        server.start_again();
        assert_eq!(seen(&server), before);
        let again = server.send(&keyed);
        assert!(again.replayed());
        assert_eq!(again.ok(), first);
    }
}

#[test]
fn a_damaged_file_is_mended_from_the_journal_or_named_and_never_served() {
    let folder = sample();
    let truth = ledger(folder.path()).expect("it serves");
    let files = files(folder.path());
    assert!(
        files.iter().any(|file| file.starts_with("journal")),
        "{files:?}"
    );
    assert!(
        files.iter().any(|file| file.starts_with("views")),
        "{files:?}"
    );
    type Damage = (&'static str, fn(&mut Vec<u8>));
    let damages: &[Damage] = &[
        ("emptied", Vec::clear),
        ("cut to a half", |bytes| bytes.truncate(bytes.len() / 2)),
        ("cut by a byte", |bytes| {
            bytes.truncate(bytes.len().saturating_sub(1))
        }),
        ("its start overwritten", |bytes| {
            bytes.iter_mut().take(512).for_each(|byte| *byte = 0xa5)
        }),
        ("its middle overwritten", |bytes| {
            let middle = bytes.len() / 2;
            bytes
                .iter_mut()
                .skip(middle)
                .take(4_096)
                .for_each(|byte| *byte = 0x5a);
        }),
        ("all of it random", |bytes| {
            let mut random = SmallRng::seed_from_u64(7);
            random.fill(bytes.as_mut_slice());
        }),
    ];
    for file in &files {
        for (what, damage) in damages {
            let copy = tempfile::tempdir().unwrap();
            copy_folder(folder.path(), copy.path());
            let path = copy.path().join(file);
            let mut bytes = fs::read(&path).unwrap();
            damage(&mut bytes);
            fs::write(&path, bytes).unwrap();
            match ledger(copy.path()) {
                Ok(seen) => assert_eq!(seen, truth, "{file:?}, {what}"),
                Err(log) => {
                    assert!(log.contains("florin: "), "{file:?}, {what}: {log}");
                    assert!(!log.contains("panicked"), "{file:?}, {what}: {log}");
                }
            }
            let verified = verify(copy.path(), &[]);
            assert!(verified.code().is_some(), "{file:?}, {what}: {verified:?}");
            assert!(
                !verified.output().contains("panicked"),
                "{file:?}, {what}: {verified:?}"
            );
        }
    }
}

/// Returns what a server shows of a copy of this data, or its log if it doesn't start.
fn ledger(data_dir: &Path) -> Result<Vec<Value>, String> {
    let server = Server::on(data_dir)?;
    let accounts = server.list("/accounts");
    let histories = accounts.iter().map(|account| {
        json!(server.list(&format!("/accounts/{}/transactions", text(account, "id"))))
    });
    let totals = server.get("/ledger/trial-balance").ok();
    let mut all: Vec<Value> = histories.collect();
    all.extend(accounts);
    all.push(totals);
    Ok(all)
}

/// Returns the files of a data folder that hold data.
fn files(data_dir: &Path) -> Vec<PathBuf> {
    let of = |folder: &str| {
        let entries = fs::read_dir(data_dir.join(folder)).unwrap();
        entries.map(move |entry| entry.unwrap().path())
    };
    let mut files: Vec<PathBuf> = of("journal")
        .chain(of("views"))
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
        .iter()
        .map(|path| path.strip_prefix(data_dir).unwrap().to_owned())
        .collect()
}
