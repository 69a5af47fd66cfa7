//! Selects dead letters: of each record the newest, if the filter selects it. Two passes over the topic, so that memory
//! holds only the coordinates.

use rdkafka::message::OwnedMessage;
use serde::{Deserialize, Serialize};

use super::index::Index;
use crate::domain::event::{Millis, Reason};
use crate::ingest::dead_letter_reader::{DeadLetter, Foreign};
use crate::kafka::topic_reader::{ReadError, Source, Span, TopicReader};
use crate::store::audit::hashed;

/// The conditions on a dead letter; an empty or absent one selects all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Filter {
    /// One of these.
    pub reasons: Vec<Reason>,
    /// Failed at this time or later.
    pub from: Option<Millis>,
    /// Failed before this time.
    pub to: Option<Millis>,
    /// The original topic.
    pub topic: Option<String>,
    /// The hash of the original key: a job's row holds no user's id, and a resumed job still finds the user.
    pub user: Option<String>,
}

impl Filter {
    pub fn takes(&self, dead_letter: &DeadLetter) -> bool {
        let reason = self.reasons.is_empty() || self.reasons.contains(&dead_letter.reason);
        let time = self.from.is_none_or(|from| dead_letter.failed_at >= from)
            && self.to.is_none_or(|to| dead_letter.failed_at < to);
        let topic = self.topic.as_deref().is_none_or(|topic| *dead_letter.origin.topic == *topic);
        let is_of = |user: &String| dead_letter.key.as_deref().is_some_and(|key| hashed(key) == *user);
        reason && time && topic && self.user.as_ref().is_none_or(is_of)
    }
}

/// The content of the topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Records in all.
    pub records: u64,
    /// Those that are not dead letters of this program.
    pub foreign: u64,
    pub first_foreign: Option<Foreign>,
}

/// A dead letter that is the newest of its record.
#[derive(Debug)]
pub struct Selected {
    pub dead_letter: DeadLetter,
    /// The number of dead letters of the record.
    pub times: u32,
}

/// Selects dead letters of an indexed topic.
pub(crate) struct Selector {
    index: Index,
    filter: Filter,
}

impl Selector {
    /// Indexes these offsets of the topic. Blocks.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn index(source: &Source, spans: &[Span], filter: Filter) -> Result<(Self, Seen), ReadError> {
        let mut reader = source.read(spans)?;
        let (mut index, mut seen) = (Index::default(), Seen::default());
        while let Some(message) = reader.next_record()? {
            seen.records += 1;
            match DeadLetter::parse(&message) {
                Ok(dead_letter) => index.note(&dead_letter),
                Err(foreign) => {
                    seen.foreign += 1;
                    seen.first_foreign.get_or_insert(foreign);
                }
            }
        }
        Ok((Self { index, filter }, seen))
    }

    /// The record's dead letter, if it is the newest of its record and the filter takes it.
    pub fn select(&self, message: &OwnedMessage) -> Option<Selected> {
        let dead_letter = DeadLetter::parse(message).ok()?;
        let times = self.index.times_if_newest(&dead_letter)?;
        self.filter.takes(&dead_letter).then_some(Selected { dead_letter, times })
    }
}

/// The dead-letter topic, indexed by a first pass, in its second pass. Its calls block.
pub(crate) struct Selection {
    reader: TopicReader,
    selector: Selector,
    seen: Seen,
}

impl Selection {
    /// Indexes these offsets of the topic.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn open(source: &Source, spans: &[Span], filter: Filter) -> Result<Self, ReadError> {
        let (selector, seen) = Selector::index(source, spans, filter)?;
        Ok(Self { reader: source.read(spans)?, selector, seen })
    }

    /// The next dead letter that the filter selects, in the order of the topic.
    ///
    /// # Errors
    /// The topic cannot be read.
    pub(crate) fn next_selected(&mut self) -> Result<Option<Selected>, ReadError> {
        while let Some(message) = self.reader.next_record()? {
            if let Some(selected) = self.selector.select(&message) {
                return Ok(Some(selected));
            }
        }
        Ok(None)
    }

    pub fn seen(&self) -> &Seen {
        &self.seen
    }
}
