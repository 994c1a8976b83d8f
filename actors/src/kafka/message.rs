//! Messages as the client library gives them, and the partitions to which they belong.

use std::sync::Arc;

use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::topic_partition_list::TopicPartitionListElem;

use crate::bus::Message;
use crate::words::Incarnation;

/// The id of a partition: its topic, and its number within the topic.
pub(super) type PartitionId = (Arc<str>, i32);

/// Returns the id of the partition to which a message belongs.
pub(super) fn partition_of(message: &Message) -> PartitionId {
    (Arc::clone(&message.topic), message.partition)
}

/// Returns the id of the partition in an entry of a list of the library.
pub(super) fn partition_in(entry: &TopicPartitionListElem<'_>) -> PartitionId {
    (Arc::from(entry.topic()), entry.partition())
}

/// Converts a message of the library. The topic's incarnation is not part of it and is set later.
pub(super) fn message_from(message: &BorrowedMessage<'_>) -> Message {
    let headers = message.headers().map(|headers| {
        let each = headers.iter();
        each.map(|header| {
            let value = header.value.unwrap_or_default();
            (header.key.to_owned(), value.to_vec())
        })
        .collect()
    });
    Message {
        topic: message.topic().into(),
        partition: message.partition(),
        offset: message.offset(),
        incarnation: Incarnation::default(),
        settled_before: 0,
        timestamp_millis: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
        value: message.payload().map(<[u8]>::to_vec),
    }
}
