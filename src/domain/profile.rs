//! A user's profile: one last-writer-wins register for each section, one for "is onboarded", and `erasedAt`.
//!
//! Merging is commutative, associative and idempotent, so a profile is a pure function of the *set* of events accepted:
//! neither their order, nor duplicates, nor batch boundaries make a difference.

use std::cmp::Ordering;

use super::canonical;
use super::event::{Body, Event, Millis, Stamp};
use super::section::{Section, SectionKind};

/// The outcome of merging one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The event won at least one register.
    Applied,
    /// Every register already holds the event's write: a duplicate.
    Unchanged,
    /// The event won no register, and lost at least one to a newer write or an erasure.
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

/// The content of one section with the stamp of the event that wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct Register {
    pub stamp: Stamp,
    pub section: Section,
}

/// A user's profile.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Profile {
    /// In the documented order of sections, at most one of each kind.
    registers: Vec<Register>,
    onboarded: Option<Stamp>,
    erased_at: Option<Millis>,
}

impl Profile {
    /// A profile without an erasure. Of two registers of one kind the last is kept.
    pub fn new(registers: impl IntoIterator<Item = Register>, onboarded: Option<Stamp>) -> Self {
        let mut profile = Self { registers: Vec::new(), onboarded, erased_at: None };
        let registers = registers.into_iter();
        profile.registers.reserve_exact(registers.size_hint().0);
        registers.for_each(|register| profile.set(register));
        profile
    }

    /// The profile that one onboarding event makes.
    pub(crate) fn of_onboarding(stamp: &Stamp, sections: Vec<Section>) -> Self {
        let registers = sections.into_iter().map(|section| Register { stamp: stamp.clone(), section });
        Self::new(registers, Some(stamp.clone()))
    }

    /// The same profile with this time of its newest tombstone. All its stamps must be newer.
    pub fn with_erased_at(self, erased_at: Option<Millis>) -> Self {
        Self { erased_at, ..self }
    }

    /// The registers held, in the documented order of sections.
    pub fn registers(&self) -> impl ExactSizeIterator<Item = &Register> {
        self.registers.iter()
    }

    /// The section of this kind, if one was ever carried.
    pub fn section(&self, kind: SectionKind) -> Option<&Section> {
        self.register(kind).map(|register| &register.section)
    }

    fn position(&self, kind: SectionKind) -> Result<usize, usize> {
        self.registers.binary_search_by_key(&kind, |register| register.section.kind())
    }

    fn register(&self, kind: SectionKind) -> Option<&Register> {
        self.position(kind).ok().and_then(|index| self.registers.get(index))
    }

    fn set(&mut self, register: Register) {
        match self.position(register.section.kind()) {
            Ok(index) => {
                if let Some(held) = self.registers.get_mut(index) {
                    *held = register;
                }
            }
            Err(index) => self.registers.insert(index, register),
        }
    }

    /// The stamp of the newest onboarding; `None` while the user is not onboarded (any more).
    pub fn onboarded(&self) -> Option<&Stamp> {
        self.onboarded.as_ref()
    }

    /// The time of the newest tombstone.
    pub fn erased_at(&self) -> Option<Millis> {
        self.erased_at
    }

    /// The newest time among all registers. It takes the place of the wall clock for this profile.
    pub fn logical_time(&self) -> Option<Millis> {
        self.registers().map(|register| &register.stamp).chain(&self.onboarded).map(|stamp| stamp.time).max()
    }

    /// Merges one event. The order in which events are merged makes no difference to the profile.
    pub fn merge(&mut self, event: &Event) -> Outcome {
        let stamp = &event.stamp;
        let (sections, onboards) = match &event.body {
            Body::Onboarding(sections) => (sections, true),
            Body::Update(sections) => (sections, false),
            Body::Tombstone => return self.erase(stamp.time),
        };
        let mut contests = Vec::with_capacity(sections.len() + 1);
        if onboards {
            let contest = self.contest(stamp, self.onboarded.as_ref().map(|held| stamp.cmp(held)));
            if contest.is_gt() {
                self.onboarded = Some(stamp.clone());
            }
            contests.push(contest);
        }
        for section in sections {
            let held = self.register(section.kind());
            let contest = self.contest(stamp, held.map(|held| compare(stamp, section, held)));
            if contest.is_gt() {
                self.set(Register { stamp: stamp.clone(), section: section.clone() });
            }
            contests.push(contest);
        }
        if contests.contains(&Ordering::Greater) {
            Outcome::Applied
        } else if contests.contains(&Ordering::Less) {
            Outcome::Stale
        } else {
            Outcome::Unchanged
        }
    }

    /// Drops everything stamped at or before `time` and remembers it, so that older events cannot bring the user back.
    pub fn erase(&mut self, time: Millis) -> Outcome {
        match self.erased_at.map(|held| time.cmp(&held)) {
            Some(Ordering::Less) => Outcome::Stale,
            Some(Ordering::Equal) => Outcome::Unchanged,
            Some(Ordering::Greater) | None => {
                self.erased_at = Some(time);
                self.registers.retain(|register| register.stamp.time > time);
                self.onboarded.take_if(|stamp| stamp.time <= time);
                Outcome::Applied
            }
        }
    }

    /// Compares a write to the register it meets: greater wins, less loses. `to_held` is `None` where there is no register.
    fn contest(&self, stamp: &Stamp, to_held: Option<Ordering>) -> Ordering {
        let is_erased = self.erased_at.is_some_and(|erased_at| stamp.time <= erased_at);
        if is_erased { Ordering::Less } else { to_held.unwrap_or(Ordering::Greater) }
    }
}

/// Orders a write against the register it meets: time, event id, decoder version, then the hash of the content.
fn compare(stamp: &Stamp, section: &Section, held: &Register) -> Ordering {
    stamp.cmp(&held.stamp).then_with(|| {
        if *section == held.section {
            Ordering::Equal
        } else {
            canonical::hash(section).cmp(&canonical::hash(&held.section))
        }
    })
}
