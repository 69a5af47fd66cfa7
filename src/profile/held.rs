//! A section in the hands of a register: shared with the event or the stored state that it came with, never copied.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::section::Section;

/// One of the sections that came together.
#[derive(Clone)]
pub struct HeldSection {
    together: Arc<[Section]>,
    index: usize,
}

impl HeldSection {
    /// Each of the sections.
    pub fn each_of(sections: Arc<[Section]>) -> impl Iterator<Item = Self> {
        (0..sections.len()).map(move |index| Self { together: Arc::clone(&sections), index })
    }
}

impl Deref for HeldSection {
    type Target = Section;

    #[expect(clippy::indexing_slicing, reason = "made only of indexes that are there, and the sections never change")]
    fn deref(&self) -> &Section {
        &self.together[self.index]
    }
}

impl PartialEq for HeldSection {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Debug for HeldSection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(formatter)
    }
}
