//! What registers hold: sections that came together, under the stamp of what wrote them. Shared with the event or the stored
//! state that they came with, never copied.

use std::fmt;
use std::sync::Arc;

use super::section::{Section, SectionKind};
use super::stored::StoredSections;
use crate::event::Stamp;

/// What one event wrote, as far as it is still held; each of its sections is known by its index.
#[derive(Clone)]
pub(super) struct Written {
    pub(super) stamp: Stamp,
    pub(super) sections: Together,
}

/// Sections that came together.
#[derive(Clone)]
pub(super) enum Together {
    Event(Arc<Vec<Section>>),
    Stored(Arc<StoredSections>),
}

impl Together {
    /// Whether the section at `index` has this content.
    pub(super) fn has(&self, index: usize, section: &Section) -> bool {
        match self {
            Self::Event(sections) => sections.get(index) == Some(section),
            Self::Stored(sections) => sections.has(index, section),
        }
    }

    /// The section at `index`, which is read now if it was not before.
    pub(super) fn section(&self, index: usize) -> Option<&Section> {
        match self {
            Self::Event(sections) => sections.get(index),
            Self::Stored(sections) => sections.section(index),
        }
    }
}

/// The content of one section with the stamp of the event that wrote it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Register<'p> {
    pub stamp: &'p Stamp,
    pub section: HeldSection<'p>,
}

/// A section in the hands of a register.
#[derive(Clone, Copy)]
pub struct HeldSection<'p> {
    pub(super) kind: SectionKind,
    pub(super) together: &'p Together,
    pub(super) index: usize,
}

impl<'p> HeldSection<'p> {
    /// Which one it is.
    pub fn kind(self) -> SectionKind {
        self.kind
    }

    /// Its content, which is always there.
    pub fn get(self) -> Option<&'p Section> {
        self.together.section(self.index)
    }

    /// How it is stored, if it is as it was read.
    pub fn encoded(self) -> Option<&'p [u8]> {
        match self.together {
            Together::Event(_) => None,
            Together::Stored(sections) => sections.encoded(self.index),
        }
    }
}

impl PartialEq for HeldSection<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl fmt::Debug for HeldSection<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(formatter)
    }
}
