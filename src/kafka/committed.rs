//! The metadata that this service commits with an offset. By it a start tells the service's own commit from one of another
//! program, and an offset of a deleted topic from one of its successor.

use uuid::Uuid;

/// Precedes the fields. A later format has another one, and counts as another program's.
const PREFIX: &str = "segmenter/1 ";

/// A committed offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// Committed by this service.
    Ours {
        offset: i64,
        /// The highest revision that the committing process knew.
        revision: i64,
    },
    /// Committed by this service, of a topic of the same name with another id.
    OfAnotherTopic { offset: i64 },
    /// Committed by another program: an operator's tool, or a mirror.
    Foreign { offset: i64 },
}

/// The metadata of a commit of `offset` on the topic with this id.
pub fn metadata(topic_id: Uuid, offset: i64, revision: i64) -> String {
    format!("{PREFIX}topic={topic_id} offset={offset} revision={revision}")
}

impl Committed {
    /// The commit of `offset` with this metadata, seen on the topic that now has the id `topic_id`.
    pub fn new(offset: i64, metadata: &[u8], topic_id: Uuid) -> Self {
        match fields(metadata) {
            // A mirror may copy metadata and translate the offset.
            Some((_, of, _)) if of != offset => Self::Foreign { offset },
            Some((id, _, _)) if id != topic_id => Self::OfAnotherTopic { offset },
            Some((_, _, revision)) => Self::Ours { offset, revision },
            None => Self::Foreign { offset },
        }
    }
}

fn fields(metadata: &[u8]) -> Option<(Uuid, i64, i64)> {
    let mut fields = std::str::from_utf8(metadata).ok()?.strip_prefix(PREFIX)?.split(' ');
    let topic_id = Uuid::parse_str(fields.next()?.strip_prefix("topic=")?).ok()?;
    let offset = fields.next()?.strip_prefix("offset=")?.parse().ok()?;
    let revision = fields.next()?.strip_prefix("revision=")?.parse().ok()?;
    fields.next().is_none().then_some((topic_id, offset, revision))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_ours_only_with_our_metadata_for_this_very_offset_and_topic() {
        let (id, other) = (Uuid::from_u128(7), Uuid::from_u128(8));
        let ours = metadata(id, 42, 1_000);
        assert_eq!(Committed::new(42, ours.as_bytes(), id), Committed::Ours { offset: 42, revision: 1_000 });
        assert_eq!(Committed::new(42, ours.as_bytes(), other), Committed::OfAnotherTopic { offset: 42 });
        assert_eq!(Committed::new(41, ours.as_bytes(), id), Committed::Foreign { offset: 41 });
        let foreign = ["", "topic-id=x", "segmenter/2 topic=", &format!("{ours} more")];
        for metadata in foreign.map(str::as_bytes).into_iter().chain([b"\xff".as_slice()]) {
            assert_eq!(Committed::new(42, metadata, id), Committed::Foreign { offset: 42 });
        }
    }
}
