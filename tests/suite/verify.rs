//! `florin verify`: whole is whole, and every kind of damage is named.

use std::fs;
use std::path::{Path, PathBuf};

use florin_actors::messages::{
    AccountEvent, Amount, Event, ExternalEvent, MoneyEvent, Outcome, Record,
};
use florin_actors::{decode_record, encode_record};
use florin_tests::bank::text;
use florin_tests::executable::{self, Finished};
use florin_tests::http::Request;
use florin_tests::journal::Copy;
use florin_tests::server::{Server, copy_folder};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The exit code of data that is not what it was.
const DATA_DAMAGED: i32 = 5;

#[test]
fn a_whole_journal_is_proved_and_its_head_told() {
    let mut server = Server::start();
    let id = server.account_of(100);
    let early = head(&server);
    server.transfer(&id, &server.account(), 40).ok();
    let late = head(&server);
    let records = server.sequence();
    for end in ["stop", "kill"] {
        if end == "stop" {
            assert_eq!(server.stop().code(), Some(0));
        } else {
            server.start_again();
            server.kill();
        }
        let whole = verify(&server.data_dir(), &[]);
        assert_eq!(whole.code(), Some(0), "{whole:?}");
        for part in [late.as_str(), &records.to_string(), "USD"] {
            assert!(whole.stdout.contains(part), "{part} is not told: {whole:?}");
        }
        for noted in [&early, &late] {
            let whole = verify(&server.data_dir(), &["--head", noted]);
            assert_eq!(whole.code(), Some(0), "{whole:?}");
        }
    }
    server.start_again();
    assert_eq!(server.balance(&id), 60);
}

#[test]
fn a_head_that_is_not_in_the_chain_is_refused() {
    let folder = sample();
    let refused = verify(folder.path(), &["--head", &"0".repeat(64)]);
    assert_fault(&refused, &["head"]);
    for wrong in ["abc", "", &"g".repeat(64), &"0".repeat(66)] {
        let refused = verify(folder.path(), &["--head", wrong]);
        assert_eq!(refused.code(), Some(2), "{wrong:?}: {refused:?}");
    }
}

#[test]
fn a_folder_without_a_journal_is_no_ledger_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let refused = verify(&missing, &[]);
    assert!(refused.code().is_some_and(|code| code != 0), "{refused:?}");
    assert!(!missing.exists(), "verify made a folder");
    let refused = verify(folder.path(), &[]);
    assert!(refused.code().is_some_and(|code| code != 0), "{refused:?}");
}

#[test]
fn any_altered_byte_of_a_record_is_named() {
    let folder = sample();
    let mut copy = Copy::read(folder.path());
    let (name, file) = segment(folder.path());
    let bytes = fs::read(&file).unwrap();
    let seed = SmallRng::from_os_rng().random();
    println!("seed {seed}");
    let mut random = SmallRng::seed_from_u64(seed);
    let records: Vec<(u64, Vec<u8>)> = copy
        .entries()
        .map(|entry| (entry.sequence, entry.record.clone()))
        .collect();
    for (sequence, record) in records {
        let places: Vec<usize> = find(&bytes, &record).collect();
        assert!(!places.is_empty(), "record {sequence} is not in {name}");
        let within = random.random_range(0..record.len());
        let flip = random.random_range(1..=255);
        let mut altered = bytes.clone();
        for place in places {
            altered[place + within] ^= flip;
        }
        fs::write(&file, &altered).unwrap();
        let refused = verify(folder.path(), &[]);
        assert_fault(&refused, &[&name]);
    }
    fs::write(&file, &bytes).unwrap();
    let whole = verify(folder.path(), &[]);
    assert_eq!(whole.code(), Some(0), "{whole:?}");
}

#[test]
fn a_server_does_not_start_on_an_altered_last_frame() {
    let folder = sample();
    let mut copy = Copy::read(folder.path());
    let last = copy.entries().last().unwrap().record.clone();
    let (name, file) = segment(folder.path());
    let mut bytes = fs::read(&file).unwrap();
    for place in find(&bytes.clone(), &last) {
        bytes[place + last.len() / 2] ^= 1;
    }
    fs::write(&file, &bytes).unwrap();
    assert_fault(&serve(folder.path()), &[&name]);
}

#[test]
fn a_journal_cut_short_is_refused_by_the_server_and_by_verify() {
    let folder = sample();
    let whole = Copy::read(folder.path());
    let mut cut = whole.clone();
    cut.frames.pop();
    replace_journal(folder.path(), &cut);
    assert_fault(&verify(folder.path(), &[]), &[]);
    assert_fault(&serve(folder.path()), &[]);
    // Without the views nothing but a head that was noted elsewhere can tell.
    fs::remove_dir_all(folder.path().join("views")).unwrap();
    let proved = verify(folder.path(), &["--head", &cut.head()]);
    assert_eq!(proved.code(), Some(0), "{proved:?}");
    assert_fault(
        &verify(folder.path(), &["--head", &whole.head()]),
        &["head"],
    );
}

#[test]
fn a_journal_written_anew_as_it_was_is_the_same_journal() {
    let folder = sample();
    let copy = Copy::read(folder.path());
    replace_journal(folder.path(), &copy);
    let whole = verify(folder.path(), &["--head", &copy.head()]);
    assert_eq!(whole.code(), Some(0), "{whole:?}");
}

#[test]
fn an_altered_record_under_a_recomputed_chain_is_named() {
    type Alteration = (&'static str, fn(&mut Record) -> bool);
    let alterations: &[Alteration] = &[
        ("a balance", |record| {
            record.postings.iter_mut().any(|posting| {
                posting.balance += 1;
                true
            })
        }),
        ("both amounts of a transaction", |record| {
            for posting in &mut record.postings {
                posting.amount *= 2;
            }
            !record.postings.is_empty()
        }),
        ("what happened to one entity", |record| {
            let events = record
                .changes
                .iter_mut()
                .flat_map(|change| &mut change.events);
            let mut credits = events.filter_map(|event| match event {
                Event::Account(AccountEvent::Money(MoneyEvent::Credited(amount))) => Some(amount),
                _ => None,
            });
            credits.next().is_some_and(|amount| {
                *amount = more(*amount);
                true
            })
        }),
        ("a version", |record| {
            record.changes.iter_mut().any(|change| {
                change.version += 1;
                true
            })
        }),
        ("the link to the record before", |record| {
            let mut linked = record
                .changes
                .iter_mut()
                .filter(|change| change.previous > 1);
            linked.next().is_some_and(|change| {
                change.previous -= 1;
                true
            })
        }),
        ("a posting left away", |record| {
            record.postings.pop().is_some()
        }),
        ("a change left away", |record| {
            !record.postings.is_empty() && record.changes.pop().is_some()
        }),
        ("a sequence", |record| {
            record.sequence += 1;
            true
        }),
        ("more money created whole", |record| {
            let moved = record.postings.len() == 2 && matches!(record.outcome, Outcome::Done(_));
            for posting in &mut record.postings {
                posting.amount += posting.amount.signum();
                posting.balance += i128::from(posting.amount.signum());
            }
            for event in record
                .changes
                .iter_mut()
                .flat_map(|change| &mut change.events)
            {
                match event {
                    Event::Account(AccountEvent::Money(
                        MoneyEvent::Credited(amount) | MoneyEvent::Debited(amount),
                    ))
                    | Event::External(
                        ExternalEvent::Credited(amount) | ExternalEvent::Debited(amount),
                    ) => {
                        *amount = more(*amount);
                    }
                    _ => {}
                }
            }
            moved
        }),
    ];
    let folder = sample();
    fs::remove_dir_all(folder.path().join("views")).unwrap();
    let whole = Copy::read(folder.path());
    for (what, alter) in alterations {
        let mut altered = whole.clone();
        // The first record that it applies to; there are others after it.
        let sequence = altered.entries().find_map(|entry| {
            let mut record = decode_record(&entry.record).unwrap();
            if !alter(&mut record) {
                return None;
            }
            entry.record.clear();
            encode_record(&record, &mut entry.record).unwrap();
            Some(entry.sequence)
        });
        assert!(sequence.is_some(), "{what} is in no record");
        replace_journal(folder.path(), &altered);
        let refused = verify(folder.path(), &[]);
        assert_fault(&refused, &["record"]);
        assert!(
            !refused.output().contains("panicked"),
            "{what}: {refused:?}"
        );
    }
}

#[test]
fn a_debit_past_the_floor_is_named_even_when_all_sums_are_right() {
    let folder = sample();
    fs::remove_dir_all(folder.path().join("views")).unwrap();
    let mut altered = Copy::read(folder.path());
    let debits = altered.entries().filter(|entry| {
        let record = decode_record(&entry.record).unwrap();
        record.command.kind().name() == "withdrawal" && matches!(record.outcome, Outcome::Done(_))
    });
    let last = debits.last().expect("a withdrawal");
    let mut record = decode_record(&last.record).unwrap();
    for posting in &mut record.postings {
        let more = posting.amount.signum() * 1_000;
        posting.amount += more;
        posting.balance += i128::from(more);
    }
    for event in record
        .changes
        .iter_mut()
        .flat_map(|change| &mut change.events)
    {
        if let Event::Account(AccountEvent::Money(MoneyEvent::Debited(amount)))
        | Event::External(ExternalEvent::Credited(amount)) = event
        {
            *amount = Amount::new(amount.get() + 1_000).unwrap();
        }
    }
    last.record.clear();
    encode_record(&record, &mut last.record).unwrap();
    replace_journal(folder.path(), &altered);
    assert_fault(&verify(folder.path(), &[]), &["record", "floor"]);
}

#[test]
fn a_name_that_is_not_the_sealed_one_is_named() {
    let folder = sample();
    let mut altered = Copy::read(folder.path());
    let row = altered
        .entries()
        .find_map(|entry| entry.personal.as_mut())
        .expect("a name");
    let name = row
        .windows(3)
        .position(|window| window == b"Ada")
        .expect("Ada");
    row[name] = b'I';
    replace_journal(folder.path(), &altered);
    assert_fault(&verify(folder.path(), &[]), &["record"]);
}

#[test]
fn views_come_back_when_they_are_deleted() {
    let mut server = Server::start();
    let id = server.account_of(100);
    let other = server.account();
    server.freeze(&other);
    let moved = server.transfer(&id, &other, 40).ok();
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

/// All that a server on a copy of this data tells of it, or what it wrote when it does not start.
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

/// The files of a data folder that hold data.
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

/// The data of a server that has stopped, with every kind of record.
fn sample() -> TempDir {
    let mut server = Server::start();
    let (id, other) = (server.account(), server.account());
    for n in 0..4 {
        let body = json!({"amount": 100, "reference": format!("sample {n}")});
        server.post(&format!("/accounts/{id}/deposit"), &body).ok();
        server.transfer(&id, &other, 10).ok();
    }
    let poor = Request::post(
        &format!("/accounts/{id}/withdraw"),
        &json!({"amount": 10_000}),
    );
    server
        .send(&poor.key("sample"))
        .problem(422, "insufficient_funds");
    server
        .patch(&format!("/accounts/{id}"), &json!({"overdraft_limit": 7}))
        .ok();
    server.freeze(&other);
    server.withdraw(&id, 5).ok();
    assert_eq!(server.stop().code(), Some(0));
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&server.data_dir(), folder.path());
    folder
}

fn more(amount: Amount) -> Amount {
    Amount::new(amount.get() + 1).unwrap()
}

fn head(server: &Server) -> String {
    text(&server.get("/health").ok()["journal"], "head")
}

/// The only segment: its name inside the folder, and its file.
fn segment(data_dir: &Path) -> (String, PathBuf) {
    let entries = fs::read_dir(data_dir.join("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut segments = entries.filter(|path| path.extension().is_some_and(|end| end == "redb"));
    let file = segments.next().expect("a segment");
    assert_eq!(segments.next(), None);
    (file.file_name().unwrap().to_str().unwrap().to_owned(), file)
}

fn replace_journal(data_dir: &Path, copy: &Copy) {
    fs::remove_dir_all(data_dir.join("journal")).unwrap();
    copy.write(data_dir);
}

fn find<'a>(bytes: &'a [u8], part: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    bytes
        .windows(part.len())
        .enumerate()
        .filter(move |(_, window)| *window == part)
        .map(|(at, _)| at)
}

fn verify(data_dir: &Path, more: &[&str]) -> Finished {
    let all = [
        &["verify", "--data-dir", data_dir.to_str().unwrap()][..],
        more,
    ]
    .concat();
    executable::run(&all, &[])
}

fn serve(data_dir: &Path) -> Finished {
    executable::run(
        &[
            "serve",
            "--port",
            "0",
            "--data-dir",
            data_dir.to_str().unwrap(),
        ],
        &[],
    )
}

#[track_caller]
fn assert_fault(finished: &Finished, named: &[&str]) {
    assert!(finished.code() == Some(DATA_DAMAGED), "{finished:?}");
    assert!(!finished.output().contains("panicked"), "{finished:?}");
    for name in named {
        assert!(
            finished.output().contains(name),
            "{name} is not named: {finished:?}"
        );
    }
}
