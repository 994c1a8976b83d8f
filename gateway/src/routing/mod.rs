//! Routes and requests to them. A route is a row with everything that is known about it: its path,
//! its description, its parameters, its answers and its handler. Requests are matched against all
//! rows before warp, because a long chain of warp filters costs as much as a whole request. The
//! OpenAPI document, the labels of metrics, and the answers 404 and 405 are also made from the rows.

mod answer;
mod body;
mod filter;
mod find;
mod gateway;
mod limits;
mod path;
mod purpose;
pub mod refusals;
mod route;
mod schema;
mod scope;
mod subject;
mod tag;

pub use answer::{Answer, JSON, changed, created, done, listed, page, shown};
pub use body::{read, read_up_to};
pub use filter::{Filter, Form};
pub use find::{Found, Routes};
pub use gateway::{Gateway, StopSignal};
pub use limits::Limits;
pub use path::Parameter;
pub use purpose::{Purpose, change, create, listing, task};
pub use route::{Answering, Call, Resource, Route, Row};
pub use schema::SchemaOf;
pub use scope::Scope;
pub use subject::Subject;
pub use tag::Tag;
