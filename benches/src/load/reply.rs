//! Parses HTTP/1.1 replies as far as a benchmark needs: status, length, and whether the connection
//! stays open. A reply that arrives in one read, as nearly all do, is parsed in place and not
//! copied.

use std::ops::Range;

/// The longest head that is accepted, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The longest body that is accepted, in bytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;
const HEAD_END: &[u8] = b"\r\n\r\n";

/// A complete reply.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    pub status: u16,
    pub body: &'a [u8],
    /// Whether the server will close the connection.
    pub closes: bool,
    /// Whether the reply has a `Retry-After`.
    pub retry_after: bool,
}

/// The reasons why bytes are not a reply that this benchmark accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("not an HTTP/1.1 reply")]
    NotHttp,
    #[error("an interim (1xx) reply; requests here ask for none")]
    Interim,
    #[error("a chunked reply; this benchmark reads only those with a Content-Length")]
    Chunked,
    #[error("a reply without a Content-Length")]
    NoLength,
    #[error("a Content-Length that is not a number")]
    BadLength,
    #[error("a head longer than {HEAD_BYTES_MAX} bytes")]
    HeadTooLong,
    #[error("a body longer than {BODY_BYTES_MAX} bytes")]
    BodyTooLong,
    #[error("bytes after the reply, with no request in flight")]
    Surplus,
}

/// Assembles the replies of one connection.
#[derive(Debug, Default)]
pub struct ReplyReader {
    partial: Vec<u8>,
    given: bool,
}

impl ReplyReader {
    /// Takes the bytes that were read next, and returns the reply once it is complete. Only one
    /// request is in flight at a time, so bytes beyond its reply are refused.
    pub fn feed<'a>(&'a mut self, bytes: &'a [u8]) -> Result<Option<Reply<'a>>, Malformed> {
        if self.given {
            self.partial.clear();
            self.given = false;
        }
        if self.partial.is_empty() {
            return match Extent::find(bytes)? {
                Some(extent) => Ok(Some(extent.of(bytes))),
                None => {
                    self.partial.extend_from_slice(bytes);
                    Ok(None)
                }
            };
        }
        self.partial.extend_from_slice(bytes);
        match Extent::find(&self.partial)? {
            Some(extent) => {
                self.given = true;
                Ok(Some(extent.of(&self.partial)))
            }
            None => Ok(None),
        }
    }
}

/// The positions of a complete reply's parts.
struct Extent {
    status: u16,
    body: Range<usize>,
    closes: bool,
    retry_after: bool,
}

impl Extent {
    fn find(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let Some(head_len) = memchr::memmem::find(bytes, HEAD_END) else {
            return if bytes.len() > HEAD_BYTES_MAX {
                Err(Malformed::HeadTooLong)
            } else {
                Ok(None)
            };
        };
        let head = Head::parse(&bytes[..head_len])?;
        let start = head_len + HEAD_END.len();
        let end = start + head.body_len;
        match bytes.len() {
            len if len < end => Ok(None),
            len if len > end => Err(Malformed::Surplus),
            _ => Ok(Some(Self {
                status: head.status,
                body: start..end,
                closes: head.closes,
                retry_after: head.retry_after,
            })),
        }
    }

    fn of(self, bytes: &[u8]) -> Reply<'_> {
        Reply {
            status: self.status,
            body: &bytes[self.body],
            closes: self.closes,
            retry_after: self.retry_after,
        }
    }
}

struct Head {
    status: u16,
    body_len: usize,
    closes: bool,
    retry_after: bool,
}

impl Head {
    fn parse(head: &[u8]) -> Result<Self, Malformed> {
        let (first, mut rest) = line(head);
        let status = status(first)?;
        let mut length = None;
        let (mut closes, mut retry_after) = (false, false);
        while !rest.is_empty() {
            let (header, after) = line(rest);
            rest = after;
            match header.first() {
                Some(b'c' | b'C') => {
                    if let Some(value) = value_of(header, b"content-length") {
                        length = Some(number(value).ok_or(Malformed::BadLength)?);
                    } else if let Some(value) = value_of(header, b"connection") {
                        closes = value.eq_ignore_ascii_case(b"close");
                    }
                }
                Some(b't' | b'T') if value_of(header, b"transfer-encoding").is_some() => {
                    return Err(Malformed::Chunked);
                }
                Some(b'r' | b'R') => retry_after |= value_of(header, b"retry-after").is_some(),
                _ => {}
            }
        }
        let body_len = match (length, status) {
            (_, 204 | 304) => 0,
            (Some(len), _) if len > BODY_BYTES_MAX => return Err(Malformed::BodyTooLong),
            (Some(len), _) => len,
            (None, _) => return Err(Malformed::NoLength),
        };
        Ok(Self {
            status,
            body_len,
            closes,
            retry_after,
        })
    }
}

/// Returns the first line without its line end, and the bytes after it.
fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'\n', bytes) {
        Some(at) => {
            let line = &bytes[..at];
            (line.strip_suffix(b"\r").unwrap_or(line), &bytes[at + 1..])
        }
        None => (bytes, &[]),
    }
}

fn status(line: &[u8]) -> Result<u16, Malformed> {
    let code = line.strip_prefix(b"HTTP/1.1 ").ok_or(Malformed::NotHttp)?;
    match number(code.get(..3).ok_or(Malformed::NotHttp)?) {
        Some(100..=199) => Err(Malformed::Interim),
        Some(status @ 200..=599) => u16::try_from(status).map_err(|_| Malformed::NotHttp),
        _ => Err(Malformed::NotHttp),
    }
}

fn value_of<'a>(header: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (found, value) = header.split_at_checked(name.len())?;
    let value = value.strip_prefix(b":")?;
    found.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    digits.iter().try_fold(0_usize, |number, digit| {
        number
            .checked_mul(10)?
            .checked_add(usize::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nContent-Length: 11\r\ndate: now\r\n\r\n{\"a\":\"b\\n\"}";

    #[test]
    fn a_reply_in_one_read_is_whole() {
        let mut reader = ReplyReader::default();
        let reply = reader.feed(REPLY).unwrap().unwrap();
        assert_eq!(reply.status, 200);
        assert_eq!(reply.body, b"{\"a\":\"b\\n\"}");
        assert!(!reply.closes);
    }

    #[test]
    fn a_reply_split_at_each_byte_is_the_same() {
        let mut reader = ReplyReader::default();
        for at in 1..REPLY.len() {
            assert_eq!(reader.feed(&REPLY[..at]), Ok(None), "split at {at}");
            let reply = reader.feed(&REPLY[at..]).unwrap().unwrap();
            assert_eq!((reply.status, reply.body.len()), (200, 11), "split at {at}");
        }
    }

    #[test]
    fn a_reply_byte_by_byte_is_the_same_and_the_next_one_too() {
        let mut reader = ReplyReader::default();
        for _ in 0..2 {
            for byte in &REPLY[..REPLY.len() - 1] {
                assert_eq!(reader.feed(std::slice::from_ref(byte)), Ok(None));
            }
            assert!(reader.feed(b"}").unwrap().is_some());
        }
        assert!(reader.feed(REPLY).unwrap().is_some());
    }

    fn refusal(reply: &str) -> Malformed {
        ReplyReader::default().feed(reply.as_bytes()).unwrap_err()
    }

    #[test]
    fn chunked_is_refused_clearly() {
        let reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
        assert_eq!(refusal(reply), Malformed::Chunked);
    }

    #[test]
    fn what_is_not_a_reply_of_known_length_is_refused() {
        assert_eq!(refusal("HTTP/1.0 200 OK\r\n\r\n"), Malformed::NotHttp);
        assert_eq!(refusal("HTTP/1.1 20x OK\r\n\r\n"), Malformed::NotHttp);
        assert_eq!(refusal("HTTP/1.1 20\r\n\r\n"), Malformed::NotHttp);
        assert_eq!(refusal("HTTP/1.1 100 Continue\r\n\r\n"), Malformed::Interim);
        assert_eq!(refusal("HTTP/1.1 200 OK\r\n\r\n"), Malformed::NoLength);
        assert_eq!(
            refusal("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"),
            Malformed::BadLength
        );
        assert_eq!(
            refusal("HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\n"),
            Malformed::BadLength
        );
        assert_eq!(
            refusal("HTTP/1.1 200 OK\r\ncontent-length: 2000000\r\n\r\n"),
            Malformed::BodyTooLong
        );
        assert_eq!(
            refusal("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nabc"),
            Malformed::Surplus
        );
        let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(HEAD_BYTES_MAX));
        assert_eq!(refusal(&endless), Malformed::HeadTooLong);
    }

    #[test]
    fn a_reply_without_content_and_one_that_closes_are_read() {
        let mut reader = ReplyReader::default();
        let reply = reader
            .feed(b"HTTP/1.1 204 No Content\r\n\r\n")
            .unwrap()
            .unwrap();
        assert_eq!((reply.status, reply.closes), (204, false));
        assert!(!reply.retry_after);
        let closing =
            b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nRetry-After: 1\r\ncontent-length: 0\r\n\r\n";
        let reply = reader.feed(closing).unwrap().unwrap();
        assert_eq!((reply.status, reply.closes), (503, true));
        assert!(reply.retry_after);
    }
}
