//! What segment-changed says last of each user: the topic is read from its beginning to its present end, and of each user
//! only the last record's revision is kept.

use std::collections::{BTreeMap, HashMap};

use rdkafka::Message as _;
use rdkafka::message::OwnedMessage;

use crate::codec::segment_changed::REVISION_HEADER;
use crate::domain::event::UserId;
use crate::kafka::headers;
use crate::kafka::topic_reader::{ReadError, Source, Span};

/// The last record of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastRecord {
    /// Absent where the header is missing or no number: not written by us.
    pub revision: Option<i64>,
    pub is_null: bool,
    /// Where it lies and when it was written, to tell which is last if the number of partitions was changed.
    partition: i32,
    timestamp: i64,
}

impl LastRecord {
    /// The record with this revision, if any; for comparing.
    pub fn new(revision: Option<i64>, is_null: bool) -> Self {
        Self { revision, is_null, partition: 0, timestamp: 0 }
    }

    fn follows(&self, other: &Self) -> bool {
        self.partition == other.partition || self.timestamp >= other.timestamp
    }
}

/// What has been read of segment-changed, and where to go on.
pub struct TopicRevisions {
    source: Source,
    /// The offset that each partition is read from next.
    next: BTreeMap<i32, i64>,
    pub users: HashMap<Box<str>, LastRecord>,
    pub records: u64,
    /// Records whose key names no user.
    pub unreadable: u64,
}

impl TopicRevisions {
    /// Nothing has been read yet.
    pub fn new(source: Source) -> Self {
        Self { source, next: BTreeMap::new(), users: HashMap::new(), records: 0, unreadable: 0 }
    }

    /// Reads on up to where the topic ends now. Blocks for as long as that takes.
    ///
    /// # Errors
    /// The brokers do not answer, or do not let us read.
    pub fn read_on(&mut self) -> Result<(), ReadError> {
        let mut spans = self.source.spans()?;
        for span in &mut spans {
            let next = self.next.insert(span.partition, span.end).unwrap_or(0);
            span.first = span.first.max(next);
        }
        let unread: Vec<Span> = spans.into_iter().filter(|span| span.first < span.end).collect();
        let mut reader = self.source.read(&unread)?;
        while let Some(record) = reader.next_record()? {
            self.note(&record);
        }
        Ok(())
    }

    fn note(&mut self, record: &OwnedMessage) {
        self.records += 1;
        let user = record.key().and_then(|key| std::str::from_utf8(key).ok()).filter(|key| UserId::new(key).is_some());
        let Some(user) = user else {
            self.unreadable += 1;
            return;
        };
        let last = LastRecord {
            revision: revision(record),
            is_null: record.payload().is_none(),
            partition: record.partition(),
            timestamp: record.timestamp().to_millis().unwrap_or(0),
        };
        match self.users.get_mut(user) {
            Some(held) if last.follows(held) => *held = last,
            Some(_) => {}
            None => drop(self.users.insert(user.into(), last)),
        }
    }
}

fn revision(record: &OwnedMessage) -> Option<i64> {
    let revision = headers::header(record.headers()?.as_borrowed(), REVISION_HEADER)?;
    std::str::from_utf8(revision).ok()?.parse().ok()
}
