//! A small blocking HTTP/1.1 client that hides nothing: tests see every header and the body's
//! bytes, and may send what no proper client would. It never repeats a request by itself.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

/// How long a client waits for bytes before it counts a server as hanging.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A request about to be sent.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.into(),
            target: target.into(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// `GET`.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// `POST` of a JSON body.
    pub fn post(target: &str, body: &Value) -> Self {
        Self::new("POST", target).json(body)
    }

    /// `PATCH` with a JSON body.
    pub fn patch(target: &str, body: &Value) -> Self {
        Self::new("PATCH", target).json(body)
    }

    /// `DELETE`.
    pub fn delete(target: &str) -> Self {
        Self::new("DELETE", target)
    }

    /// With a header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With an `Idempotency-Key`.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.header("Idempotency-Key", key)
    }

    /// With `If-Match: "version"`.
    #[must_use]
    pub fn if_match(self, version: u64) -> Self {
        self.header("If-Match", &format!("\"{version}\""))
    }

    /// With these bytes as the body, and no `Content-Type`.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.text(&body.to_string())
    }

    /// With a text that is called JSON, whatever it is.
    #[must_use]
    pub fn text(self, body: &str) -> Self {
        self.header("Content-Type", "application/json").body(body)
    }

    /// What goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: florin\r\n",
            self.method, self.target
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend(self.body.iter().flatten());
        bytes
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers as they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut named = self
            .headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none, or isn't called so.
    #[track_caller]
    pub fn json(&self) -> Value {
        let kind = self.header("content-type").unwrap_or_default();
        let json =
            kind.starts_with("application/json") || kind.starts_with("application/problem+json");
        assert!(json, "not JSON but {kind:?}: {self:?}");
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    /// The body of an answer with this status.
    ///
    /// # Panics
    /// When it has another.
    #[track_caller]
    pub fn with(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }

    /// The body of a 200.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn ok(&self) -> Value {
        self.with(200)
    }

    /// The problem of a refusal, once its form is found right.
    ///
    /// # Panics
    /// When status, code or form differ.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let text = self.text();
        assert_eq!(self.status, status, "{text}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{text}"
        );
        let body = self.json();
        assert_eq!(body["code"], code, "{text}");
        assert_eq!(
            body["type"],
            format!("/problems/{}", code.replace('_', "-")),
            "{text}"
        );
        assert_eq!(body["status"], status, "{text}");
        let said = |field: &str| body[field].as_str().is_some_and(|text| !text.is_empty());
        assert!(said("title") && said("detail"), "{text}");
        assert_eq!(body["error"], body["detail"], "{text}");
        assert_eq!(
            body["request_id"].as_str(),
            self.header("x-request-id"),
            "{text}"
        );
        body
    }

    /// Whether it was given before, under the same key.
    pub fn replayed(&self) -> bool {
        self.header("idempotent-replayed") == Some("true")
    }
}

/// One connection, kept alive between requests.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, SILENCE_MAX)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        stream.set_write_timeout(Some(SILENCE_MAX))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// What the system says; `UnexpectedEof` when the server closes before the answer is whole.
    pub fn send(&mut self, request: &Request) -> io::Result<Response> {
        self.write(&request.bytes())?;
        self.read()
    }

    /// Sends any bytes.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Says that nothing more will be sent.
    ///
    /// # Errors
    /// What the system says.
    pub fn finish(&mut self) -> io::Result<()> {
        self.stream.get_mut().shutdown(Shutdown::Write)
    }

    /// Reads that many bytes.
    ///
    /// # Errors
    /// What the system says; `UnexpectedEof` when the server closes before.
    pub fn read_bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Whether the server has closed this connection, or sent something unasked.
    pub fn is_stale(&mut self) -> bool {
        let stream = self.stream.get_mut();
        let peeked = stream
            .set_nonblocking(true)
            .and_then(|()| stream.peek(&mut [0]));
        let restored = stream.set_nonblocking(false);
        let silent = matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock);
        !silent || restored.is_err()
    }

    /// Reads one answer.
    ///
    /// # Errors
    /// What the system says; `UnexpectedEof` when the server closes before it is whole,
    /// `InvalidData` when it isn't HTTP.
    pub fn read(&mut self) -> io::Result<Response> {
        let line = self.line()?;
        let mut words = line.splitn(3, ' ');
        let status = match (words.next(), words.next().map(str::parse)) {
            (Some("HTTP/1.1"), Some(Ok(status))) => status,
            _ => return Err(invalid(&line)),
        };
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| invalid(&line))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut response = Response {
            status,
            headers,
            body: Vec::new(),
        };
        response.body = self.read_body(&response)?;
        Ok(response)
    }

    fn read_body(&mut self, response: &Response) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if matches!(response.status, 100..=199 | 204 | 304) {
            return Ok(body);
        }
        if response.header("transfer-encoding") == Some("chunked") {
            loop {
                let size = self.line()?;
                let size = usize::from_str_radix(&size, 16).map_err(|_| invalid(&size))?;
                let start = body.len();
                body.resize(start + size, 0);
                self.stream.read_exact(&mut body[start..])?;
                self.line()?;
                if size == 0 {
                    return Ok(body);
                }
            }
        }
        match response.header("content-length").map(str::parse) {
            Some(Ok(length)) => {
                body.resize(length, 0);
                self.stream.read_exact(&mut body)?;
            }
            Some(Err(_)) => return Err(invalid("content-length")),
            None => {
                self.stream.read_to_end(&mut body)?;
            }
        }
        Ok(body)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None => Err(ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn invalid(line: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("not HTTP: {line:?}"))
}

/// A client of one server; its clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    address: SocketAddr,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Client {
    /// A client of the server at `address`.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            idle: Arc::default(),
        }
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A new connection of its own.
    ///
    /// # Panics
    /// When the server takes none.
    #[track_caller]
    pub fn connect(&self) -> Connection {
        Connection::open(self.address).expect("the server takes connections")
    }

    /// Sends a request, over a connection that idles if there is one.
    ///
    /// # Errors
    /// What the system says. The request may have been executed.
    pub fn try_send(&self, request: &Request) -> io::Result<Response> {
        let mut connection = self.connection()?;
        let response = connection.send(request)?;
        let is_http = response.status != 101;
        if is_http && response.header("connection") != Some("close") {
            self.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
        }
        Ok(response)
    }

    /// Sends a request that must be answered, with what every answer carries.
    ///
    /// # Panics
    /// When it is not answered, or the answer has no request id.
    #[track_caller]
    pub fn send(&self, request: &Request) -> Response {
        let response = match self.try_send(request) {
            Ok(response) => response,
            Err(error) => panic!("{} {}: {error}", request.method, request.target),
        };
        let id = response.header("x-request-id").unwrap_or_default();
        assert!(!id.is_empty(), "no X-Request-Id in {response:?}");
        response
    }

    /// Sends `GET`.
    #[track_caller]
    pub fn get(&self, target: &str) -> Response {
        self.send(&Request::get(target))
    }

    /// Sends `POST` of a JSON body.
    #[track_caller]
    pub fn post(&self, target: &str, body: &Value) -> Response {
        self.send(&Request::post(target, body))
    }

    /// Sends `PATCH` with a JSON body.
    #[track_caller]
    pub fn patch(&self, target: &str, body: &Value) -> Response {
        self.send(&Request::patch(target, body))
    }

    /// Sends `DELETE`.
    #[track_caller]
    pub fn delete(&self, target: &str) -> Response {
        self.send(&Request::delete(target))
    }

    fn connection(&self) -> io::Result<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(mut connection) = idle.pop() {
            if !connection.is_stale() {
                return Ok(connection);
            }
        }
        drop(idle);
        Connection::open(self.address)
    }
}
