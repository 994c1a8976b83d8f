//! A small blocking HTTP/1.1 client that hides nothing: tests see every header and the body's
//! bytes, and may send invalid requests. It never retries a request by itself.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::described;

/// The time without bytes after which a client considers the server hung.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A request about to be sent.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    target: String,
    host: Option<String>,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// Creates a request without a body.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.into(),
            target: target.into(),
            host: Some("localhost".into()),
            headers: Vec::new(),
            body: None,
        }
    }

    /// Creates a `GET` request.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// Creates a `POST` request with a JSON body.
    pub fn post(target: &str, body: &Value) -> Self {
        Self::new("POST", target).json(body)
    }

    /// Creates a `PATCH` request with a JSON body.
    pub fn patch(target: &str, body: &Value) -> Self {
        Self::new("PATCH", target).json(body)
    }

    /// Creates a `DELETE` request.
    pub fn delete(target: &str) -> Self {
        Self::new("DELETE", target)
    }

    /// Sets another `Host` header, or removes it.
    #[must_use]
    pub fn host(mut self, host: Option<&str>) -> Self {
        self.host = host.map(str::to_owned);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds an `Idempotency-Key` header.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.header("Idempotency-Key", key)
    }

    /// Adds the header `If-Match: "version"`.
    #[must_use]
    pub fn if_match(self, version: u64) -> Self {
        self.header("If-Match", &format!("\"{version}\""))
    }

    /// Sets these bytes as the body, without a `Content-Type`.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.text(&body.to_string())
    }

    /// Sets a text as the body with the content type of JSON, even if it isn't JSON.
    #[must_use]
    pub fn text(self, body: &str) -> Self {
        self.header("Content-Type", "application/json").body(body)
    }

    /// Returns the method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Returns the path, with the query if there is one.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Returns the bytes of the request as they are sent.
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if let Some(host) = &self.host {
            head.push_str(&format!("Host: {host}\r\n"));
        }
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

/// The answer to a request.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers in the received order, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Response {
    /// Returns the first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut named = self
            .headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.as_str())
    }

    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body as JSON.
    ///
    /// # Panics
    /// Panics if the content type or the body isn't JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        let kind = self.header("content-type").unwrap_or_default();
        let json =
            kind.starts_with("application/json") || kind.starts_with("application/problem+json");
        assert!(json, "not JSON but {kind:?}: {self:?}");
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    /// Returns the body of an answer that must have this status.
    ///
    /// # Panics
    /// Panics if it has another status.
    #[track_caller]
    pub fn with(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }

    /// Returns the body of a successful answer: a 200, or a 201 if something was created.
    ///
    /// # Panics
    /// Panics if it has another status.
    #[track_caller]
    pub fn ok(&self) -> Value {
        self.with(if self.status == 201 { 201 } else { 200 })
    }

    /// Returns the body of a 201, which must have a `Location` header.
    ///
    /// # Panics
    /// Panics if the answer isn't a 201, or has no `Location`.
    #[track_caller]
    pub fn created(&self) -> Value {
        let body = self.with(201);
        assert!(self.header("location").is_some(), "{self:?}");
        body
    }

    /// Returns the problem of a refusal after a check of its form.
    ///
    /// # Panics
    /// Panics if status, code or form differ.
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

    /// Reports whether the answer is a stored one that the server gave again under the same key.
    pub fn replayed(&self) -> bool {
        self.header("idempotent-replayed") == Some("true")
    }
}

/// A connection that is kept alive between requests.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects to a server.
    ///
    /// # Errors
    /// Returns the I/O error of the connection.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, SILENCE_MAX)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        stream.set_write_timeout(Some(SILENCE_MAX))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Sends a request and reads its answer, which must match the server's OpenAPI document.
    ///
    /// # Errors
    /// Returns the I/O error of the connection: `UnexpectedEof` if the server closes it before the
    /// answer is complete.
    ///
    /// # Panics
    /// Panics if the document doesn't describe the answer.
    #[track_caller]
    pub fn send(&mut self, request: &Request) -> io::Result<Response> {
        self.write(&request.bytes())?;
        let response = match request.method.as_str() {
            "HEAD" => self.read_head()?,
            _ => self.read()?,
        };
        described::check(request, &response);
        Ok(response)
    }

    /// Sends arbitrary bytes.
    ///
    /// # Errors
    /// Returns the I/O error of the connection.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Shuts down the sending side of the connection.
    ///
    /// # Errors
    /// Returns the I/O error of the connection.
    pub fn finish(&mut self) -> io::Result<()> {
        self.stream.get_mut().shutdown(Shutdown::Write)
    }

    /// Reads exactly this many bytes.
    ///
    /// # Errors
    /// Returns the I/O error of the connection: `UnexpectedEof` if the server closes it before.
    pub fn read_bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reports whether the server has closed this connection or has sent unread bytes.
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
    /// Returns the I/O error of the connection: `UnexpectedEof` if the server closes it before the
    /// answer is complete. Returns `InvalidData` if the answer isn't HTTP.
    pub fn read(&mut self) -> io::Result<Response> {
        let mut response = self.read_head()?;
        response.body = self.read_body(&response)?;
        Ok(response)
    }

    /// Reads an answer's head, which is the whole answer if the request was HEAD.
    ///
    /// # Errors
    /// Returns the same errors as [`Self::read`].
    pub fn read_head(&mut self) -> io::Result<Response> {
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
        Ok(Response {
            status,
            headers,
            body: Vec::new(),
        })
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

/// A client of one server. Its clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    address: SocketAddr,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Client {
    /// Creates a client of the server at `address`.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            idle: Arc::default(),
        }
    }

    /// Returns the server's address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Opens a new connection that isn't shared.
    ///
    /// # Panics
    /// Panics if the server accepts none.
    #[track_caller]
    pub fn connect(&self) -> Connection {
        Connection::open(self.address).expect("the server takes connections")
    }

    /// Sends a request over an idle connection, or over a new one if none is idle.
    ///
    /// # Errors
    /// Returns the I/O error of the connection. The request may have been executed.
    #[track_caller]
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

    /// Sends a request that must be answered with an `X-Request-Id`.
    ///
    /// # Panics
    /// Panics if the request isn't answered, or if the answer has no request id.
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

    /// Sends a `GET` request.
    #[track_caller]
    pub fn get(&self, target: &str) -> Response {
        self.send(&Request::get(target))
    }

    /// Sends a `POST` request with a JSON body.
    #[track_caller]
    pub fn post(&self, target: &str, body: &Value) -> Response {
        self.send(&Request::post(target, body))
    }

    /// Sends a `PATCH` request with a JSON body.
    #[track_caller]
    pub fn patch(&self, target: &str, body: &Value) -> Response {
        self.send(&Request::patch(target, body))
    }

    /// Sends a `DELETE` request.
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
