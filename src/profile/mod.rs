//! The state of a user's profile: one last-writer-wins register a section, one for "is onboarded", and `erasedAt`.
//!
//! Merging is commutative, associative and idempotent, so a profile is a pure function of the *set* of events accepted:
//! neither their order, nor duplicates, nor batch boundaries show in it. Pure: no clock, no I/O.

mod canonical;
pub mod held;
pub mod section;
pub(crate) mod skim;
pub mod stored;

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use crate::event::{Body, Event, Millis, Stamp};
use held::{HeldSection, Register, Together, Written};
use section::{Section, SectionKind};
use stored::StoredSections;

/// What merging one event did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// At least one register was won.
    Applied,
    /// Every stamp was already held: a duplicate.
    Unchanged,
    /// Nothing was won, and at least one register was lost to a newer write or an erasure.
    Stale,
}

impl Outcome {
    /// The stable name used in metrics and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Stale => "stale",
        }
    }
}

/// How one write fared against one register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contest {
    Won,
    Held,
    Lost,
}

/// A user's profile.
#[derive(Clone, Default)]
pub struct Profile {
    /// What the registers hold, which is little: one event has commonly written nearly all of them. Each of these is held by
    /// at least one register, between two merges.
    written: Vec<Written>,
    registers: [Option<Place>; SectionKind::COUNT],
    onboarded: Option<Stamp>,
    erased_at: Option<Millis>,
}

/// Which section of which write a register holds.
#[derive(Debug, Clone, Copy)]
struct Place {
    written: u8,
    index: u8,
}

impl Profile {
    /// The profile of a user of whom nothing is known but one onboarding.
    pub fn of_onboarding(stamp: Stamp, sections: impl Into<Arc<Vec<Section>>>) -> Self {
        let mut profile = Self { onboarded: Some(stamp.clone()), ..Self::default() };
        profile.merge_sections(&stamp, &sections.into(), Contest::Held);
        profile
    }

    /// The profile that holds `sections`, each written under the one of `stamps` that `stamp_of` names, without an erasure.
    /// `None` where one names a stamp that is not there. Of two sections of one kind the last is kept.
    pub fn of_stored(
        sections: StoredSections,
        stamps: impl IntoIterator<Item = Stamp>,
        stamp_of: impl IntoIterator<Item = u8>,
        onboarded: Option<Stamp>,
    ) -> Option<Self> {
        let sections = Arc::new(sections);
        let together = |stamp| Written { stamp, sections: Together::Stored(Arc::clone(&sections)) };
        let mut profile = Self { written: stamps.into_iter().map(together).collect(), onboarded, ..Self::default() };
        for (index, written) in stamp_of.into_iter().enumerate() {
            profile.written.get(usize::from(written))?;
            profile.put(sections.kind(index)?, Place { written, index: u8::try_from(index).ok()? });
        }
        profile.let_go_of_what_is_not_held();
        Some(profile)
    }

    /// The same profile with another time of its newest tombstone, before which nothing in it may have been stamped.
    pub fn with_erased_at(self, erased_at: Option<Millis>) -> Self {
        Self { erased_at, ..self }
    }

    /// The registers held, in the documented order of sections.
    pub fn registers(&self) -> impl Iterator<Item = Register<'_>> {
        self.registers.iter().zip(SectionKind::ALL).filter_map(|(place, kind)| {
            let (written, index) = self.at((*place)?)?;
            let section = HeldSection { kind, together: &written.sections, index };
            Some(Register { stamp: &written.stamp, section })
        })
    }

    /// The section of this kind, if one was ever carried.
    pub fn section(&self, kind: SectionKind) -> Option<&Section> {
        let (written, index) = self.held(kind)?;
        written.sections.section(index)
    }

    /// What holds the section of this kind, and which one of its sections that is.
    fn held(&self, kind: SectionKind) -> Option<(&Written, usize)> {
        self.at((*self.registers.get(kind as usize)?)?)
    }

    fn at(&self, place: Place) -> Option<(&Written, usize)> {
        Some((self.written.get(usize::from(place.written))?, usize::from(place.index)))
    }

    /// The stamp of the onboarding that holds; `None` while the user is not onboarded (any more).
    pub fn onboarded(&self) -> Option<&Stamp> {
        self.onboarded.as_ref()
    }

    /// The time of the newest tombstone.
    pub fn erased_at(&self) -> Option<Millis> {
        self.erased_at
    }

    /// The newest time among all registers: "now", as far as this profile goes.
    pub fn logical_time(&self) -> Option<Millis> {
        self.written.iter().map(|written| &written.stamp).chain(&self.onboarded).map(|stamp| stamp.time).max()
    }

    /// Merges one event. The event's own order among others makes no difference to the profile.
    pub fn merge(&mut self, event: &Event) -> Outcome {
        match &event.body {
            Body::Onboarding(sections) => {
                let onboarding = self.contest_onboarding(&event.stamp);
                if onboarding == Contest::Won {
                    self.onboarded = Some(event.stamp.clone());
                }
                self.merge_sections(&event.stamp, sections, onboarding)
            }
            Body::Update(sections) => self.merge_sections(&event.stamp, sections, Contest::Held),
            Body::Tombstone => self.erase(event.stamp.time),
        }
    }

    /// Drops everything stamped at or before `time` and remembers it, so that older events cannot bring the user back.
    pub fn erase(&mut self, time: Millis) -> Outcome {
        let outcome = self.outcome_of_erasing(time);
        if outcome == Outcome::Applied {
            self.erased_at = Some(time);
            for slot in &mut self.registers {
                let written = slot.and_then(|place| self.written.get(usize::from(place.written)));
                if written.is_some_and(|written| written.stamp.time <= time) {
                    *slot = None;
                }
            }
            self.let_go_of_what_is_not_held();
            self.onboarded.take_if(|stamp| stamp.time <= time);
        }
        outcome
    }

    fn outcome_of_erasing(&self, time: Millis) -> Outcome {
        match self.erased_at.map(|held| time.cmp(&held)) {
            Some(Ordering::Less) => Outcome::Stale,
            Some(Ordering::Equal) => Outcome::Unchanged,
            Some(Ordering::Greater) | None => Outcome::Applied,
        }
    }

    fn merge_sections(&mut self, stamp: &Stamp, sections: &Arc<Vec<Section>>, first: Contest) -> Outcome {
        let mut contests = Contests::default();
        contests.add(first);
        let mut number = None;
        for (section, index) in sections.iter().zip(0..=u8::MAX) {
            let contest = self.contest_section(stamp, section);
            contests.add(contest);
            if contest == Contest::Won {
                let written = *number.get_or_insert_with(|| self.add(stamp, sections));
                self.put(section.kind(), Place { written, index });
            }
        }
        if number.is_some() {
            self.let_go_of_what_is_not_held();
        }
        contests.outcome()
    }

    /// Takes in what was written by an event, for registers to hold; gives its number.
    fn add(&mut self, stamp: &Stamp, sections: &Arc<Vec<Section>>) -> u8 {
        // No more are held than there are registers.
        let number = self.written.len() as u8;
        self.written.push(Written { stamp: stamp.clone(), sections: Together::Event(Arc::clone(sections)) });
        number
    }

    fn let_go_of_what_is_not_held(&mut self) {
        for number in (0..self.written.len()).rev() {
            let places = || self.registers.iter().flatten();
            if places().all(|place| usize::from(place.written) != number) {
                self.written.remove(number);
                for place in self.registers.iter_mut().flatten() {
                    place.written -= u8::from(usize::from(place.written) > number);
                }
            }
        }
    }

    fn contest_onboarding(&self, stamp: &Stamp) -> Contest {
        self.contest(stamp, self.onboarded.as_ref().map(|held| stamp.cmp(held)))
    }

    fn contest_section(&self, stamp: &Stamp, section: &Section) -> Contest {
        self.contest(stamp, self.held(section.kind()).map(|(written, index)| compare(stamp, section, written, index)))
    }

    /// How a write fares that compares to what is held like this; `None` where nothing is.
    fn contest(&self, stamp: &Stamp, to_held: Option<Ordering>) -> Contest {
        match to_held {
            _ if self.is_erased(stamp) => Contest::Lost,
            Some(Ordering::Less) => Contest::Lost,
            Some(Ordering::Equal) => Contest::Held,
            Some(Ordering::Greater) | None => Contest::Won,
        }
    }

    fn put(&mut self, kind: SectionKind, place: Place) {
        if let Some(slot) = self.registers.get_mut(kind as usize) {
            *slot = Some(place);
        }
    }

    fn is_erased(&self, stamp: &Stamp) -> bool {
        self.erased_at.is_some_and(|erased_at| stamp.time <= erased_at)
    }
}

impl PartialEq for Profile {
    fn eq(&self, other: &Self) -> bool {
        self.onboarded == other.onboarded && self.erased_at == other.erased_at && self.registers().eq(other.registers())
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let registers: Vec<Register<'_>> = self.registers().collect();
        formatter
            .debug_struct("Profile")
            .field("registers", &registers)
            .field("onboarded", &self.onboarded)
            .field("erased_at", &self.erased_at)
            .finish()
    }
}

/// How the writes of one event have fared so far.
#[derive(Default)]
struct Contests {
    won: bool,
    lost: bool,
}

impl Contests {
    fn add(&mut self, contest: Contest) {
        self.won |= contest == Contest::Won;
        self.lost |= contest == Contest::Lost;
    }

    /// What the event did.
    fn outcome(&self) -> Outcome {
        match (self.won, self.lost) {
            (true, _) => Outcome::Applied,
            (false, true) => Outcome::Stale,
            (false, false) => Outcome::Unchanged,
        }
    }
}

/// Orders a write against the register it meets: time, event id, decoder version, then the hash of the content.
fn compare(stamp: &Stamp, section: &Section, held: &Written, index: usize) -> Ordering {
    stamp.cmp(&held.stamp).then_with(|| {
        if held.sections.has(index, section) {
            Ordering::Equal
        } else {
            Some(canonical::hash(section)).cmp(&held.sections.section(index).map(canonical::hash))
        }
    })
}
