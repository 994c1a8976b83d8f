//! The operations that are not yet decided and durable, and the actions that wait for a record to
//! become durable.

pub mod under_way;
pub mod waiting;
