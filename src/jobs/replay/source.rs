//! How a replay takes records: decoded, of the users that it is meant for.

use std::collections::HashSet;

use rdkafka::Message;
use rdkafka::message::OwnedMessage;
use tokio::runtime::Handle;

use crate::codec::framed::SCHEMA_HEADER;
use crate::codec::{Decoded, RawRecord};
use crate::domain::event::{Event, Kind};
use crate::domain::sample::Sample;
use crate::ingest::record::OriginalRecord;
use crate::jobs::Means;
use crate::jobs::batch::Attempt;
use crate::jobs::records::{Records, Take, Taken};
use crate::jobs::spec::Replay;
use crate::kafka::client::Topics;
use crate::kafka::headers;
use crate::kafka::partition::Partition;
use crate::registry::decoder::Decoder;
use crate::runtime::halt::Halt;
use crate::store::jobs::Part;

/// A live record is tried once; so is a replayed one.
const FIRST_ATTEMPT: u32 = 1;

/// Starts to read the parts in `left` from their positions; events of users outside `sample` are skipped.
pub(crate) fn open(means: &Means, replay: &Replay, left: &[&Part], sample: Sample) -> Records {
    let rules = Rules {
        topics: means.output.topics.clone(),
        decoder: means.decoder.clone(),
        users: replay.users.iter().cloned().collect(),
        dead_letters: replay.dead_letters,
        sample,
    };
    Records::open(means, &replay.ranges, left, rules)
}

/// The rules by which records are decoded and selected.
struct Rules {
    topics: Topics,
    decoder: Decoder,
    users: HashSet<String>,
    dead_letters: bool,
    sample: Sample,
}

impl Take for Rules {
    fn left(&self) -> u64 {
        u64::MAX
    }

    fn take(&mut self, message: &OwnedMessage, taken: &mut Taken) -> Result<(), Halt> {
        taken.records += 1;
        taken.bytes += message.payload().map_or(0, <[u8]>::len);
        let Some(kind) = self.topics.kind_of(message.topic()) else { return Ok(()) };
        let schema = message.headers().and_then(|headers| headers::header(headers.as_borrowed(), SCHEMA_HEADER));
        match Handle::current().block_on(self.decoder.decode(&raw(message, kind), schema))? {
            Decoded::Event(event) if self.is_meant(&event) => {
                taken.events.push(event);
                if self.dead_letters {
                    taken.attempts.push(attempt(message, kind));
                }
            }
            Decoded::Event(_) | Decoded::Skipped(_) => taken.counts.skip(),
            Decoded::Rejected(rejection) => {
                taken.counts.reject(rejection.reason);
                if self.dead_letters {
                    taken.refused.push(attempt(message, kind).refused(rejection));
                }
            }
        }
        Ok(())
    }
}

impl Rules {
    fn is_meant(&self, event: &Event) -> bool {
        let user = event.user.as_str();
        (self.users.is_empty() || self.users.contains(user)) && self.sample.contains(user)
    }
}

fn raw(message: &OwnedMessage, kind: Kind) -> RawRecord<'_> {
    let traceparent =
        message.headers().and_then(|headers| headers::header(headers.as_borrowed(), headers::TRACEPARENT));
    RawRecord {
        kind,
        topic: message.topic(),
        partition: message.partition(),
        offset: message.offset(),
        key: message.key(),
        value: message.payload(),
        timestamp: message.timestamp().to_millis(),
        traceparent,
    }
}

fn attempt(message: &OwnedMessage, kind: Kind) -> Attempt {
    let record = OriginalRecord {
        partition: Partition { kind, number: message.partition() },
        offset: message.offset(),
        key: message.key().map(Box::from),
        value: message.payload().map(Box::from),
        headers: message.headers().cloned(),
        timestamp: message.timestamp().to_millis(),
    };
    Attempt { record, number: FIRST_ATTEMPT }
}
