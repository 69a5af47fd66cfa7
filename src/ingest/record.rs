//! An input record copied out of the client: everything that a dead letter has to carry unchanged.

use rdkafka::Message;
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, OwnedHeaders};

use crate::codec::RawRecord;
use crate::codec::framed::SCHEMA_HEADER;
use crate::codec::traceparent;
use crate::domain::event::Rejection;
use crate::kafka::headers::{TRACEPARENT, header};
use crate::kafka::partition::Partition;

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
    /// Copies `message`, which has these headers.
    pub fn new(message: &BorrowedMessage<'_>, headers: Option<&BorrowedHeaders>, partition: Partition) -> Self {
        Self {
            partition,
            offset: message.offset(),
            key: message.key().map(Box::from),
            value: message.payload().map(Box::from),
            headers: headers.map(BorrowedHeaders::detach),
            timestamp: message.timestamp().to_millis(),
        }
    }

    /// The record as it lay in `topic`.
    pub fn raw<'a>(&'a self, topic: &'a str) -> RawRecord<'a> {
        RawRecord {
            kind: self.partition.kind,
            topic,
            partition: self.partition.number,
            offset: self.offset,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            timestamp: self.timestamp,
            traceparent: self.header(TRACEPARENT),
        }
    }

    /// The header that names the value's schema.
    pub(crate) fn schema_header(&self) -> Option<&[u8]> {
        self.header(SCHEMA_HEADER)
    }

    /// The trace that the record belongs to, by which a log line about it is found.
    pub(crate) fn trace_id(&self) -> Option<&str> {
        traceparent::trace_id(self.header(TRACEPARENT)?)
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        header(self.headers.as_ref()?.as_borrowed(), name)
    }
}

/// A record to be dead-lettered.
#[derive(Debug)]
pub struct Rejected {
    pub record: OriginalRecord,
    pub rejection: Rejection,
}
