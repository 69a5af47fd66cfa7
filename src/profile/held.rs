//! A section in the hands of a register: shared with the event or the stored state that it came with, never copied.

use std::fmt;
use std::sync::Arc;

use super::section::{Section, SectionKind};
use super::stored::StoredSections;

/// One of the sections that came together.
#[derive(Clone)]
pub struct HeldSection {
    together: Together,
    index: usize,
    kind: SectionKind,
}

#[derive(Clone)]
enum Together {
    Event(Arc<[Section]>),
    Stored(Arc<StoredSections>),
}

impl HeldSection {
    /// Each of the sections.
    pub fn each_of(sections: Arc<[Section]>) -> impl Iterator<Item = Self> {
        (0..sections.len()).filter_map(move |index| {
            let kind = sections.get(index)?.kind();
            Some(Self { together: Together::Event(Arc::clone(&sections)), index, kind })
        })
    }

    /// Each of the sections, not read yet.
    pub fn each_stored(sections: Arc<StoredSections>) -> impl Iterator<Item = Self> {
        (0..sections.count()).filter_map(move |index| {
            let kind = sections.kind(index)?;
            Some(Self { together: Together::Stored(Arc::clone(&sections)), index, kind })
        })
    }

    /// Which one it is.
    pub fn kind(&self) -> SectionKind {
        self.kind
    }

    /// Its content, which is always there.
    pub fn get(&self) -> Option<&Section> {
        match &self.together {
            Together::Event(sections) => sections.get(self.index),
            Together::Stored(sections) => sections.section(self.index),
        }
    }

    /// How it is stored, if it is as it was read.
    pub fn encoded(&self) -> Option<&[u8]> {
        match &self.together {
            Together::Event(_) => None,
            Together::Stored(sections) => sections.encoded(self.index),
        }
    }
}

impl PartialEq for HeldSection {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl fmt::Debug for HeldSection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(formatter)
    }
}
