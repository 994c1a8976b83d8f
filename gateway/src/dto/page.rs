//! A part of a list.

use serde::Serialize;
use utoipa::ToSchema;

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct PageBody<T> {
    /// The entries.
    data: Vec<T>,
    /// Send it back as `cursor` for the next part; null at the end.
    #[schema(required)]
    next_cursor: Option<String>,
    /// Whether there is a next part.
    has_more: bool,
}

impl<T> PageBody<T> {
    /// The entries, and where the list goes on.
    pub fn new(data: Vec<T>, next_cursor: Option<String>) -> Self {
        Self {
            has_more: next_cursor.is_some(),
            data,
            next_cursor,
        }
    }
}
