//! Reading a body: within its bounds of size and time, as JSON only.

use std::pin::pin;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use florin_actors::runtime::{Permit, Permits, within};
use futures_util::{Stream, StreamExt};
use serde::de::DeserializeOwned;
use warp::http::HeaderMap;
use warp::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};

use crate::call::Call;
use crate::codes::ProblemCode;
use crate::json;
use crate::problem::Problem;

/// Bodies above this are large: parsed elsewhere than on the thread that carries the connection, and
/// counted while they are there.
const LARGE_BYTES: usize = 64 << 10;

/// Reads a request's body. One that is too large is refused before or while it is read, and the
/// rest is left to the connection, which throws it away.
pub async fn read<T, S, B>(call: &Call, body: S) -> Result<T, Problem>
where
    T: DeserializeOwned + Send + 'static,
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let bytes_max = call.gateway.limits.body_bytes_max;
    read_up_to(call, body, bytes_max).await
}

/// The same for a body of up to so many bytes.
pub async fn read_up_to<T, S, B>(call: &Call, body: S, bytes_max: usize) -> Result<T, Problem>
where
    T: DeserializeOwned + Send + 'static,
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let limits = &call.gateway.limits;
    if declared_length(&call.headers).is_some_and(|length| length > bytes_max as u64) {
        return Err(too_large(bytes_max));
    }
    // Held until it is parsed.
    let mut room = Room::new(&call.gateway.bodies);
    let body = within(limits.body_read, collect(body, bytes_max, &mut room));
    let body = body.await.ok_or_else(|| {
        let detail = format!(
            "the body did not arrive within {} s",
            limits.body_read.as_secs()
        );
        Problem::new(ProblemCode::InvalidRequest, detail)
    })??;
    if !body.is_empty() {
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

/// The length that a request declares.
pub fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The room of a body, which only a large one takes.
struct Room<'a> {
    of: &'a Arc<Permits>,
    taken: Option<Permit>,
}

impl<'a> Room<'a> {
    const fn new(of: &'a Arc<Permits>) -> Self {
        Self { of, taken: None }
    }

    /// Takes room for so many bytes in all; whether the other bodies leave it.
    fn is_enough_for(&mut self, bytes: usize) -> bool {
        let taken = self.taken.get_or_insert_with(|| self.of.occupy(0));
        taken.grow(bytes - taken.weight())
    }
}

async fn collect<S, B>(body: S, bytes_max: usize, room: &mut Room<'_>) -> Result<Bytes, Problem>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let mut body = pin!(body);
    let mut whole = Bytes::new();
    let mut rest = BytesMut::new();
    let cut = |_| {
        Problem::new(
            ProblemCode::InvalidRequest,
            "the body ended too early or is badly framed",
        )
    };
    while let Some(part) = body.next().await {
        let mut part = part.map_err(cut)?;
        let so_far = whole.len() + rest.len() + part.remaining();
        if so_far > bytes_max {
            return Err(too_large(bytes_max));
        }
        if so_far > LARGE_BYTES && !room.is_enough_for(so_far) {
            let detail = "other large bodies are being read";
            return Err(Problem::new(ProblemCode::Overloaded, detail));
        }
        if whole.is_empty() && rest.is_empty() {
            whole = part.copy_to_bytes(part.remaining());
        } else {
            rest.extend_from_slice(&whole);
            whole.clear();
            rest.extend_from_slice(&part.copy_to_bytes(part.remaining()));
        }
    }
    Ok(if rest.is_empty() {
        whole
    } else {
        rest.freeze()
    })
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(
        ProblemCode::BodyTooLarge,
        format!("a body may have {bytes_max} bytes at most"),
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
    use super::*;
    use warp::http::HeaderValue;

    async fn collected(parts: &[&'static [u8]], bytes_max: usize) -> Result<Bytes, Problem> {
        let parts: Vec<Result<Bytes, warp::Error>> = parts
            .iter()
            .map(|part| Ok(Bytes::from_static(part)))
            .collect();
        let bodies = Permits::new(1 << 20);
        let mut room = Room::new(&bodies);
        collect(futures_util::stream::iter(parts), bytes_max, &mut room).await
    }

    #[tokio::test]
    async fn large_bodies_share_their_room_and_small_ones_need_none() {
        let bodies = Permits::new(100 << 10);
        let part: &[u8] = &[b' '; 40 << 10];
        let read = async |count: usize, room: &mut Room<'_>| {
            let parts = futures_util::stream::iter((0..count).map(|_| Ok(part)));
            collect(parts, usize::MAX, room)
                .await
                .map(|whole| whole.len())
        };
        let (mut one, mut other) = (Room::new(&bodies), Room::new(&bodies));
        assert_eq!(read(1, &mut one).await, Ok(40 << 10));
        assert_eq!(bodies.taken(), 0);
        // One may go past the most, and the others wait for it.
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
