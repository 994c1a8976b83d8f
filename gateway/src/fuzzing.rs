//! What the fuzz targets reach (`tests/fuzz`); it is there in their builds only. Each function reads
//! bytes as the server does, and holds what was read against the bounds that callers rely on.

use std::fmt::Debug;
use std::io::{self, Cursor, Read, Write};

use florin_actors::messages::{
    self, AccountStatus, EntityId, OperationId, Record, RequestId, Timestamp,
};
use serde::de::DeserializeOwned;
use tokio_tungstenite::tungstenite::WebSocket;
use tokio_tungstenite::tungstenite::protocol::Role;
use warp::http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::dto::{
    AliasTransferRequest, BackupRequest, BatchRequest, KeyOnlyRequest, MoneyRequest,
    OpenAccountRequest, OpenWalletRequest, PostRequest, RecordLine, TransactionRequest,
    TransferRequest, UpdateAccountRequest, UpdateWalletRequest,
};
use crate::endpoints::{ENDPOINTS, Found, find};
use crate::problem::Problem;
use crate::query::Query;
use crate::server::talk;
use crate::websocket::Opening;
use crate::{body, cursor, headers, json};

/// The page sizes of the defaults.
const PAGE: (usize, usize) = (50, 1_000);

/// Reads a body as each request that there is; what is refused has an answer.
pub fn json_body(bytes: &[u8]) {
    fn one<T: DeserializeOwned + Debug>(bytes: &[u8]) {
        match json::parse::<T>(bytes) {
            Ok(request) => drop(format!("{request:?}")),
            Err(problem) => answered(problem),
        }
    }
    one::<OpenAccountRequest>(bytes);
    one::<UpdateAccountRequest>(bytes);
    one::<MoneyRequest>(bytes);
    one::<TransferRequest>(bytes);
    one::<AliasTransferRequest>(bytes);
    one::<BatchRequest>(bytes);
    one::<TransactionRequest>(bytes);
    one::<PostRequest>(bytes);
    one::<KeyOnlyRequest>(bytes);
    one::<OpenWalletRequest>(bytes);
    one::<UpdateWalletRequest>(bytes);
    one::<BackupRequest>(bytes);
}

/// A refusal must become an answer, whatever it quotes.
fn answered(problem: Problem) {
    let response = problem.into_response(&RequestId::Made(OperationId::from_parts(1, 2, 3)));
    assert!(response.status().is_client_error());
}

/// Reads a cursor of each list; one that is taken must be the one that is given for its place.
pub fn cursor(text: &str) {
    let lists = [
        cursor::Scope::list("/accounts").and(None).and(None),
        cursor::Scope::list("/wallets").and(Some("x")),
    ];
    for scope in lists {
        match scope.place::<16>(text) {
            Ok(place) => assert_eq!(scope.cursor(place), text),
            Err(problem) => answered(problem),
        }
        match scope.place::<8>(text) {
            Ok(place) => assert_eq!(scope.cursor(place), text),
            Err(problem) => answered(problem),
        }
        // The check is hashed: none is found by chance.
        let mut place = [0; 16];
        for (to, from) in place.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        assert_eq!(scope.place(&scope.cursor(place)).ok(), Some(place));
    }
}

/// Reads a query string, and what its parameters may be: times, ids, sizes of pages, words.
pub fn query(raw: &str) {
    let query = match Query::read(Some(raw), |_| true) {
        Ok(query) => query,
        Err(problem) => return answered(problem),
    };
    if let Ok(limit) = query.limit(PAGE.0, PAGE.1) {
        assert!((1..=PAGE.1).contains(&limit));
    }
    for name in ["at", "from", "to"] {
        match query.time(name) {
            Ok(Some(time)) => {
                // What was read can be written, and says the same.
                let again: Timestamp = time.to_string().parse().expect("a time that was written");
                assert_eq!(again, time);
            }
            Ok(None) => {}
            Err(problem) => answered(problem),
        }
    }
    for flag in ["dry_run", "stream"] {
        query.flag(flag).map_or_else(answered, drop);
    }
    let status = query.one_of("status", &AccountStatus::ALL, AccountStatus::name);
    status.map_or_else(answered, drop);
    for name in ["customer_id", "id"] {
        let text = query.get(name).unwrap_or_default();
        if let Ok(id) = text.parse::<EntityId>() {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        if let Ok(id) = text.parse::<OperationId>() {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }
}

/// Finds the route of a path.
pub fn path(path: &str) {
    for method in [Method::GET, Method::POST, Method::PATCH, Method::DELETE] {
        match find(&method, path) {
            Found::Route(place) => assert_eq!(ENDPOINTS[place].method, method),
            Found::OtherMethods(allow) => assert!(!allow.is_empty()),
            Found::Nothing => {}
        }
    }
}

/// Reads `name: value` lines as the headers of a request.
pub fn headers(lines: &[u8]) {
    let mut all = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(&line[colon + 1..]);
        if let (Ok(name), Ok(value)) = (name, value) {
            all.append(name, value);
        }
    }
    match headers::key(&all, None) {
        Ok(Some(key)) => assert_eq!(messages::key(&key), Ok(())),
        Ok(None) => {}
        Err(problem) => answered(problem),
    }
    headers::precondition(&all).map_or_else(answered, drop);
    if let Some(wait) = headers::wait(&all) {
        assert!((1..=30).contains(&wait.as_secs()));
    }
    headers::respond_async(&all);
    for name in [headers::REQUEST_ID, headers::CORRELATION_ID] {
        if let Some(id) = headers::given_id(&all, name) {
            // It is sent back as a header.
            HeaderValue::try_from(id.to_string()).expect("an id that fits a header");
        }
    }
    if let Some(trace) = headers::trace(&all) {
        assert!(trace.trace_id != [0; 16] && trace.parent_id != [0; 8]);
    }
    body::declared_length(&all);
    Opening::read(&all, true).map_or_else(answered, drop);
}

/// A client that says this, and reads nothing.
struct Said<'a>(Cursor<&'a [u8]>);

impl Read for Said<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Said<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads frames of a WebSocket until they end or are refused; no message is above its bound.
pub fn frames(bytes: &[u8]) {
    let said = Said(Cursor::new(bytes));
    let mut socket = WebSocket::from_raw_socket(said, Role::Server, Some(talk::config()));
    // A frame takes two bytes at least; one more read finds the end.
    for _ in 0..bytes.len() / 2 + 2 {
        match socket.read() {
            Ok(message) => assert!(message.len() <= talk::INCOMING_BYTES_MAX),
            Err(_) => return,
        }
    }
    panic!("more messages than the bytes can hold");
}

/// Writes a record as `florin export` does.
pub fn export_line(record: &Record) {
    let exported = florin_actors::export::Exported {
        record,
        link: [0; 32],
        personal: None,
    };
    for personal in [false, true] {
        serde_json::to_vec(&RecordLine::new(&exported, personal)).expect("a line");
    }
}
