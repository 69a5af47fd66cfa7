//! Which dead letters an operator means.

use crate::event::{Millis, Reason};
use crate::kafka::dead_letter_reader::DeadLetter;

/// What a dead letter must be like; what is empty or absent takes all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Any of these.
    pub reasons: Vec<Reason>,
    /// Failed at this time or later.
    pub from: Option<Millis>,
    /// Failed before this time.
    pub to: Option<Millis>,
    /// The original topic.
    pub topic: Option<String>,
    /// The original key.
    pub user: Option<String>,
}

impl Filter {
    pub fn takes(&self, letter: &DeadLetter) -> bool {
        let reason = self.reasons.is_empty() || self.reasons.contains(&letter.reason);
        let time =
            self.from.is_none_or(|from| letter.failed_at >= from) && self.to.is_none_or(|to| letter.failed_at < to);
        let topic = self.topic.as_deref().is_none_or(|topic| *letter.origin.topic == *topic);
        let user = self.user.as_ref().is_none_or(|user| letter.key.as_deref() == Some(user.as_bytes()));
        reason && time && topic && user
    }
}
