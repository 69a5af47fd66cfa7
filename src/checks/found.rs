//! Findings as every command reports them: each kind with its number and the command that follows, then the first examples.

use std::borrow::Cow;

use serde::Serialize;

/// The number of findings of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Found {
    /// The stable name of the kind.
    pub check: &'static str,
    pub count: u64,
    /// Its meaning, in the plural.
    pub meaning: &'static str,
    /// The command that follows; empty if none of this program helps.
    pub command: Cow<'static, str>,
    /// Empty if the command is enough.
    pub note: &'static str,
}

/// One finding, and the detail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Example {
    pub check: &'static str,
    /// A user, a record or an object of the schema.
    pub subject: String,
    pub detail: String,
}

/// The findings of a report.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct AllFound {
    pub findings: Vec<Found>,
    /// The first few of each kind.
    pub examples: Vec<Example>,
}

impl AllFound {
    /// Adds a kind, unless nothing of it was found. `examples` are subjects with their details.
    pub fn add(&mut self, found: Found, examples: impl IntoIterator<Item = (String, String)>) {
        if found.count == 0 {
            return;
        }
        let example = |(subject, detail)| Example { check: found.check, subject, detail };
        self.examples.extend(examples.into_iter().map(example));
        self.findings.push(found);
    }
}
