//! The id that a topic gets when it is created; it differs between a topic and a later one of the same name. Positions are
//! stored and offsets committed with it, so that those of a deleted topic are not applied to its successor.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use crate::domain::event::Kind;

/// The namespace of the ids of topics whose brokers give none (before Kafka 2.8). A topic of the same name is then the same.
const NAMES: Uuid = Uuid::from_u128(0x6f0b_5c1e_93a7_5d42_b8f4_0c6d_2e91_7a35);

/// The id of a topic, from librdkafka's two halves; both are 0 where the brokers give none.
pub(crate) fn of(name: &str, high: u64, low: u64) -> Uuid {
    let id = Uuid::from_u64_pair(high, low);
    if id.is_nil() { without_id(name) } else { id }
}

/// The id of a topic whose brokers give none.
pub(crate) fn without_id(name: &str) -> Uuid {
    Uuid::new_v5(&NAMES, name.as_bytes())
}

/// The ids of the input topics that the brokers reported last. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct PresentTopicIds(Arc<Mutex<HashMap<Kind, Uuid>>>);

impl PresentTopicIds {
    /// Records ids that the brokers have reported.
    pub(crate) fn see(&self, ids: &HashMap<Kind, Uuid>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
    }

    /// The id of the topic of this kind; `None` until the brokers have reported one.
    pub(crate) fn of(&self, kind: Kind) -> Option<Uuid> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&kind).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_without_an_id_is_known_by_its_name() {
        assert_eq!(of("a", 1, 2), Uuid::from_u64_pair(1, 2));
        assert_eq!(of("a", 0, 0), without_id("a"));
        assert_ne!(without_id("a"), without_id("b"));
    }
}
