//! Files of read models, of the bus and of the views that can't be synced for a while, or are
//! damaged afterwards: they are opened again, health reports it meanwhile, and nothing stops
//! permanently.

use std::fs;

use florin_tests::cards::card_of;
use florin_tests::faulty::{break_file, mend_file};
use florin_tests::health::{reason_about, wait_until_well};
use florin_tests::poll::eventually;
use serde_json::Value;

use crate::faults::switched::Faulty;

const CARD_CACHE: &str = "card-accounts.redb";
const BUS: &str = "bus.redb";
const VIEW: &str = "views/entities.redb";

const SETTINGS: &[(&str, &str)] = &[("views.flush_seconds_max", "1")];

/// Starts a server and breaks one of its files. Returns the server and the account that was opened
/// before.
fn broken(file: &str) -> (Faulty, String) {
    let faulty = Faulty::start(SETTINGS);
    let account = faulty.server.account_of(5);
    if file == CARD_CACHE {
        card_of(&faulty.server, &account);
    }
    break_file(faulty.switches(), file);
    (faulty, account)
}

/// Waits until health reports that this file can't be written.
#[track_caller]
fn wait_until_reported(faulty: &Faulty, file: &str) {
    eventually("health reports it", || {
        reason_about(&faulty.server, "file_not_writable", &file.into())
    });
}

/// Makes the file writable again, and waits until the server is well.
#[track_caller]
fn mend(faulty: &Faulty, file: &str) {
    mend_file(faulty.switches(), file);
    wait_until_well(&faulty.server);
}

#[test]
fn the_card_cache_goes_on_after_a_failed_sync_of_its_file() {
    let (mut faulty, before) = broken(CARD_CACHE);
    let meanwhile = faulty.server.account();
    wait_until_reported(&faulty, CARD_CACHE);
    assert_eq!(faulty.server.get("/health/ready").status, 200);
    mend(&faulty, CARD_CACHE);
    card_of(&faulty.server, &meanwhile);
    let after = faulty.server.account();
    card_of(&faulty.server, &after);
    // The restart shows that the file has everything, not just the memory.
    faulty.server.restart();
    for account in [&before, &meanwhile, &after] {
        card_of(&faulty.server, account);
    }
}

#[test]
fn a_card_cache_whose_file_comes_back_damaged_is_written_anew() {
    let (mut faulty, before) = broken(CARD_CACHE);
    let meanwhile = faulty.server.account();
    wait_until_reported(&faulty, CARD_CACHE);
    let path = faulty.server.data_dir().join(CARD_CACHE);
    fs::write(path, vec![0x5a; 1 << 20]).unwrap();
    mend(&faulty, CARD_CACHE);
    card_of(&faulty.server, &meanwhile);
    faulty.server.logs("a read model is rebuilt");
    faulty.server.restart();
    card_of(&faulty.server, &before);
    card_of(&faulty.server, &meanwhile);
    assert!(!faulty.server.log().contains("a read model is rebuilt"));
}

#[test]
fn the_bus_goes_on_after_a_failed_sync_of_its_file() {
    let (mut faulty, _) = broken(BUS);
    let account = faulty.server.account();
    wait_until_reported(&faulty, BUS);
    // Messages are still handled. Only the position isn't stored.
    card_of(&faulty.server, &account);
    mend(&faulty, BUS);
    assert_eq!(
        faulty.server.stop().code(),
        Some(0),
        "{}",
        faulty.server.log()
    );
}

#[test]
fn the_views_go_on_after_a_failed_sync_of_their_file() {
    let (mut faulty, account) = broken(VIEW);
    faulty.server.deposit(&account, 1).ok();
    eventually("health reports it", || {
        reason_about(&faulty.server, "views_stopped", &Value::Null)
    });
    faulty.server.deposit(&account, 1).ok();
    mend(&faulty, VIEW);
    let other = faulty.server.account();
    let accounts = faulty.server.list("/accounts");
    assert_eq!(accounts.len(), 2, "{accounts:?}");
    assert!(accounts.contains(&faulty.server.read(&account)));
    assert!(accounts.contains(&faulty.server.read(&other)));
    faulty.server.verified();
}
