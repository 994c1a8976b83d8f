//! A page of a list.

use serde::Serialize;
use utoipa::ToSchema;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct PageBody<T> {
    /// The entries of this page.
    data: Vec<T>,
    /// The value of `cursor` for the next page; null on the last page.
    #[schema(required, example = "AZehssPUfl-Ka3yNng8aKw")]
    next_cursor: Option<String>,
    /// True if there is a next page.
    has_more: bool,
}

impl<T> PageBody<T> {
    /// Creates a page from its entries and the cursor of the next page.
    pub fn new(data: Vec<T>, next_cursor: Option<String>) -> Self {
        Self {
            has_more: next_cursor.is_some(),
            data,
            next_cursor,
        }
    }
}
