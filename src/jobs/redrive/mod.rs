//! Processes dead letters once more.
//!
//! ```text
//! selection   indexes the dead-letter topic, then selects each record's newest dead letter, if the filter takes it
//! index       the newest of several dead letters of one record
//! rules       which dead letters are decoded, and how
//! source      the batches of the job
//! dry_run     the same, read only
//! outcome     the outcomes that dead letters would have
//! ```
//!
//! Redriving is one more source of the same fold. The input topics are never written to, because other groups read
//! them. Dead letters that the job itself writes are past the offsets that it fixed at its start.

pub mod dry_run;
mod index;
pub mod outcome;
mod rules;
pub mod selection;
pub(crate) mod source;

use super::Means;
use super::spec::Redrive;
use crate::kafka::topic_reader::{Source, Span};

/// The dead-letter topic that the redrive has offsets of, whichever is configured where it is resumed, and these offsets.
fn topic(means: &Means, redrive: &Redrive) -> (Source, Vec<Span>) {
    let fixed = redrive.ranges.first().map(|range| range.topic.clone());
    let source = means.source_of(fixed.unwrap_or_else(|| means.output.topics.dead_letter.clone()));
    (source, redrive.ranges.iter().map(Span::from).collect())
}
