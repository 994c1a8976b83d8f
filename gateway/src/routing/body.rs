//! Reads the body of a request: JSON only, within bounds of size and time.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use florin_actors::runtime::{Permit, Permits, Unavailable, within};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use serde::de::DeserializeOwned;
use warp::http::HeaderMap;
use warp::http::header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT};

use super::route::Call;
use crate::http::{Problem, ProblemCode, RequestBody, headers, json};

/// Bodies larger than this many bytes are large: they are parsed on another thread than the one
/// that serves the connection, and their total size is limited while they are read.
const LARGE_BYTES: usize = 64 << 10;

/// Reads a request's body. A body that is too large is refused before or while it is read. The
/// unread rest is left to the connection, which discards it.
pub async fn read<T>(call: &Call, body: RequestBody) -> Result<T, Problem>
where
    T: DeserializeOwned + Send + 'static,
{
    let bytes_max = call.gateway.limits.body_bytes_max;
    read_up_to(call, body, bytes_max).await
}

/// Does the same as [`read`], with a limit of `bytes_max` bytes.
pub async fn read_up_to<T>(call: &Call, body: RequestBody, bytes_max: usize) -> Result<T, Problem>
where
    T: DeserializeOwned + Send + 'static,
{
    let limits = &call.gateway.limits;
    // hyper sends `100 Continue` to a client that waits for it (`Expect: 100-continue`) as soon as
    // the body is first read. So everything that the head alone decides is checked before that.
    let declared = headers::declared_length(&call.headers);
    if declared.is_some_and(|length| length > bytes_max as u64) {
        return Err(too_large(bytes_max));
    }
    if call.headers.contains_key(EXPECT) {
        check_head(call)?;
    }
    if declared.is_some_and(|length| length > 0) {
        check_type(&call.headers)?;
    }
    // The permit is held until the body is parsed.
    let mut room = Room::new(&call.gateway.bodies);
    let body = within(limits.body_read, collect(body, bytes_max, &mut room));
    let body = body.await.ok_or_else(|| {
        let detail = format!(
            "the body did not arrive within {} s",
            limits.body_read.as_secs()
        );
        Problem::new(ProblemCode::InvalidRequest, detail)
    })??;
    if !body.is_empty() && declared.is_none() {
        check_type(&call.headers)?;
    }
    if body.len() <= LARGE_BYTES {
        return json::parse(&body);
    }
    let parsed = call
        .gateway
        .beside
        .spawn_blocking(move || json::parse(&body));
    parsed.await.unwrap_or_else(|_| {
        Err(Problem::new(
            ProblemCode::ShuttingDown,
            "the server is stopping",
        ))
    })
}

/// The permit of one body. Only a large body takes one.
struct Room<'a> {
    of: &'a Arc<Permits>,
    taken: Option<Permit>,
}

impl<'a> Room<'a> {
    const fn new(of: &'a Arc<Permits>) -> Self {
        Self { of, taken: None }
    }

    /// Extends the permit to `bytes` bytes in total. Returns whether the other bodies leave room
    /// for it.
    fn is_enough_for(&mut self, bytes: usize) -> bool {
        let taken = self.taken.get_or_insert_with(|| self.of.occupy(0));
        taken.grow(bytes - taken.weight())
    }
}

async fn collect(
    mut body: impl Body<Data = Bytes> + Unpin,
    bytes_max: usize,
    room: &mut Room<'_>,
) -> Result<Bytes, Problem> {
    let mut whole = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            let detail = "the body ended too early or its framing is malformed";
            Problem::new(ProblemCode::InvalidRequest, detail)
        })?;
        // Trailers are ignored.
        let Ok(part) = frame.into_data() else {
            continue;
        };
        let so_far = whole.len() + rest.len() + part.len();
        if so_far > bytes_max {
            return Err(too_large(bytes_max));
        }
        if so_far > LARGE_BYTES && !room.is_enough_for(so_far) {
            let detail = "too many other large bodies are being read";
            return Err(Problem::new(ProblemCode::Overloaded, detail));
        }
        if whole.is_empty() && rest.is_empty() {
            whole = part;
        } else {
            rest.extend_from_slice(&whole);
            whole.clear();
            rest.extend_from_slice(&part);
        }
    }
    Ok(if rest.is_empty() {
        whole
    } else {
        rest.freeze()
    })
}

/// Checks everything that the head alone decides, for a client that sends its body only after
/// `100 Continue`.
fn check_head(call: &Call) -> Result<(), Problem> {
    if headers::declared_length(&call.headers) != Some(0) {
        check_type(&call.headers)?;
    }
    call.query()?;
    if call.route.purpose.is_command() {
        headers::key(&call.headers, None)?;
        headers::precondition(&call.headers)?;
    }
    if call.gateway.is_stopping() {
        return Err(Unavailable::ShuttingDown.into());
    }
    Ok(())
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(
        ProblemCode::BodyTooLarge,
        format!("a body may have at most {bytes_max} bytes"),
    )
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let is_json = types.next().is_some_and(|value| {
        let kind = value
            .to_str()
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default();
        kind.trim().eq_ignore_ascii_case("application/json")
    });
    if !is_json || types.next().is_some() {
        let detail = "a body needs the header Content-Type: application/json";
        return Err(Problem::new(ProblemCode::UnsupportedMediaType, detail));
    }
    match headers.get(CONTENT_ENCODING) {
        Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"identity") => Err(Problem::new(
            ProblemCode::UnsupportedMediaType,
            "a body may not be compressed",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use futures_util::stream;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use warp::http::HeaderValue;

    fn body(parts: impl IntoIterator<Item = Bytes>) -> impl Body<Data = Bytes> + Unpin {
        let parts: Vec<_> = parts.into_iter().map(Frame::data).collect();
        StreamBody::new(stream::iter(parts.into_iter().map(Ok::<_, Infallible>)))
    }

    async fn collected(parts: &[&'static [u8]], bytes_max: usize) -> Result<Bytes, Problem> {
        let parts = parts.iter().map(|part| Bytes::from_static(part));
        let bodies = Permits::new(1 << 20);
        collect(body(parts), bytes_max, &mut Room::new(&bodies)).await
    }

    #[tokio::test]
    async fn large_bodies_share_their_room_and_small_ones_need_none() {
        let bodies = Permits::new(100 << 10);
        let part = Bytes::from_static(&[b' '; 40 << 10]);
        let read = async |count: usize, room: &mut Room<'_>| {
            let parts = vec![part.clone(); count];
            collect(body(parts), usize::MAX, room)
                .await
                .map(|whole| whole.len())
        };
        let (mut one, mut other) = (Room::new(&bodies), Room::new(&bodies));
        assert_eq!(read(1, &mut one).await, Ok(40 << 10));
        assert_eq!(bodies.taken(), 0);
        // One body may go past the limit; the other large bodies are refused until it ends.
        assert_eq!(read(3, &mut one).await, Ok(120 << 10));
        assert_eq!(bodies.taken(), 120 << 10);
        let refused = read(2, &mut other).await.unwrap_err();
        assert_eq!(refused.code(), ProblemCode::Overloaded);
        assert_eq!(read(1, &mut other).await, Ok(40 << 10));
        drop((one, other));
        assert_eq!(bodies.taken(), 0);
        assert_eq!(read(2, &mut Room::new(&bodies)).await, Ok(80 << 10));
    }

    #[tokio::test]
    async fn a_body_keeps_to_its_bound_however_it_is_cut() {
        assert_eq!(
            collected(&[b"ab", b"", b"cd"], 4).await,
            Ok(Bytes::from_static(b"abcd"))
        );
        assert_eq!(collected(&[], 4).await, Ok(Bytes::new()));
        let problem = collected(&[b"abc", b"de"], 4).await.unwrap_err();
        assert_eq!(problem.code(), ProblemCode::BodyTooLarge);
    }

    #[test]
    fn only_json_is_taken() {
        let of = |pairs: &[(warp::http::HeaderName, &'static str)]| {
            let headers = pairs
                .iter()
                .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            check_type(&headers.collect())
        };
        assert!(of(&[(CONTENT_TYPE, "application/json")]).is_ok());
        assert!(of(&[(CONTENT_TYPE, "Application/JSON; charset=utf-8")]).is_ok());
        for kind in [
            "text/plain",
            "application/jsonx",
            "",
            "application/x-www-form-urlencoded",
        ] {
            assert!(of(&[(CONTENT_TYPE, kind)]).is_err(), "{kind}");
        }
        assert!(of(&[]).is_err());
        assert!(
            of(&[
                (CONTENT_TYPE, "application/json"),
                (CONTENT_ENCODING, "gzip")
            ])
            .is_err()
        );
    }
}
