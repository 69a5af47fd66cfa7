//! The offsets that a replay reads, fixed at its start: later records are left to the live service.

use std::collections::BTreeMap;

use serde::Serialize;

use super::bound::Bound;
use crate::domain::event::Millis;
use crate::jobs::spec::Range;
use crate::kafka::topic_reader::{Source, Span};
use crate::runtime::halt::Halt;

/// The range that an operator requests.
#[derive(Debug, Clone)]
pub struct Wish {
    pub from: Bound,
    pub to: Bound,
    /// The current time, from which ages are subtracted.
    pub now: Millis,
    /// Only these partitions; empty means all.
    pub partitions: Vec<i32>,
}

/// One partition of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedRange {
    #[serde(flatten)]
    pub range: Range,
    /// The first offset that the brokers still have.
    pub earliest: i64,
    pub gap: Option<Gap>,
}

/// Requested records that are, or may be, deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Gap {
    /// This many offsets, from the start on, are deleted.
    Offsets(u64),
    /// The oldest remaining record is younger than the start, and older ones are deleted; their times are unknown.
    OlderRecordsGone,
}

/// Resolves `wish` to offsets in the topic of each source. Blocks.
///
/// # Errors
/// The brokers are unavailable, or a topic or partition does not exist.
pub fn plan(sources: &[Source], wish: &Wish) -> Result<Vec<PlannedRange>, Halt> {
    let mut planned = Vec::new();
    for source in sources {
        let spans = chosen(source.partitions()?, wish, &source.topic)?;
        let times = |bound: &Bound| match bound {
            Bound::At(moment) => source.offsets_at(moment.at(wish.now).0, &spans),
            Bound::Earliest | Bound::Latest | Bound::Offsets(_) => Ok(BTreeMap::new()),
        };
        let (from_times, to_times) = (times(&wish.from)?, times(&wish.to)?);
        for Span { partition, first: earliest, end: latest } in &spans {
            let place = |bound: &Bound, times: &BTreeMap<i32, i64>| match bound {
                Bound::Earliest => *earliest,
                Bound::Latest => *latest,
                Bound::Offsets(offsets) => offsets.get(partition).copied().unwrap_or(*latest),
                Bound::At(_) => times.get(partition).copied().unwrap_or(*latest),
            };
            let asked = place(&wish.from, &from_times);
            let end = place(&wish.to, &to_times).clamp(*earliest, *latest);
            let first = asked.clamp(*earliest, end);
            let gap = gap(&wish.from, asked, *earliest);
            let range = Range { topic: source.topic.clone(), partition: *partition, first, end };
            planned.push(PlannedRange { range, earliest: *earliest, gap });
        }
    }
    Ok(planned)
}

/// The partitions that the wish names, or all.
fn chosen(existing: Vec<Span>, wish: &Wish, topic: &str) -> Result<Vec<Span>, Halt> {
    let in_bound = |bound: &Bound| match bound {
        Bound::Offsets(offsets) => Some(offsets.keys().copied().collect::<Vec<i32>>()),
        _ => None,
    };
    let listed = (!wish.partitions.is_empty()).then(|| wish.partitions.clone());
    let named: Vec<Vec<i32>> = [listed, in_bound(&wish.from), in_bound(&wish.to)].into_iter().flatten().collect();
    let exists = |partition: &i32| existing.iter().any(|span| span.partition == *partition);
    if let Some(missing) = named.iter().flatten().find(|partition| !exists(partition)) {
        return Err(Halt::Refused(format!("{topic} has no partition {missing}")));
    }
    Ok(existing.into_iter().filter(|span| named.iter().all(|names| names.contains(&span.partition))).collect())
}

fn gap(from: &Bound, asked: i64, earliest: i64) -> Option<Gap> {
    match from {
        Bound::Offsets(_) => u64::try_from(earliest - asked).ok().filter(|gone| *gone > 0).map(Gap::Offsets),
        Bound::At(_) => (earliest > 0 && asked <= earliest).then_some(Gap::OlderRecordsGone),
        Bound::Earliest | Bound::Latest => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Moment;

    #[test]
    fn a_gap_is_a_requested_range_that_was_deleted() {
        let offsets = Bound::Offsets(BTreeMap::from([(0, 5)]));
        assert_eq!(gap(&offsets, 5, 8), Some(Gap::Offsets(3)));
        assert_eq!(gap(&offsets, 5, 5), None);
        let time = Bound::At(Moment::At(Millis(0)));
        assert_eq!(gap(&time, 8, 8), Some(Gap::OlderRecordsGone));
        assert_eq!(gap(&time, 9, 8), None, "an older record is still there");
        assert_eq!(gap(&time, 0, 0), None, "nothing was deleted");
        assert_eq!(gap(&Bound::Earliest, 8, 8), None, "earliest requests the existing records only");
    }
}
