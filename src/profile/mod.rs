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
use std::convert::Infallible;
use std::sync::Arc;

use crate::event::{Body, Event, Millis, Stamp};
use held::HeldSection;
use section::{Section, SectionKind};

/// The content of one section with the stamp of the event that wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct Register {
    pub stamp: Stamp,
    pub section: HeldSection,
}

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
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Profile {
    // Boxed, since profiles are handed on by value many times between being read and being written.
    registers: Box<[Option<Register>; SectionKind::COUNT]>,
    onboarded: Option<Stamp>,
    erased_at: Option<Millis>,
}

impl Profile {
    /// Puts a profile together from its parts, without an erasure. Of two registers of one section the last is kept.
    pub fn from_parts(registers: impl IntoIterator<Item = Register>, onboarded: Option<Stamp>) -> Self {
        let Ok(profile) = Self::try_from_parts::<Infallible>(registers.into_iter().map(Ok), onboarded);
        profile
    }

    /// [`from_parts`](Self::from_parts) of registers that come one by one; their first error ends it.
    pub fn try_from_parts<E>(
        registers: impl IntoIterator<Item = Result<Register, E>>,
        onboarded: Option<Stamp>,
    ) -> Result<Self, E> {
        let mut profile = Self { onboarded, ..Self::default() };
        for register in registers {
            profile.put(register?);
        }
        Ok(profile)
    }

    /// The same profile with another time of its newest tombstone, before which nothing in it may have been stamped.
    pub fn with_erased_at(self, erased_at: Option<Millis>) -> Self {
        Self { erased_at, ..self }
    }

    /// The registers held, in the documented order of sections.
    pub fn registers(&self) -> impl Iterator<Item = &Register> {
        self.registers.iter().flatten()
    }

    /// The section of this kind, if one was ever carried.
    pub fn section(&self, kind: SectionKind) -> Option<&Section> {
        self.registers.get(kind as usize).and_then(Option::as_ref)?.section.get()
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
        let sections = self.registers().map(|register| register.stamp.time);
        sections.chain(self.onboarded.iter().map(|stamp| stamp.time)).max()
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
            for slot in self.registers.iter_mut() {
                slot.take_if(|register| register.stamp.time <= time);
            }
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

    fn merge_sections(&mut self, stamp: &Stamp, sections: &Arc<[Section]>, first: Contest) -> Outcome {
        let contests = HeldSection::each_of(Arc::clone(sections)).map(|section| {
            let contest = self.contest(stamp, &section);
            if contest == Contest::Won {
                self.put(Register { stamp: stamp.clone(), section });
            }
            contest
        });
        overall(contests.chain([first]))
    }

    fn contest_onboarding(&self, stamp: &Stamp) -> Contest {
        if self.is_erased(stamp) {
            return Contest::Lost;
        }
        match self.onboarded.as_ref().map(|held| stamp.cmp(held)) {
            Some(Ordering::Less) => Contest::Lost,
            Some(Ordering::Equal) => Contest::Held,
            Some(Ordering::Greater) | None => Contest::Won,
        }
    }

    fn contest(&self, stamp: &Stamp, section: &HeldSection) -> Contest {
        if self.is_erased(stamp) {
            return Contest::Lost;
        }
        let held = self.registers.get(section.kind() as usize).and_then(Option::as_ref);
        match held.map(|register| compare(stamp, section, register)) {
            Some(Ordering::Less) => Contest::Lost,
            Some(Ordering::Equal) => Contest::Held,
            Some(Ordering::Greater) | None => Contest::Won,
        }
    }

    fn put(&mut self, register: Register) {
        if let Some(slot) = self.registers.get_mut(register.section.kind() as usize) {
            *slot = Some(register);
        }
    }

    fn is_erased(&self, stamp: &Stamp) -> bool {
        self.erased_at.is_some_and(|erased_at| stamp.time <= erased_at)
    }
}

/// What an event did whose writes fared like this.
fn overall(contests: impl Iterator<Item = Contest>) -> Outcome {
    let (won, lost) = contests.fold((false, false), |(won, lost), contest| {
        (won || contest == Contest::Won, lost || contest == Contest::Lost)
    });
    match (won, lost) {
        (true, _) => Outcome::Applied,
        (false, true) => Outcome::Stale,
        (false, false) => Outcome::Unchanged,
    }
}

/// Orders a write against the register it meets: time, event id, decoder version, then the hash of the content.
fn compare(stamp: &Stamp, section: &HeldSection, held: &Register) -> Ordering {
    stamp.cmp(&held.stamp).then_with(|| {
        if *section == held.section {
            Ordering::Equal
        } else {
            section.get().map(canonical::hash).cmp(&held.section.get().map(canonical::hash))
        }
    })
}
