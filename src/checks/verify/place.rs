//! How far a verification is: the page that it reads next, so that it can be interrupted and go on from there.

use std::fmt;
use std::str::FromStr;

use super::report::{Counts, Findings};
use crate::runtime::halt::Halt;
use crate::runtime::stop::Stop;

/// A table that is walked, in the order of the walks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Walk {
    States,
    Vectors,
    Profiles,
}

impl Walk {
    const ALL: [Self; 3] = [Self::States, Self::Vectors, Self::Profiles];

    fn name(self) -> &'static str {
        match self {
            Self::States => "states",
            Self::Vectors => "vectors",
            Self::Profiles => "profiles",
        }
    }

    /// The table, for its estimated size.
    pub(super) fn table(self) -> &'static str {
        match self {
            Self::States => "segmenter.profile_states",
            Self::Vectors => "public.user_vectors",
            Self::Profiles => "public.travel_onboarding_profiles",
        }
    }
}

/// A table, and the last user of it that was checked; empty: none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub walk: Walk,
    pub user: String,
}

impl Place {
    pub(super) const START: Self = Self { walk: Walk::States, user: String::new() };
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.walk.name(), self.user)
    }
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, user) = text.split_once(':').ok_or(EXPECTED)?;
        let walk = Walk::ALL.into_iter().find(|walk| walk.name() == name).ok_or(EXPECTED)?;
        if user.contains('\0') { Err(EXPECTED) } else { Ok(Self { walk, user: user.to_owned() }) }
    }
}

const EXPECTED: &str = "must be a place as an interrupted verify prints it: states:USER, vectors:USER or profiles:USER";

/// The progress of one walk, before a page.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// The name of the table's walk.
    pub walk: &'static str,
    pub passed: u64,
    /// The number of rows as of the table's last ANALYZE; 0: unknown.
    pub expected: u64,
}

/// A verification in work.
pub struct Run<'r> {
    pub(super) stop: &'r Stop,
    pub(super) show: &'r mut (dyn FnMut(Progress) + Send),
    pub counts: Counts,
    pub findings: Findings,
    /// Where it is, for an interruption.
    pub place: Place,
}

impl<'r> Run<'r> {
    /// A verification that begins at `place`.
    pub fn new(
        findings: Findings,
        place: Option<Place>,
        stop: &'r Stop,
        show: &'r mut (dyn FnMut(Progress) + Send),
    ) -> Self {
        Self { stop, show, counts: Counts::default(), findings, place: place.unwrap_or(Place::START) }
    }

    /// The user after whom `walk` begins; `None` if it has been done.
    pub(super) fn begin(&mut self, walk: Walk) -> Option<String> {
        if self.place.walk > walk {
            return None;
        }
        if self.place.walk < walk {
            self.place = Place { walk, user: String::new() };
        }
        Some(self.place.user.clone())
    }

    /// Notes that the walk has passed all users up to `after`, and shows it.
    ///
    /// # Errors
    /// A stop was requested.
    pub(super) fn passed(&mut self, after: &str, passed: u64, expected: u64) -> Result<(), Halt> {
        after.clone_into(&mut self.place.user);
        (self.show)(Progress { walk: self.place.walk.name(), passed, expected });
        if self.stop.is_requested() { Err(Halt::Interrupted) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_printed() {
        for text in ["states:", "vectors:user-1", "profiles:a:b"] {
            assert_eq!(text.parse::<Place>().map(|place| place.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "states", "users:a", "states:\0"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }
}
