//! Where the partitions of this process stand: from memory, the metrics, and the group's rows in `segmenter.positions`.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use super::reading::PartitionLag;
use crate::ingest::partitions::PartitionNow;
use crate::ingest::rewinds::Rewind;
use crate::store::positions_of_groups::{ListedPosition, ListedPositions};

/// One partition assigned to this process.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartitionStatus {
    pub topic: String,
    pub partition: i32,
    /// Why it is not read; `null` where it is.
    #[schema(required)]
    pub not_read: Option<String>,
    /// Records not read yet; `null` until the first statistics.
    #[schema(required)]
    pub records: Option<f64>,
    /// The age of the oldest record that is not finished; 0 where there is none.
    pub seconds: f64,
    /// The stored position: every record before it is applied.
    #[schema(required)]
    pub position: Option<i64>,
    /// The time since a process was last seen to write it.
    #[schema(required)]
    pub position_age_seconds: Option<f64>,
    /// Whether the position was raised on the server that answers now: `present`, `earlier`, or `topic may be ahead`.
    #[schema(required)]
    pub history: Option<&'static str>,
    /// The offset committed to Kafka last.
    #[schema(required)]
    pub committed: Option<i64>,
    #[schema(required)]
    pub end: Option<i64>,
    /// The end of the repair range, while it is read: every user met before it is published.
    #[schema(required)]
    pub repair_until: Option<i64>,
    /// Since the process started.
    #[schema(required)]
    pub last_rewind: Option<RewindStatus>,
}

/// A partition was read again from an earlier offset.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RewindStatus {
    #[schema(format = DateTime)]
    pub at: String,
    pub from: i64,
    pub to: i64,
}

impl From<Rewind> for RewindStatus {
    fn from(rewind: Rewind) -> Self {
        Self { at: rewind.at.to_string(), from: rewind.from, to: rewind.to }
    }
}

/// Joins the three. `stored` was read `ago`; it is `None` where it could never be read.
pub(super) fn joined(
    partitions: Vec<PartitionNow>,
    lag: &[PartitionLag],
    stored: Option<(Duration, &ListedPositions)>,
) -> Vec<PartitionStatus> {
    let join = |now: PartitionNow| {
        let lag = lag.iter().find(|lag| lag.topic == now.topic && lag.partition == now.partition);
        let row = stored.and_then(|(ago, listed)| {
            let row = listed.rows.iter().find(|row| now.key == Some(row.key))?;
            Some((row, row.age + ago, history(row, listed)))
        });
        PartitionStatus {
            records: lag.map(|lag| lag.records),
            seconds: lag.map_or(0.0, |lag| lag.seconds),
            position: row.and_then(|(row, ..)| row.position).map(|position| position.next_offset),
            position_age_seconds: row.map(|(_, age, _)| age.as_secs_f64()),
            history: row.and_then(|(.., history)| history),
            topic: now.topic,
            partition: now.partition,
            not_read: now.not_read,
            committed: now.committed,
            end: now.end,
            repair_until: now.repair_until,
            last_rewind: now.last_rewind.map(RewindStatus::from),
        }
    };
    partitions.into_iter().map(join).collect()
}

fn history(row: &ListedPosition, listed: &ListedPositions) -> Option<&'static str> {
    Some(match row.position?.history {
        None => "topic may be ahead",
        Some(history) if history == listed.present => "present",
        Some(_) => "earlier",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::history::History;
    use crate::store::positions::{PartitionKey, StoredPosition};
    use uuid::Uuid;

    #[test]
    fn each_partition_has_its_own_row_and_a_position_of_an_earlier_server_shows_as_such() {
        let key = |partition| PartitionKey { topic_id: Uuid::nil(), partition };
        let now = |partition| PartitionNow {
            topic: "a".to_owned(),
            partition,
            key: (partition != 3).then(|| key(partition)),
            committed: Some(5),
            end: Some(9),
            repair_until: None,
            not_read: None,
            last_rewind: None,
        };
        let row = |partition, history: Option<i64>| ListedPosition {
            group: "g".to_owned(),
            key: key(partition),
            position: Some(StoredPosition { next_offset: i64::from(partition), history: history.map(History) }),
            age: Duration::from_secs(1),
        };
        let listed =
            ListedPositions { rows: vec![row(0, Some(7)), row(1, Some(6)), row(2, None)], present: History(7) };
        let lag = [PartitionLag { topic: "a".to_owned(), partition: 1, records: 4.0, seconds: 2.0 }];
        let joined = joined((0..4).map(now).collect(), &lag, Some((Duration::from_secs(2), &listed)));
        let histories: Vec<_> = joined.iter().map(|partition| (partition.position, partition.history)).collect();
        let expected = [
            (Some(0), Some("present")),
            (Some(1), Some("earlier")),
            (Some(2), Some("topic may be ahead")),
            (None, None),
        ];
        assert_eq!(histories, expected);
        assert_eq!((joined[0].records, joined[1].records), (None, Some(4.0)));
        assert_eq!((joined[0].position_age_seconds, joined[3].position_age_seconds), (Some(3.0), None));
    }
}
