//! What takes messages, whichever bus brings them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::message::Message;

/// How handling a message ends, once its effect is durable.
pub type Handling = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// Why a message was not handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It may go well later: it is tried again, after a pause that grows, before any later message
    /// of its partition.
    Transient {
        /// A stable word for metrics, as `overloaded`.
        reason: &'static str,
        /// A sentence for people.
        detail: String,
    },
    /// It never will: it becomes a dead letter at once.
    Poison {
        /// A stable word for metrics, as `malformed`.
        reason: &'static str,
        /// A sentence for people.
        detail: String,
    },
}

/// Which messages of its topics a consumer gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// The members of its group share the partitions.
    Share,
    /// Every instance gets every partition, whatever the group: for read models.
    Everything,
}

/// The consumer of a group that takes the messages of a topic: a group may have several.
pub(crate) fn consumer_of<'a>(
    consumers: &'a [Arc<dyn Consumer>],
    group: &str,
    topic: &str,
) -> Option<&'a Arc<dyn Consumer>> {
    consumers.iter().find(|consumer| {
        consumer.group() == group && consumer.topics().iter().any(|taken| taken == topic)
    })
}

/// Takes the messages of some topics, in order within a partition.
pub trait Consumer: Send + Sync {
    /// Its group, by which lag is told and dead letters are named.
    fn group(&self) -> &str;

    /// Its topics.
    fn topics(&self) -> &[String];

    /// Which of their messages it gets.
    fn reads(&self) -> Reads;

    /// The offset to go on from in a partition, where the consumer itself keeps how far it is;
    /// `None`: from the group's own, or the beginning.
    fn position(&self, topic: &str, partition: i32) -> Option<i64>;

    /// Handles a message. What has to be in order happens before this returns: the next message of
    /// the partition may be handed over before the future ends. A message may come again, with the
    /// same place or another, and has no second effect.
    fn handle(&self, message: Arc<Message>) -> Handling;
}
