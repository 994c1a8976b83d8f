//! The forms of HTTP that need no state: problems, headers, query parameters, cursors, JSON, and the
//! values in bodies.

mod codes;
pub mod cursor;
pub mod headers;
pub mod json;
pub mod origin;
mod page;
mod pages;
mod problem;
mod query;
mod reference;
mod refusal;
mod request_body;
pub mod response;
pub mod values;
pub mod websocket;

pub use codes::ProblemCode;
pub use page::PageBody;
pub use pages::{Page, Pages};
pub use problem::{PROBLEM_TYPE, Problem, ProblemBody};
pub use query::Query;
pub use reference::problem_html;
pub use refusal::RefusalFields;
pub use request_body::{RequestBody, Unread};
