//! `segmenter catalog simulate`: stored profiles, scored with the present catalog and with another one. Reads only.
//!
//! ```text
//! walk     pages of users in, the report out
//! tally    the counts, and the examples
//! report   the counts as they are printed
//! html     the report as one page        diagrams  its drawings
//! ```
//!
//! Users are read in pages by key, so that no statement runs long, no transaction stays open and memory does not grow with
//! their number. Both catalogs score a profile at its logical time, as the fold does.

mod diagrams;
pub(crate) mod html;
pub(crate) mod report;
mod tally;
mod walk;

pub(crate) use walk::simulate;

use crate::domain::scoring::Catalog;

/// The catalogs to compare.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Catalogs<'c> {
    pub present: &'c Catalog,
    pub candidate: &'c Catalog,
}
