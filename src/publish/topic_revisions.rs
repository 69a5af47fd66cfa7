//! The last record of each user on segment-changed: reads the topic from its beginning to its present end and keeps only the
//! revision of each user's last record.

use std::collections::{BTreeMap, HashMap};

use rdkafka::Message as _;
use rdkafka::message::OwnedMessage;

use crate::codec::segment_changed::REVISION_HEADER;
use crate::domain::event::UserId;
use crate::kafka::headers;
use crate::kafka::topic_reader::{ReadError, Source, Span};

/// The last record of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastRecord {
    /// `None` where the header is missing or not a number: the record is not ours.
    pub revision: Option<i64>,
    pub is_null: bool,
    /// With the timestamp, decides which record is last if the number of partitions was changed.
    partition: i32,
    timestamp: i64,
}

impl LastRecord {
    /// A record with this revision, for comparisons.
    #[cfg(test)]
    pub(crate) fn new(revision: Option<i64>, is_null: bool) -> Self {
        Self { revision, is_null, partition: 0, timestamp: 0 }
    }

    fn follows(&self, other: &Self) -> bool {
        self.partition == other.partition || self.timestamp >= other.timestamp
    }
}

/// The last record of each user, and the next offset of each partition.
pub(crate) struct TopicRevisions {
    source: Source,
    /// The next offset of each partition.
    next: BTreeMap<i32, i64>,
    pub users: HashMap<Box<str>, LastRecord>,
    pub records: u64,
    /// Records without a valid user id as their key.
    pub unreadable: u64,
}

impl TopicRevisions {
    /// With nothing read yet.
    pub fn new(source: Source) -> Self {
        Self { source, next: BTreeMap::new(), users: HashMap::new(), records: 0, unreadable: 0 }
    }

    /// Reads on to the topic's present end. Blocks until it is reached.
    ///
    /// # Errors
    /// The brokers are unavailable or deny reading.
    pub(crate) fn read_on(&mut self) -> Result<(), ReadError> {
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
