//! The journal at work. [`open`] finds the segments and returns the journal's parts: the [`queue`]
//! of new records, the [`committer`] that makes them durable and advances the [`watermark`], the
//! [`checkpointer`], the [`reader`] and the [`eraser`]. They share the open segments of the
//! [`shelf`].

pub(crate) mod checkpointer;
mod clean_mark;
pub(crate) mod committer;
pub(crate) mod damages;
pub(crate) mod eraser;
pub(crate) mod folder;
pub(crate) mod open;
pub(crate) mod options;
pub(crate) mod queue;
pub(crate) mod reader;
mod shelf;
pub(crate) mod verify;
pub(crate) mod watermark;
mod withheld;
