//! `florin verify`: it accepts a whole journal, and names every kind of damage.

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
use serde_json::json;
use tempfile::TempDir;

/// The exit code of damaged data.
const DATA_DAMAGED: i32 = 5;

#[test]
fn a_whole_journal_is_proved_and_its_head_told() {
    let mut server = Server::start();
    let id = server.account_of(100);
    let early = head(&server);
    server.transfer(&id, &server.account(), 40).created();
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
    // Without the views, only a head that was noted elsewhere can reveal the missing frame.
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
        // The alteration is applied to the first record that it fits. Other records follow it.
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
    assert_fault(&verify(folder.path(), &[]), &["record", "overdraft limit"]);
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

/// Returns the data of a stopped server, with every kind of record.
pub fn sample() -> TempDir {
    let mut server = Server::start();
    let (id, other) = (server.account(), server.account());
    for n in 0..4 {
        let body = json!({"amount": 100, "reference": format!("sample {n}")});
        server.post(&format!("/accounts/{id}/deposit"), &body).ok();
        server.transfer(&id, &other, 10).created();
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

/// Returns the only segment: its name inside the folder, and its path.
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

pub fn verify(data_dir: &Path, more: &[&str]) -> Finished {
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
