//! The interface of message consumers, for both the Kafka and the embedded bus.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::continuity::Continuity;
use super::delivery::Failure;
use super::message::Message;
use crate::words::InputPositions;

/// The future of handling a message. It completes when the message's effect is durable.
pub type Handling = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// The partitions of its topics that a consumer reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// The members of the consumer's group share the partitions.
    Share,
    /// Every instance reads every partition, independently of the group. Read models use this.
    Everything,
}

/// Returns the group's consumer that reads a topic. A group may have several consumers.
pub(crate) fn consumer_of<'a>(
    consumers: &'a [Arc<dyn Consumer>],
    group: &str,
    topic: &str,
) -> Option<&'a Arc<dyn Consumer>> {
    consumers.iter().find(|consumer| {
        consumer.group() == group && consumer.topics().iter().any(|taken| taken == topic)
    })
}

/// A consumer of topics. It gets the messages of a partition in order.
pub trait Consumer: Send + Sync {
    /// Returns the consumer's group. Lag and dead letters are reported under this name.
    fn group(&self) -> &str;

    /// Returns the consumer's topics.
    fn topics(&self) -> &[String];

    /// Returns which partitions of its topics the consumer reads.
    fn reads(&self) -> Reads;

    /// Returns the offset at which to resume a partition, if the consumer keeps its own positions.
    /// `None` means that the group's committed offset applies, or else the beginning of the
    /// partition.
    fn position(&self, topic: &str, partition: i32) -> Option<i64>;

    /// Returns how far each partition was read according to the records of this consumer's journal.
    ///
    /// # Errors
    /// Returns an error if the positions can't be determined now.
    fn inputs(&self) -> Result<InputPositions, Failure> {
        Ok(InputPositions::new())
    }

    /// Returns the interface that proves reading without a gap, if the consumer keeps its own
    /// positions.
    fn continuity(&self) -> Option<&dyn Continuity> {
        None
    }

    /// Handles a message. Everything that must happen in order happens before this function
    /// returns, because the next message of the partition may be handed over before the future
    /// completes. The same message may be delivered again, at the same offset or at another one; it
    /// must not have a second effect.
    fn handle(&self, message: Arc<Message>) -> Handling;
}
