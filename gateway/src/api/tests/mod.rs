//! Tests of the whole API: its table, its bodies and its description. The tests in `tests/suite`
//! check that the server behaves as described.

mod bodies;
mod openapi;
mod requests;
mod table;
