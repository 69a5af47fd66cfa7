//! Reads segment-changed: the last record of each user, from the topic's beginning to its present end, with the revision of the last
//! record, the highest revision and the newest erasure; or only the newest revisions, near its end.

use std::collections::{BTreeMap, HashMap};

use rdkafka::Message as _;
use rdkafka::message::OwnedMessage;

use crate::codec::segment_changed::{ERASED_AT_HEADER, REVISION_HEADER};
use crate::domain::event::{Millis, UserId};
use crate::domain::fold::TopicRecord;
use crate::kafka::headers;
use crate::kafka::topic_reader::{ReadError, Source, Span};
use crate::store::user_status::Published;

/// The last record of a user, and what all records of the user show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastRecord {
    /// `None` where the header is missing or not a number: the record is not ours.
    pub revision: Option<i64>,
    pub is_null: bool,
    /// The highest revision of any record; 0 if none has one.
    highest: i64,
    /// The newest erasure that a tombstone names.
    erased_at: Option<Millis>,
    /// With the timestamp, decides which record is last if the number of partitions was changed.
    partition: i32,
    timestamp: i64,
}

impl LastRecord {
    /// A record with this revision and erasure, for comparisons.
    #[cfg(test)]
    pub(crate) fn new(revision: Option<i64>, is_null: bool, erased_at: Option<Millis>) -> Self {
        Self { revision, is_null, highest: revision.unwrap_or(0), erased_at, partition: 0, timestamp: 0 }
    }

    fn of(record: &OwnedMessage) -> Self {
        let revision = number(record, REVISION_HEADER);
        let is_null = record.payload().is_none();
        Self {
            revision,
            is_null,
            highest: revision.unwrap_or(0),
            erased_at: number(record, ERASED_AT_HEADER).filter(|_| is_null).map(Millis),
            partition: record.partition(),
            timestamp: record.timestamp().to_millis().unwrap_or(0),
        }
    }

    /// Takes in the user's next record.
    fn add(&mut self, next: Self) {
        let highest = self.highest.max(next.highest);
        let erased_at = self.erased_at.max(next.erased_at);
        let last = if self.partition == next.partition || next.timestamp >= self.timestamp { next } else { *self };
        *self = Self { highest, erased_at, ..last };
    }

    /// Whether the topic names an erasure that the database does not have.
    pub(crate) fn names_lost_erasure(&self, known: &Published) -> bool {
        self.erased_at > known.erased_at
    }

    /// Whether the database has lost what is on the topic of a user that it knows.
    pub(crate) fn is_ahead_of(&self, known: &Published) -> bool {
        let is_known = known.revision > 0 || (known.has_state && !self.is_null);
        self.names_lost_erasure(known) || (is_known && self.highest > known.revision)
    }

    pub(crate) fn record(&self) -> TopicRecord {
        TopicRecord { revision: self.highest, erased_at: self.erased_at }
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
        let record = LastRecord::of(record);
        match self.users.get_mut(user) {
            Some(held) => held.add(record),
            None => drop(self.users.insert(user.into(), record)),
        }
    }
}

/// How many offsets of each partition are near its end. The changes that all publishers have in flight are fewer: later records
/// with lower revisions are as many at most.
const NEAR_END: i64 = 5_000;

/// The highest revision near the end of the topic; 0 without one. Blocks.
///
/// # Errors
/// The brokers are unavailable or deny reading.
pub(crate) fn newest(source: &Source) -> Result<i64, ReadError> {
    let spans = source.spans()?;
    let tails: Vec<Span> =
        spans.into_iter().map(|span| Span { first: span.first.max(span.end - NEAR_END), ..span }).collect();
    let mut reader = source.read(&tails)?;
    let mut newest = 0;
    while let Some(record) = reader.next_record()? {
        newest = newest.max(number(&record, REVISION_HEADER).unwrap_or(0));
    }
    Ok(newest)
}

fn number(record: &OwnedMessage, name: &str) -> Option<i64> {
    let value = headers::header(record.headers()?.as_borrowed(), name)?;
    std::str::from_utf8(value).ok()?.parse().ok()
}
