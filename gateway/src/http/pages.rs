//! The pages that don't change while the process runs. They are made once, at the start.

use std::collections::BTreeMap;

use bytes::Bytes;
use warp::http::HeaderValue;
use warp::http::header::CONTENT_TYPE;
use warp::reply::Response;

/// A page that doesn't change.
#[derive(Debug)]
pub struct Page {
    content_type: &'static str,
    bytes: Bytes,
}

impl Page {
    /// Creates a page from its content type and its content.
    pub fn new(content_type: &'static str, content: impl Into<Bytes>) -> Self {
        Self {
            content_type,
            bytes: content.into(),
        }
    }

    /// Returns whether the page has no content.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn response(&self) -> Response {
        let mut response = Response::new(Bytes::clone(&self.bytes).into());
        let content_type = HeaderValue::from_static(self.content_type);
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }
}

/// All pages that don't change, by path.
#[derive(Debug)]
pub struct Pages(BTreeMap<String, Page>);

impl Pages {
    /// Collects pages with their paths.
    pub fn new(pages: impl IntoIterator<Item = (String, Page)>) -> Self {
        Self(pages.into_iter().collect())
    }

    /// Returns the response with the page at `path`. One slash at the end makes no difference.
    /// Returns `None` if there is no page at this path.
    pub fn serve(&self, path: &str) -> Option<Response> {
        let path = path.strip_suffix('/').unwrap_or(path);
        self.0.get(path).map(Page::response)
    }
}
