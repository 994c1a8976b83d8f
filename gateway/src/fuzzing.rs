//! The entry points of the fuzz targets (`tests/fuzz`), compiled only in their builds. Each
//! function reads bytes as the server does, and checks the result against the bounds that callers
//! rely on.

use std::fmt::Debug;
use std::io::{self, Cursor, Read, Write};

use florin_actors::messages::{
    self, AccountStatus, EntityId, OperationId, Record, RequestId, Timestamp,
};
use serde::de::DeserializeOwned;
use tokio_tungstenite::tungstenite::WebSocket;
use tokio_tungstenite::tungstenite::protocol::Role;
use warp::http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::api::ROUTES;
use crate::api::requests::{
    AliasOpenAccountRequest, AliasTransferRequest, BackupRequest, BatchRequest, KeyOnlyRequest,
    MoneyRequest, OpenAccountRequest, OpenCardRequest, OpenMerchantRequest, OpenWalletRequest,
    PostRequest, ReverseRequest, TransactionRequest, TransferRequest, UpdateAccountRequest,
    UpdateWalletRequest,
};
use crate::cli::export::RecordLine;
use crate::http::websocket::Opening;
use crate::http::{Problem, Query, cursor, headers, json};
use crate::routing::Found;
use crate::server::talk;

/// The default and the largest page size of the default settings.
const PAGE: (usize, usize) = (50, 1_000);

/// Reads a body as each type of request. A refusal must become an answer.
pub fn json_body(bytes: &[u8]) {
    fn one<T: DeserializeOwned + Debug>(bytes: &[u8]) {
        match json::parse::<T>(bytes) {
            Ok(request) => drop(format!("{request:?}")),
            Err(problem) => answered(problem),
        }
    }
    one::<OpenAccountRequest>(bytes);
    one::<UpdateAccountRequest>(bytes);
    one::<OpenMerchantRequest>(bytes);
    one::<MoneyRequest>(bytes);
    one::<TransferRequest>(bytes);
    one::<AliasTransferRequest>(bytes);
    one::<BatchRequest>(bytes);
    one::<TransactionRequest>(bytes);
    one::<PostRequest>(bytes);
    one::<KeyOnlyRequest>(bytes);
    one::<ReverseRequest>(bytes);
    one::<OpenWalletRequest>(bytes);
    one::<OpenCardRequest>(bytes);
    one::<AliasOpenAccountRequest>(bytes);
    one::<UpdateWalletRequest>(bytes);
    one::<BackupRequest>(bytes);
}

/// Asserts that a refusal becomes an answer with a 4xx status, whatever text it quotes.
fn answered(problem: Problem) {
    let response = problem.into_response(&RequestId::Made(OperationId::from_parts(1, 2, 3)));
    assert!(response.status().is_client_error());
}

/// Reads a cursor of several lists. A cursor that is accepted must be the one that the list issues
/// for its place.
pub fn cursor(text: &str) {
    let lists = [
        cursor::List::at("/accounts").and(None).and(None),
        cursor::List::at("/wallets").and(Some("x")),
    ];
    for list in lists {
        match list.place::<16>(text) {
            Ok(place) => assert_eq!(list.cursor(place), text),
            Err(problem) => answered(problem),
        }
        match list.place::<8>(text) {
            Ok(place) => assert_eq!(list.cursor(place), text),
            Err(problem) => answered(problem),
        }
        // A fuzzer doesn't guess a valid check by chance, so a valid cursor is also made and read
        // back.
        let mut place = [0; 16];
        for (to, from) in place.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        assert_eq!(list.place(&list.cursor(place)).ok(), Some(place));
    }
}

/// Reads a query string and the values of its parameters: times, ids, page sizes, words.
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
                // A time that was read must be the same after it is written and read again.
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
        match ROUTES.find(&method, path) {
            Found::Route(_, route) => assert_eq!(*route.method, method),
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
            // The id is sent back as a header.
            HeaderValue::try_from(id.to_string()).expect("an id that fits a header");
        }
    }
    if let Some(trace) = headers::trace(&all) {
        assert!(trace.trace_id != [0; 16] && trace.parent_id != [0; 8]);
    }
    headers::declared_length(&all);
    Opening::read(&all, true).map_or_else(answered, drop);
}

/// A client that sends these bytes and reads nothing.
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

/// Reads WebSocket frames until they end or are refused. No message may be larger than its bound.
pub fn frames(bytes: &[u8]) {
    let said = Said(Cursor::new(bytes));
    let mut socket = WebSocket::from_raw_socket(said, Role::Server, Some(talk::config()));
    // A frame takes at least two bytes, and one more read finds the end.
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
