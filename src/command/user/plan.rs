//! What erasing a user will do, as it is said beforehand.

use std::io::{self, Write};

use crate::event::{Millis, UserId};
use crate::kafka::client::Topics;
use crate::pipeline::state::{LastSaid, State};
use crate::store::lookup::UserRecord;

/// The parts of what is stored that an erasure goes by.
pub(super) struct Plan<'a> {
    pub user: &'a UserId,
    pub record: &'a UserRecord,
    /// Nothing where the user has no state.
    pub state: Option<&'a State>,
    pub topics: &'a Topics,
    pub to_topics: bool,
}

impl Plan<'_> {
    /// The newest stamp of the user's registers, which the erasure has to be later than.
    pub fn newest(&self) -> Option<Millis> {
        self.state.and_then(|state| state.profile.logical_time())
    }

    /// Says what goes, what is said, and what remains.
    pub fn write(&self, clock: Millis, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "Erasing user {}", self.user)?;
        line(out, "state", &self.of_state())?;
        line(out, "user_vectors", self.of_row())?;
        line(out, &self.topics.segment_changed, self.of_saying())?;
        if let Some(newest) = self.newest().filter(|newest| *newest >= clock) {
            let seconds = (newest.0 - clock.0) as f64 / 1000.0;
            line(out, "first", &format!("wait for {seconds:.1} s: the newest register is stamped {newest}"))?;
        }
        let Topics { onboarding_completed, profile_updated, .. } = self.topics;
        if self.to_topics {
            line(out, onboarding_completed, "a null record: every group that reads the topic sees it")?;
            line(out, profile_updated, "a null record: every group that reads the topic sees it")
        } else {
            writeln!(
                out,
                "  {onboarding_completed} and {profile_updated} are left as they are. The user comes back if a new database\n  \
                 is built from them; --to-topics produces the null records that prevent it."
            )
        }?;
        writeln!(
            out,
            "  What the input topics and {} hold of the user stays there until their retention.",
            self.topics.dead_letter
        )
    }

    fn of_state(&self) -> String {
        match self.state {
            Some(state) => {
                let sections = state.profile.registers().count();
                let onboarding = if state.profile.onboarded().is_some() { " and the onboarding" } else { "" };
                format!("{sections} sections{onboarding} go; the time of the erasure stays")
            }
            None => "none; the time of the erasure is remembered, so that older events cannot create one".to_owned(),
        }
    }

    fn of_row(&self) -> &'static str {
        match &self.record.row {
            None => "no row",
            Some(row) if row.vector_is_ours() => "the row goes",
            Some(_) => "the four columns become null; the learned vector stays",
        }
    }

    fn of_saying(&self) -> &'static str {
        match self.state.and_then(|state| state.said.as_ref()) {
            Some(LastSaid::Ranking(_)) => "a null record",
            Some(LastSaid::Null) => "nothing: a null record was said already",
            None => "nothing: no ranking was ever said",
        }
    }
}

fn line(out: &mut impl Write, name: &str, what: &str) -> io::Result<()> {
    writeln!(out, "  {name}: {what}")
}
