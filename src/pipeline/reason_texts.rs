//! Reasons as the texts that a traveller is told.

use serde::{Serialize, Serializer};

use crate::engine::{Catalog, ReasonCode};

/// The texts of some reasons, written as a list of them.
#[derive(Clone, Copy)]
pub struct ReasonTexts<'a> {
    pub codes: &'a [ReasonCode],
    pub catalog: &'a Catalog,
}

impl<'a> ReasonTexts<'a> {
    /// The texts in the order of their codes.
    pub fn iter(self) -> impl ExactSizeIterator<Item = &'a str> {
        self.codes.iter().map(move |code| self.catalog.reason_text(*code))
    }
}

impl Serialize for ReasonTexts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}
