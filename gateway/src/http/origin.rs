//! Decides which requests may be served at all: those that name this machine, and that were not
//! sent by a web page of another origin.
//!
//! There is no authentication, so Florin listens on loopback only. A browser on this machine can
//! still reach it, and runs the code of any web page. The domain of a page may be made to resolve
//! to 127.0.0.1 (DNS rebinding); its requests then carry that domain in `Host`. A page may also
//! send a request to another origin; the browser then says so in `Origin` and `Sec-Fetch-Site`.
//! Both are refused on every route.

use std::net::{Ipv4Addr, Ipv6Addr};

use warp::http::header::{HOST, ORIGIN};
use warp::http::uri::Uri;
use warp::http::{HeaderMap, HeaderName, HeaderValue, Version};

use super::codes::ProblemCode;
use super::problem::Problem;

/// The header `Sec-Fetch-Site` (W3C Fetch Metadata).
pub const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Checks a request's `Host`, `Origin` and `Sec-Fetch-Site`. It allocates nothing unless it refuses
/// the request.
///
/// # Errors
/// Returns `invalid_request` if `Host` is missing in HTTP/1.1, is given twice, or is malformed.
/// Returns `forbidden_origin` if the request names another machine, or if a page of another origin
/// sent it.
pub fn check(version: Version, target: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => Some(Authority::parse(host.as_bytes()).ok_or_else(malformed)?),
        // HTTP/1.0 does not require `Host`. No browser uses HTTP/1.0.
        (None, _) if version == Version::HTTP_10 => None,
        (None, _) => return Err(Problem::malformed("Host", "is required in HTTP/1.1")),
        (Some(_), Some(_)) => return Err(Problem::malformed("Host", "must be given only once")),
    };
    // If the request's target is a whole URL, its authority takes precedence over `Host` (RFC 9112,
    // 3.2.2).
    let named = match target.authority() {
        Some(authority) => {
            Some(Authority::parse(authority.as_str().as_bytes()).ok_or_else(malformed)?)
        }
        None => host,
    };
    if [host, named].iter().flatten().any(|one| !one.is_loopback()) {
        return Err(forbidden(
            "Host does not name this machine: without authentication, only localhost and \
             loopback addresses are allowed",
        ));
    }
    for site in headers.get_all(SEC_FETCH_SITE) {
        if site != "same-origin" && site != "none" {
            return Err(forbidden("a web page of another origin sent this request"));
        }
    }
    for origin in headers.get_all(ORIGIN) {
        if !named.is_some_and(|named| named.is_origin(origin)) {
            return Err(forbidden("a web page of another origin sent this request"));
        }
    }
    Ok(())
}

fn malformed() -> Problem {
    Problem::malformed(
        "Host",
        "must be a host name or an address, optionally with a port",
    )
}

fn forbidden(detail: &'static str) -> Problem {
    Problem::new(ProblemCode::ForbiddenOrigin, detail)
}

/// A host and an optional port, as in `Host`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Authority<'a> {
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    host: &'a str,
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (host, rest) = if text.starts_with('[') {
            let end = text.find(']')? + 1;
            let (host, rest) = text.split_at(end);
            let _: Ipv6Addr = host[1..end - 1].parse().ok()?;
            (host, rest)
        } else {
            let end = text.find(':').unwrap_or(text.len());
            let (host, rest) = text.split_at(end);
            if host.is_empty() || !host.bytes().all(is_of_name) {
                return None;
            }
            (host, rest)
        };
        let port = match rest.strip_prefix(':') {
            // An empty port means the default port (RFC 3986, 3.2.3).
            Some("") => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            None if rest.is_empty() => None,
            _ => return None,
        };
        Some(Self { host, port })
    }

    fn is_loopback(&self) -> bool {
        if let Some(address) = self.host.strip_prefix('[') {
            let address = address.trim_end_matches(']').parse::<Ipv6Addr>();
            return address.is_ok_and(|address| {
                let mapped = address.to_ipv4_mapped();
                address.is_loopback() || mapped.is_some_and(|address| address.is_loopback())
            });
        }
        let address = self.host.parse::<Ipv4Addr>();
        address.is_ok_and(|address| address.is_loopback())
            || self.host.eq_ignore_ascii_case("localhost")
    }

    /// Returns whether an `Origin` is this authority: the same host and the same port.
    fn is_origin(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else {
            return false;
        };
        let (default, rest) = match (
            origin.strip_prefix("http://"),
            origin.strip_prefix("https://"),
        ) {
            (Some(rest), _) => (80, rest),
            (None, Some(rest)) => (443, rest),
            (None, None) => return false,
        };
        Authority::parse(rest.as_bytes()).is_some_and(|origin| {
            origin.host.eq_ignore_ascii_case(self.host)
                && origin.port.unwrap_or(default) == self.port.unwrap_or(default)
        })
    }
}

/// Returns whether `authority`, a host with an optional port, names a loopback address or
/// `localhost`.
pub fn is_loopback(authority: &str) -> bool {
    Authority::parse(authority.as_bytes()).is_some_and(|authority| authority.is_loopback())
}

/// Returns whether a byte may occur in a host's name (RFC 3986, `reg-name`).
const fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'%'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(version: Version, target: &str, pairs: &[(&'static str, &str)]) -> &'static str {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        match check(version, &target.parse().unwrap(), &headers) {
            Ok(()) => "served",
            Err(problem) => problem.code().name(),
        }
    }

    fn host(host: &str) -> &'static str {
        checked(Version::HTTP_11, "/accounts", &[("host", host)])
    }

    #[test]
    fn loopback_names_and_addresses_are_served_at_any_port() {
        for name in [
            "localhost",
            "LocalHost:8080",
            "127.0.0.1",
            "127.0.0.1:1",
            "127.255.3.9:65535",
            "127.0.0.1:",
            "[::1]",
            "[::1]:8080",
            "[0:0:0:0:0:0:0:1]:80",
            "[::ffff:127.0.0.1]:80",
        ] {
            assert_eq!(host(name), "served", "{name}");
        }
    }

    #[test]
    fn another_host_is_forbidden() {
        for name in [
            "florin",
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "0.0.0.0:8080",
            "10.0.0.1",
            "2130706433",
            "0x7f.1",
            "[::]",
            "[fe80::1]:8080",
            "128.0.0.1",
        ] {
            assert_eq!(host(name), "forbidden_origin", "{name}");
        }
    }

    #[test]
    fn a_host_that_is_missing_doubled_or_malformed_is_refused() {
        for name in [
            "",
            ":8080",
            "localhost:x",
            "localhost:65536",
            "localhost:80:80",
            "user@localhost",
            "::1",
            "[::1",
            "[::1]x",
            "[localhost]",
            "local host",
            "localhost/",
            "\u{e9}",
        ] {
            assert_eq!(host(name), "invalid_request", "{name}");
        }
        let of = |version, pairs: &[(&'static str, &str)]| checked(version, "/", pairs);
        assert_eq!(of(Version::HTTP_11, &[]), "invalid_request");
        assert_eq!(of(Version::HTTP_10, &[]), "served");
        let twice = [("host", "localhost"), ("host", "localhost")];
        assert_eq!(of(Version::HTTP_11, &twice), "invalid_request");
        assert_eq!(of(Version::HTTP_10, &twice), "invalid_request");
        assert_eq!(
            of(Version::HTTP_10, &[("host", "evil.example")]),
            "forbidden_origin"
        );
    }

    #[test]
    fn a_whole_url_as_target_names_the_host_too() {
        let of = |target, name: &str| checked(Version::HTTP_11, target, &[("host", name)]);
        assert_eq!(of("http://localhost:1/x", "localhost:1"), "served");
        assert_eq!(
            of("http://evil.example/x", "localhost:1"),
            "forbidden_origin"
        );
        assert_eq!(
            of("http://localhost:1/x", "evil.example"),
            "forbidden_origin"
        );
    }

    #[test]
    fn a_page_of_another_origin_is_forbidden_and_the_servers_own_is_served() {
        let of = |name: &'static str, value: &str| {
            let pairs = [("host", "127.0.0.1:8080"), (name, value)];
            checked(Version::HTTP_11, "/", &pairs)
        };
        assert_eq!(of("origin", "http://127.0.0.1:8080"), "served");
        assert_eq!(of("sec-fetch-site", "same-origin"), "served");
        assert_eq!(of("sec-fetch-site", "none"), "served");
        for value in ["cross-site", "same-site", "", "Same-Origin"] {
            assert_eq!(of("sec-fetch-site", value), "forbidden_origin", "{value}");
        }
        for value in [
            "http://127.0.0.1:8081",
            "http://127.0.0.1",
            "http://localhost:8080",
            "http://evil.example:8080",
            "http://127.0.0.1:8080.evil.example",
            "file://127.0.0.1:8080",
            "null",
            "",
        ] {
            assert_eq!(of("origin", value), "forbidden_origin", "{value}");
        }
        let default = [("host", "localhost"), ("origin", "http://localhost:80")];
        assert_eq!(checked(Version::HTTP_11, "/", &default), "served");
        let two = [
            ("host", "localhost"),
            ("origin", "http://localhost"),
            ("origin", "http://evil.example"),
        ];
        assert_eq!(checked(Version::HTTP_11, "/", &two), "forbidden_origin");
    }
}
