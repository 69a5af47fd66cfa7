//! A record taken out of the client's hands: what a dead letter has to bring back unchanged.

use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, OwnedHeaders};

use super::assignment::Partition;
use crate::event::Rejection;

/// The original bytes and coordinates of a record.
#[derive(Debug)]
pub struct OriginalRecord {
    pub partition: Partition,
    pub offset: i64,
    pub key: Option<Box<[u8]>>,
    pub value: Option<Box<[u8]>>,
    pub headers: Option<OwnedHeaders>,
    /// Unix time, ms.
    pub timestamp: Option<i64>,
}

impl OriginalRecord {
    pub fn new(message: &BorrowedMessage<'_>, partition: Partition) -> Self {
        Self {
            partition,
            offset: message.offset(),
            key: message.key().map(Box::from),
            value: message.payload().map(Box::from),
            headers: message.headers().map(rdkafka::message::BorrowedHeaders::detach),
            timestamp: message.timestamp().to_millis(),
        }
    }
}

/// A record on its way to the dead letters.
#[derive(Debug)]
pub struct Rejected {
    pub record: OriginalRecord,
    pub rejection: Rejection,
}
