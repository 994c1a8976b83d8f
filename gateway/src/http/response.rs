//! Responses in JSON, and their headers.

use serde::Serialize;
use warp::http::header::{CONTENT_TYPE, ETAG};
use warp::http::{HeaderName, HeaderValue, StatusCode};
use warp::reply::Response;

/// The initial capacity, in bytes, of the buffer for an answer's JSON: enough for one entity.
const JSON_BYTES: usize = 512;

/// Returns a response with this status and this body as JSON.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let mut bytes = Vec::with_capacity(JSON_BYTES);
    // The bodies hold only strings, numbers and maps of strings, so serialization can't fail.
    if serde_json::to_writer(&mut bytes, body).is_err() {
        bytes.clear();
    }
    let mut response = Response::new(bytes.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Sets the `ETag` of a response to the version of the entity that it shows.
pub fn tag(response: &mut Response, version: u64) {
    insert(response, ETAG, &format!("\"{version}\""));
}

/// Inserts a header whose value was made by Florin. A value that is not valid in a header is left
/// out.
pub fn insert(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
