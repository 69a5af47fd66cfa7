//! How a redrive takes dead letters: those that the filter selects, decoded as from their original topics.

use rdkafka::message::OwnedMessage;
use tokio::runtime::Handle;
use tracing::warn;

use super::rules::Rules;
use super::selection::Selector;
use super::topic;
use crate::codec::Decoded;
use crate::jobs::batch::Attempt;
use crate::jobs::records::{Records, Take, Taken};
use crate::jobs::spec::Redrive;
use crate::jobs::{Means, blocking};
use crate::runtime::halt::Halt;
use crate::store::jobs::Part;

/// Indexes all of the job's offsets, then starts to read its `parts` that are not done from their positions.
///
/// # Errors
/// The topic cannot be read, or a stop was requested.
pub(crate) async fn open(means: &Means, redrive: &Redrive, parts: &[Part]) -> Result<Records, Halt> {
    let (source, spans) = topic(means, redrive);
    let filter = redrive.filter.clone();
    let (selector, seen) = blocking(move || Selector::index(&source, &spans, filter)).await??;
    if seen.foreign > 0 {
        warn!(
            records = seen.foreign,
            "records of the dead-letter topic are no dead letters of segmenter; they are left"
        );
    }
    let taken = parts.iter().map(|part| part.counts.items).sum();
    let taking = Taking {
        selector,
        rules: Rules::new(means, redrive.max_attempts),
        left: redrive.limit.map_or(u64::MAX, |limit| limit.saturating_sub(taken)),
    };
    let left: Vec<&Part> = parts.iter().filter(|part| !part.done).collect();
    Ok(Records::open(means, &redrive.ranges, &left, taking))
}

struct Taking {
    selector: Selector,
    rules: Rules,
    /// Of the limit, which holds for all owners of the job together.
    left: u64,
}

impl Take for Taking {
    fn left(&self) -> u64 {
        self.left
    }

    fn take(&mut self, message: &OwnedMessage, taken: &mut Taken) -> Result<(), Halt> {
        let Some(selected) = self.selector.select(message) else { return Ok(()) };
        let dead_letter = selected.dead_letter;
        self.left = self.left.saturating_sub(1);
        taken.records += 1;
        taken.bytes += dead_letter.size();
        let (kind, decoded) = match Handle::current().block_on(self.rules.decode(&dead_letter))? {
            Ok(decoded) => decoded,
            Err(why) => {
                taken.counts.leave(why.as_str());
                return Ok(());
            }
        };
        let number = dead_letter.attempts.saturating_add(1);
        let attempt = dead_letter.into_original(kind).map(|record| Attempt { record, number });
        match decoded {
            Decoded::Skipped(_) => taken.counts.skip(),
            Decoded::Rejected(rejection) => {
                taken.counts.reject(rejection.reason);
                taken.refused.extend(attempt.map(|attempt| attempt.refused(rejection)));
            }
            Decoded::Event(event) => {
                taken.events.push(event);
                taken.attempts.extend(attempt);
            }
        }
        Ok(())
    }
}
