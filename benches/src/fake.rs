//! A fake node for tests: the few routes that a run uses, a counter as the journal, and the rule
//! that a key may be used only once.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

#[derive(Default)]
struct Journal {
    records: u64,
    keys: HashSet<String>,
    requests: u64,
    refuse_every: Option<u64>,
    stall: Option<(u64, Duration)>,
}

pub struct Fake {
    address: SocketAddr,
    journal: Arc<Mutex<Journal>>,
}

impl Fake {
    pub fn start() -> Self {
        Self::with(Journal::default())
    }

    /// Creates a node that answers each `every`th request with 503.
    pub fn refusing_every(every: u64) -> Self {
        Self::with(Journal {
            refuse_every: Some(every),
            ..Journal::default()
        })
    }

    /// Creates a node that stalls on all connections for `time` before it answers its `at`th
    /// request.
    pub fn stalling(at: u64, time: Duration) -> Self {
        Self::with(Journal {
            stall: Some((at, time)),
            ..Journal::default()
        })
    }

    fn with(journal: Journal) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let journal = Arc::new(Mutex::new(journal));
        let shared = journal.clone();
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let journal = shared.clone();
                thread::spawn(move || serve(socket, &journal));
            }
        });
        Self { address, journal }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn records(&self) -> u64 {
        self.journal.lock().unwrap().records
    }
}

/// Serves one connection until it closes.
fn serve(socket: TcpStream, journal: &Mutex<Journal>) -> Option<()> {
    let mut reader = BufReader::new(socket.try_clone().ok()?);
    let mut socket = socket;
    loop {
        let (mut first, mut key, mut length) = (String::new(), String::new(), 0);
        reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            match line.trim_end().split_once(": ") {
                Some(("Idempotency-Key", value)) => key = value.to_owned(),
                Some(("Content-Length", value)) => length = value.parse().ok()?,
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let (status, reply) = answer(&first, key, &mut journal.lock().unwrap());
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n",
            reply.len()
        );
        socket.write_all((head + &reply).as_bytes()).ok()?;
    }
}

fn answer(first: &str, key: String, journal: &mut Journal) -> (u16, String) {
    journal.requests += 1;
    if let Some((_, time)) = journal.stall.filter(|(at, _)| *at == journal.requests) {
        // The journal is locked meanwhile, so all connections stall.
        thread::sleep(time);
    }
    if journal
        .refuse_every
        .is_some_and(|every| journal.requests.is_multiple_of(every))
    {
        return (503, "overloaded".to_owned());
    }
    if first.starts_with("GET /ledger/trial-balance") {
        return (200, format!(r#"{{"as_of_sequence":{}}}"#, journal.records));
    }
    if first.starts_with("GET ") {
        return (200, r#"{"balance":0}"#.to_owned());
    }
    if !journal.keys.insert(key) {
        return (422, "a key came twice".to_owned());
    }
    journal.records += 1;
    if first.starts_with("POST /accounts ") || first.starts_with("POST /wallets ") {
        let id = format!("{:036}", journal.records);
        return (201, format!(r#"{{"id":"{id}","balance":0}}"#));
    }
    (200, "{}".to_owned())
}
