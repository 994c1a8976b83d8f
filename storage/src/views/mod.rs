//! The files of the views: tables of rows, and the journal position that they reach. [`store`] opens
//! and writes a view, [`access`] holds its transactions, and [`file`](mod@file) classifies its errors.

pub(crate) mod access;
pub(crate) mod file;
pub(crate) mod store;
